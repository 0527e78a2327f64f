"""The report of the multi-scale attention runs: the poster's figures beside measured ones, and its explainers.

Reads the run folders and the manifest and trains nothing; `--report-only` of the experiment rebuilds it.
"""

from pathlib import Path

import pandas as pd

from drcls.files import read_json
from drcls.report import (
    PROTOCOLS,
    SPREAD,
    Measure,
    Section,
    Table,
    class_table,
    confusion_matrices,
    describe,
    results_table,
    roc_and_precision_recall,
    select_runs,
    synthetic_label,
    verdict,
    write_report,
)
from experiments.common.closing import closing_sections
from experiments.common.reported import runs_to_report
from experiments.common.sections import class_chart, interval_tables, training_figure
from experiments.multiscale_attention.explainers import explainers_section

PUBLISHED = Path(__file__).with_name("published.json")
NETWORK = "MultiScaleAttention"
MEASURES = [
    Measure("accuracy (%)", "accuracy"),
    Measure("quadratic kappa", "quadratic_kappa", percent=False),
    Measure("macro recall (%)", "macro_recall"),
    Measure("macro F1 (%)", "macro_f1"),
    Measure("micro AUROC (%)", "micro_auroc"),
    Measure("macro AUROC (%)", "macro_auroc"),
    Measure("calibration error (%)", "expected_calibration_error"),
]
EXTERNAL_MEASURES = [MEASURES[i] for i in (0, 1, 2, 5)]
CLASS_MEASURES = [Measure("precision (%)", "precision"), Measure("recall (%)", "recall")]
DEVIATIONS = """What is printed wrongly, and what was chosen where the poster is silent:

- Balanced softmax as Ren et al. (2020) define it; the printed formula is negative. At test time nothing is
  added to the scores and nothing subtracted: their softmax is the one for equally frequent classes.
- Four stages of two residual blocks with 32, 64, 96 and 128 filters; the last three are the scales.
- The wavelets start as Haar's, one trained pair of filters in each stage, kept near orthonormal by a penalty.
- A scale larger than 14 x 14 is averaged down before its attention.
- Random split in 70/10/20 under the paper protocol. The clean protocol drops duplicates and splits groups.
- Adam, 1e-3 at its peak, warmed up over 5 % of the steps, then a cosine to zero; batches of 16. In the `short`
  profile AdamW and averaged weights instead, the first 70 of 100 epochs on smaller images; `pretrained` in batches
  of 32.
- No centre crop; the preparation offers it (`--crop`).
- Rotations of up to 30 degrees, both flips, brightness 0.8 to 1.2, channel shifts of up to 10 of 255.
- Four classes: Severe and Proliferate_DR are one.
- The epoch kept is the one with the best macro F1 on validation, in the `short` profile the last.
- The rows without a part, and the lightweight one, are ours."""


def write_multiscale_attention_report(run_set, manifest, data, profile):
    """Write `report.md`, `report.html` and the figures for one data set and profile.

    Args:
        run_set: Path of the experiment's run folders, `runs/multiscale_attention`.
        manifest: the whole data set with its five classes, a `Manifest`.
        data, profile: str, which runs to report.

    Returns:
        Path of `report.html`.
    """
    runs = runs_to_report(run_set, [data, f"{data}_4_classes"], profile)
    published = read_json(PUBLISHED)
    folder = run_set / f"report-{data}-{profile}"
    by_classes = {"5": select_runs(runs, data=data), "4": select_runs(runs, data=f"{data}_4_classes")}
    by_classes = {number: chosen for number, chosen in by_classes.items() if chosen}
    sections = [Section("Data", [class_chart(folder, manifest)])]
    for number, chosen in by_classes.items():
        sections += [
            results_section(chosen, published["tables"][f"{number} classes"]["rows"], number),
            curves_section(folder, chosen, number),
        ]
    sections += [external_section(run for chosen in by_classes.values() for run in chosen)]
    if "5" in by_classes:
        sections.append(explainers_section(folder, by_classes["5"], manifest))
    shown = [run for chosen in by_classes.values() for run in chosen]
    sections += closing_sections(DEVIATIONS, published["notes"], shown)
    number, chosen = next(iter(by_classes.items()))
    [reported] = [row for row in published["tables"][f"{number} classes"]["rows"] if row["model"] == NETWORK]
    first = verdict(
        chosen,
        f"The poster reports an accuracy of {reported['accuracy']} % and a macro average of "
        f"{reported['macro_recall']} % with {number} classes.",
        NETWORK,
        [MEASURES[0], MEASURES[2], MEASURES[1]],
        [NETWORK],
    )
    return write_report(folder, f"Multi-scale attention on {manifest.info['title']}", sections, shown, first)[
        1
    ]


