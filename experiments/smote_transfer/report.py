"""The report of the SMOTE runs: every backbone, resampling and learner, and what SMOTE changes.

Reads the run folders and the manifest and trains nothing; `--report-only` of the experiment rebuilds it.
"""

from pathlib import Path

import pandas as pd

from drcls.files import read_json, write_json
from drcls.metrics import (
    accuracy,
    macro_f1,
    macro_recall,
    macro_specificity,
    mean_ovr_accuracy,
    quadratic_kappa,
)
from drcls.report import (
    HEADS,
    PROTOCOLS,
    SPREAD,
    Measure,
    Section,
    Table,
    confusion_matrices,
    difference,
    embedding_map,
    intervals_table,
    p_over_seeds,
    p_value,
    paired_difference,
    results_table,
    right_by_image,
    select_runs,
    synthetic_label,
    verdict,
    write_report,
)
from experiments.common.closing import closing_sections
from experiments.common.reported import runs_to_report
from experiments.common.sections import class_chart

PUBLISHED = Path(__file__).with_name("published.json")
MEASURES = [
    Measure("accuracy (%)", "accuracy"),
    Measure("mean one-vs-rest accuracy (%)", "mean_ovr_accuracy"),
    Measure("macro recall, sensitivity (%)", "macro_recall"),
    Measure("macro specificity (%)", "macro_specificity"),
    Measure("macro F1 (%)", "macro_f1"),
    Measure("macro AUROC (%)", "macro_auroc"),
]
KAPPA = Measure("quadratic kappa", "quadratic_kappa", percent=False)
COMPARED = (accuracy, mean_ovr_accuracy, macro_recall, macro_specificity, macro_f1, quadratic_kappa)
DEVIATIONS = """What was chosen where the abstract is silent:

- SMOTE (five neighbours) on scaled embeddings reduced to 64 principal components, on training rows alone.
- Logistic regression, SVM, k-NN, random forest, gradient boosting, extra trees and a neural head with one
  hidden layer of 256; soft voting averages logistic regression, SVM, random forest and extra trees.
- Hyperparameters by three-fold cross-validation that keeps groups whole, macro F1, for each resampling with itself
  inside the folds. The quick profile chooses them once without resampling, which favours the rows without.
- The abstract does not name the two rows between which its gains lie. "SMOTE minus no resampling" keeps learner and
  embedding and changes the resampling alone; a gain from the fine-tuned network to learners with SMOTE would be
  another contrast, of which the learners without SMOTE may have most.
- The paper protocol splits at random where the data set brings no split, and keeps the distributed one where it
  does; the clean protocol drops duplicates and keeps groups whole. The seed decides the split.
- k-NN and the neural head know no class weights; soft voting does without them anyway.
- ADASYN makes nothing where no class lacks images; its row then reads unfinished.
- Only classes in an order have a quadratic kappa."""


def write_smote_transfer_report(run_set, manifest, data, profile):
    """Write `report.md`, `report.html` and the figures for one data set and profile.

    Args:
        run_set: Path of the experiment's run folders, `runs/smote_transfer`.
        manifest: the whole data set, a `Manifest`.
        data, profile: str, which runs to report.

    Returns:
        Path of `report.html`.
    """
    runs = runs_to_report(run_set, [data], profile)
    folder = run_set / f"report-{data}-{profile}"
    published = read_json(PUBLISHED)
    reported = reported_gains(published)
    ordered = manifest.ordered
    measures = [MEASURES[0], KAPPA, *MEASURES[1:]] if ordered else MEASURES
    sections = [
        Section("Data", [class_chart(folder, manifest)]),
        results_section(runs, measures),
        # The printed gains are those on retinopathy.
        gain_section(folder, runs, reported if ordered else {}, ordered),
        learners_section(runs, measures),
        figures_section(folder, runs),
        *closing_sections(DEVIATIONS, published["notes"], runs),
    ]
    first = first_words(runs, reported, measures)
    return write_report(folder, f"SMOTE on embeddings of {manifest.info['title']}", sections, runs, first)[1]