def results_section(runs, printed, number):
    """The poster's summary, our ablations, and the classes of the poster's network."""
    parts = [
        "The poster's two figures stand as accuracy and macro recall. A test image counts as leaked when the "
        "training part holds an identical or near-identical one.",
        Table(
            results_table(runs, printed, MEASURES),
            f"Poster: APTOS 2019, {number} classes. Ours: {describe(runs)}. {SPREAD}",
        ),
        Table(
            class_table(runs, [], NETWORK, CLASS_MEASURES),
            f"{synthetic_label(runs)}Classes of {NETWORK}. {SPREAD}",
        ),
        *interval_tables(runs, lambda _: NETWORK),
    ]
    return Section(f"Results with {number} classes", parts)


def curves_section(folder, runs, number):
    """Training, ROC and precision-recall curves, confusion matrices."""
    figures = folder / "figures"
    first = min(run["seed"] for run in runs)
    parts = training_figure(folder, runs, f"training-{number}")
    for protocol in PROTOCOLS:
        chosen = select_runs(runs, protocol=protocol)
        models = list(dict.fromkeys(run["variant"] for run in chosen))
        for run in select_runs(chosen, variant=NETWORK, finished=True, seed=first):
            path = figures / f"curves-{number}-{protocol}.png"
            parts.append(roc_and_precision_recall(path, run, f"{NETWORK}, {number} classes"))
        if chosen:
            path = figures / f"confusion-{number}-{protocol}.png"
            parts.append(confusion_matrices(path, chosen, models, f"Confusion matrices, {number} classes"))
    return Section(f"Curves and confusion matrices with {number} classes", parts)


def external_section(runs):
    """Trained on one data set, tested on every image of another."""
    rows, controls = [], set()
    for run in runs:
        for file in sorted(run["folder"].glob("external-*.json")):
            measured = read_json(file)
            tested_on = f"{measured['data']} ({as_words(measured['preparation'])})"
            trained_on = f"{run['data']} ({as_words(measured['trained_on'])})"
            row = {"row": run["variant"], "trained on": trained_on, "tested on": tested_on}
            row |= {"images": measured["num_test"], "protocol": run["protocol"], "seed": run["seed"]}
            rows.append(row | external_measures(measured))
            if measured.get("control"):
                learned = {"row": f"control for {run['variant']}", "trained on": "the same, cross-validated"}
                controls.add(measured["control"]["what"])
                rows.append(row | learned | external_measures(measured["control"]))
    if not rows:
        return Section("Another data set", ["Not run: `--external` names a prepared data set to test on."])
    caption = "Every image of the other data set; nothing was chosen on it. "
    if controls:
        caption += (
            f"The control ({'; '.join(sorted(controls))}) learns from the other data set itself, at the image size of "
            "the row: it shows whether the prepared images still show the grades. "
        )
    caption += "What the distributor did to the images (the APTOS copy comes filtered) is not in the preparation here."
    rows = [{key: str(value) for key, value in row.items()} for row in rows]
    return Section("Another data set", [Table(pd.DataFrame(rows), caption)])


def external_measures(measured):
    """The measures of one row on another data set, as words."""
    shown = {}
    for measure in EXTERNAL_MEASURES:
        value = measured["metrics"][measure.metric]
        shown[measure.title] = measure.format([value], 2)
    referred = measured.get("referred_auroc")
    return shown | {"AUROC, moderate or worse": "not measured" if referred is None else f"{referred:.3f}"}


def as_words(preparation):
    """Write preparation options that do something."""
    return (
        ", ".join(f"{k} {v}" for k, v in (preparation or {}).items() if v not in ("none", False)) or "as is"
    )