def first_words(runs, deltas, measures):
    """The verdict: the gains that the abstract reports, and the row with SMOTE."""
    smote = [
        run["variant"]
        for run in runs
        if run["variant"].endswith("+SMOTE") and "fine_tuned" not in run["variant"]
    ]
    return verdict(
        runs,
        f"The abstract reports that SMOTE changes accuracy by {deltas['accuracy']:+.2f}, sensitivity by "
        f"{deltas['macro_recall']:+.2f} and specificity by {deltas['macro_specificity']:+.2f} points on diabetic "
        "retinopathy; the paper's tables are not at hand.",
        min(smote, default="SMOTE"),
        [
            measure
            for measure in measures
            if measure.metric in ("accuracy", "quadratic_kappa", "macro_recall")
        ],
    )


def reported_gains(published):
    """Return the gains of the abstract by the measures that they may be gains of."""
    return {measure: item["value"] for item in published["text"] for measure in item.get("measures", ())}


def results_section(runs, measures):
    """Soft voting of every backbone and resampling, with intervals."""
    parts = [
        "Soft voting on frozen embeddings with every resampling, and the backbone fine-tuned to the end "
        "(fine_tuned: its own softmax; fine_tuned+none and fine_tuned+SMOTE: learners on its embeddings). "
        "SMOTE_before_split makes synthetic rows of the whole data set and splits afterwards; its test part "
        "holds synthetic rows, most of them between training rows. majority and file_hash_dictionary read no pixel: "
        "they show what the largest class and copies in training are worth.",
        Table(
            results_table(runs, [], measures),
            f"{synthetic_label(runs)}By backbone and resampling; the paper's tables are not at hand. {SPREAD}",
        ),
    ]
    for run in runs:
        reason = run["folder"] / "not_possible.txt"
        if reason.is_file():
            parts.append(f"{run['variant']}, {run['protocol']} protocol: {reason.read_text()}")
    for protocol in PROTOCOLS:
        chosen = [run for run in select_runs(runs, protocol=protocol) if not is_before_split(run)]
        for backbone in sorted({run["variant"].split("+")[0] for run in chosen if "+" in run["variant"]}):
            own = [run for run in chosen if run["variant"].split("+")[0] == backbone]
            frame = intervals_table(own, f"{backbone}+none")
            caption = f"{synthetic_label(runs)}Accuracy and its intervals, {backbone}, {HEADS[protocol]}."
            parts.append(Table(frame, caption))
    return Section("Backbones and resampling", parts)


def is_before_split(run):
    """The test part of these rows holds synthetic rows, so that they compare with no other."""
    return run["variant"].endswith("before_split")


def gain_section(folder, runs, printed, ordered):
    """SMOTE minus no resampling, learner by learner, on the same test images; kept in `gains.json` too."""
    compared = COMPARED if ordered else COMPARED[:-1]
    rows = [
        {"protocol": protocol, "backbone": backbone, "learner": learner} | gain(pairs, learner, compared)
        for protocol in PROTOCOLS
        for backbone, pairs in pair_up(select_runs(runs, protocol=protocol, finished=True)).items()
        for learner in read_json(pairs[0][0]["folder"] / "learners.json")
    ]
    text = (
        "SMOTE minus no resampling on the same test images, in points. Intervals: bootstrap over groups, all "
        "seeds together, an image that is tested under several seeds counting as one group: a gain whose interval "
        "leaves out 0 is more than the choice of test images explains; how trainings vary is not in it. The p-value "
        "is that of a paired exact test of accuracy over all seeds: McNemar's where there is one, the images of a "
        "group counted together; where every seed has a split of its own, it is approximate. The "
        "reported gains are those of the abstract, on diabetic retinopathy."
    )
    if not rows:
        return Section("What SMOTE changes", [text, "Not run: it needs the rows none and SMOTE of one seed."])
    phantom = any(run["phantom"] for run in runs)
    write_json(folder / "gains.json", {"phantom": phantom, "gains": rows})
    frame = pd.DataFrame([gain_cells(row, printed) for row in rows])
    table = Table(frame, f"{synthetic_label(runs)}What SMOTE changes, with 95 % intervals.")
    return Section("What SMOTE changes", [text, table])


def pair_up(runs):
    """Return for every kind of embedding its pairs of runs without resampling and with SMOTE, by seed."""
    by_name = {(run["variant"], run["seed"]): run for run in runs}
    pairs = {}
    for (variant, seed), run in sorted(by_name.items()):
        backbone, _, resampling = variant.rpartition("+")
        smote = by_name.get((f"{backbone}+SMOTE", seed))
        if resampling == "none" and smote:
            pairs.setdefault(backbone, []).append((run, smote))
    return pairs


def gain(pairs, learner, compared):
    """Compare one learner with and without SMOTE over all seeds.

    Args:
        pairs: list over seeds of (run without resampling, run with SMOTE).
        learner: str, a column of `learners.csv`.
        compared: measures of `drcls.metrics` to take differences of.

    Returns:
        dict of numbers: `differences`, from a measure's name to its `difference` and 95 % `interval`; `p_value` of all
        seeds; `seeds`.
    """
    class_names = pairs[0][0]["class_names"]
    frames = [[read_learners(run) for run in pair] for pair in pairs]
    without, with_smote = zip(*frames, strict=True)
    differences = {
        statistic.__name__: paired_difference(statistic, without, with_smote, class_names, learner)
        for statistic in compared
    }
    right = [tuple(right_by_image(frame, learner) for frame in pair) for pair in frames]
    seeds = [pair[0]["seed"] for pair in pairs]
    return {"differences": differences, "p_value": p_over_seeds(right), "p_unit": "group", "seeds": seeds}


def gain_cells(row, reported=()):
    """Return one gain as cells of a table, with the reported gains in its heads."""
    cells = {key: row[key] for key in ("protocol", "backbone", "learner")}
    for measure, found in row["differences"].items():
        name = measure.replace("_", " ")
        head = f"{name} (reported {reported[measure]:+.2f})" if measure in reported else name
        scale, digits = (1, 3) if measure == "quadratic_kappa" else (100, 2)
        cells[head] = difference(found, scale, digits)
    return cells | {
        # Rows of older code counted the images of a group apart.
        "paired exact p, all seeds": p_value(row["p_value"])
        + (", by image" if row.get("p_unit") != "group" else ""),
        "seeds": ", ".join(map(str, row["seeds"])),
    }


def read_learners(run):
    """What every learner of a run predicted; class names may be words that pandas takes for numbers or gaps."""
    return pd.read_csv(run["folder"] / "learners.csv", dtype=str, keep_default_na=False)


def learners_section(runs, measures):
    """Every learner with every resampling: mean and deviation over the seeds, accuracy with its interval."""
    rows = []
    groups = {}
    for run in select_runs(runs, finished=True):
        file = run["folder"] / "learners.json"
        if file.is_file():
            groups.setdefault((run["protocol"], run["variant"]), []).append(read_json(file))
    for (protocol, variant), found in sorted(groups.items()):
        for learner in found[0]:
            row = {"protocol": protocol, "embedding and resampling": variant, "learner": learner}
            for measure in measures:
                values = [seed[learner]["metrics"][measure.metric] for seed in found]
                row[measure.title] = measure.format(values)
            low, high = found[0][learner]["intervals"]["accuracy"]["bootstrap"]
            row["accuracy's interval, lowest seed"] = f"{100 * low:.1f} to {100 * high:.1f}"
            rows.append(row)
    if not rows:
        return Section("Every learner", ["No learner was fitted yet."])
    caption = (
        f"{synthetic_label(runs)}Every learner; mean and standard deviation where there are several seeds."
    )
    return Section("Every learner", [Table(pd.DataFrame(rows), caption)])


def figures_section(folder, runs):
    """Confusion matrices before and after SMOTE, and the map of the embeddings."""
    parts = []
    for protocol in PROTOCOLS:
        pairs = pair_up(select_runs(runs, protocol=protocol, finished=True))
        for backbone, [(without, with_smote), *_] in pairs.items():
            name = backbone.replace("+", "-")
            path = folder / "figures" / f"confusion-{name}-{protocol}.png"
            both = [without, with_smote]
            title = f"Before and after SMOTE, {backbone}, {protocol} protocol"
            parts.append(confusion_matrices(path, both, [run["variant"] for run in both], title))
            points = with_smote["folder"] / "embedding_map.csv"
            if points.is_file():
                path = folder / "figures" / f"map-{name}-{protocol}.png"
                title = f"Embeddings of {backbone}, {protocol} protocol"
                parts.append(
                    embedding_map(path, with_smote, pd.read_csv(points, keep_default_na=False), title)
                )
    return Section("Confusion matrices and embeddings", parts or ["Not run."])
