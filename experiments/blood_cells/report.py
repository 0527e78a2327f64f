"""The report of the blood-cell runs: Tables 2 and 3 and Figure 1, what was removed, and corrupted test images.

Reads the run folders and the manifest and trains nothing; `--report-only` of the experiment rebuilds it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from drcls.data.image_ops import read_image, resize
from drcls.files import read_json
from drcls.metrics import mean_corruption_error
from drcls.report import (
    PROTOCOLS,
    SPREAD,
    Measure,
    Section,
    Table,
    class_distribution,
    confusion_matrices,
    describe,
    kind_of_images,
    outlier_figure,
    read_history,
    results_table,
    select_runs,
    synthetic_label,
    verdict,
    write_report,
)
from experiments.blood_cells.corruptions_report import (
    augmentation_section,
    read_robustness,
    robustness_section,
)
from experiments.blood_cells.splits import read_searched
from experiments.common.closing import closing_sections
from experiments.common.reported import runs_to_report
from experiments.common.sections import interval_tables, training_figure

PUBLISHED = Path(__file__).with_name("published.json")
MEASURES = [
    Measure("accuracy (%)", "accuracy"),
    Measure("recall, weighted by class (%)", "weighted_recall"),
    Measure("F1, weighted by class (%)", "weighted_f1"),
    Measure("macro F1 (%)", "macro_f1"),
    Measure("macro AUROC (%)", "macro_auroc"),
]
SHOWN_PIXELS = 96
DEVIATIONS = """What is printed wrongly, and what was chosen where the paper is silent:

- The outlier search sees hues: the chroma in twelve directions of CIELAB's a-b plane; 300 trees of 32 images, cut
  by Otsu's method. Features and sample size were chosen by what they found of the images injected among synthetic
  cells (thumbnails and colour grids, which find less, had been tried on the real ones too); the threshold is not.
- Paper protocol: identical files once, outliers removed from all images, 80:20 at random, the epoch with the best
  validation accuracy, tested on that same validation part. Near-identical images are left as they are found.
- Clean protocol: 70/10/20 by groups of near-identical images; validation and test hold genuine cells alone; the
  search sees and cleans the training part only.
- The epoch with the best validation accuracy is kept, which Table 2 prints; the paper's early stopping restored the
  one with the lowest validation loss. Ours stops by that loss too.
- The last block is ResNet50's conv5_block3 and its like; batch norms stay as they came.
- L2 of 1e-4; the learning rate halved after four epochs without a better validation accuracy.
- Rotations of up to 30 degrees, both flips, zoom 0.1, brightness 0.8 to 1.2, noise of up to 10 grey levels.
- Heads on frozen backbones are trained on embeddings computed once, without augmentation (`--augment-frozen` for
  the other way), the downsampled ones too; the last block and the own networks are trained with it.
- Filters of the own networks, their poolings and batch norms: see `drcls/models/`.
- Eight corruptions stand in for the external test set, which is not described and not to be had."""


def write_blood_cells_report(run_set, manifest, data, profile):
    """Write `report.md`, `report.html` and the figures for one data set and profile.

    Args:
        run_set: Path of the experiment's run folders, `runs/blood_cells`.
        manifest: the whole data set, a `Manifest`.
        data, profile: str, which runs to report.

    Returns:
        Path of `report.html`.
    """
    runs = [with_weighted(run) for run in runs_to_report(run_set, [data], profile)]
    folder = run_set / f"report-{data}-{profile}"
    published = read_json(PUBLISHED)
    sections = [
        data_section(folder, runs, manifest, published["datasets"]["blood_cells"]),
        outlier_section(folder, runs, manifest),
        results_section(runs, published),
        sets_section(runs, reported_sets(published["tables"]["3"])),
        robustness_section(folder, runs),
        augmentation_section(runs),
        figures_section(folder, runs),
        *closing_sections(DEVIATIONS, published["notes"], runs),
    ]
    first = first_words(runs, published["tables"])
    return write_report(folder, f"Blood cells: {manifest.info['title']}", sections, runs, first)[1]


def first_words(runs, tables):
    """The verdict: the fine-tuned network of Table 3 beside ours."""
    reported = reported_sets(tables["3"])
    variants = [run["variant"] for run in runs if run["variant"].endswith("+fine_tuned")]
    return verdict(
        runs,
        f"The paper reports an accuracy of {reported['validation']:.2f} % on validation images and "
        f"{reported['test']:.2f} % on an external test set (Table 3).",
        min(variants, default="ResNet50+fine_tuned"),
        MEASURES[:1],
        [row["model"] for row in tables["2"]["rows"]],
    )


def with_weighted(run):
    """Add the averages that the paper prints: recall and F1 weighted by class size."""
    if not run["finished"]:
        return run
    classes = [values for values in run["metrics"]["per_class"].values() if values["support"]]
    support = [values["support"] for values in classes]
    averages = {
        f"weighted_{name}": float(np.average([values[name] for values in classes], weights=support))
        for name in ("recall", "f1")
    }
    return run | {"metrics": run["metrics"] | averages}


def searches(runs):
    """Return what was searched for outliers, {(protocol, seed): folder}."""
    folders = {(run["protocol"], run["seed"]): run["folder"].parent for run in runs}
    order = sorted(folders, key=lambda key: (key[0] != "paper", key[1]))
    return {key: folders[key] for key in order if (folders[key] / "outliers.json").is_file()}


def data_section(folder, runs, manifest, printed):
    """Section 2.1: classes as found and after each removal, beside the three counts that are printed."""
    steps = {"as found": manifest.counts_by_class()}
    for (protocol, _), place in list(searches(runs).items())[:1]:
        counts = read_json(place / "outliers.json")["counts"]
        steps["duplicates removed"] = counts["duplicates removed"]
        if protocol == "paper":
            kept = {name: counts["train"][name] + counts["validation"][name] for name in manifest.classes}
            steps["outliers removed"] = kept
    step, last = list(steps.items())[-1]
    rows = [
        ("images", f"{printed['total']:,}", f"{len(manifest):,}"),
        (f"largest class, {step}", describe_class(printed["largest_class"], manifest), extreme(last, max)),
        (f"smallest class, {step}", describe_class(printed["smallest_class"], manifest), extreme(last, min)),
    ]
    chart = class_distribution(folder / "figures" / "classes.png", steps, manifest.info, "Images per class")
    frame = pd.DataFrame(rows, columns=["count", "paper", manifest.info["title"]])
    caption = "Counts, printed and here; the printed classes are those left without duplicates and outliers."
    injected = manifest.info.get("injected")
    parts = [describe_injected(injected)] if injected else []
    return Section("Data (section 2.1)", [*parts, Table(frame, caption), chart])


def describe_injected(injected):
    """Say how many of the images the project made itself: {kind: number} -> str."""
    kinds = ", ".join(f"{number:,} x {kind}" for kind, number in injected.items())
    number = f"{sum(injected.values()):,}"
    return f"{number} of the images were injected by the preparation, after the paper's set ({kinds})."


def describe_class(entry, manifest):
    return f"{entry['images']:,} ({manifest.classes[entry['class']]})"


def extreme(counts, choose):
    name = choose(counts, key=counts.get)
    return f"{counts[name]:,} ({name})"


def outlier_section(folder, runs, manifest):
    """What was removed as duplicate or outlier, and how well that fits what was injected."""
    rows, parts = [], []
    for (protocol, seed), place in searches(runs).items():
        found = read_json(place / "outliers.json")
        detection = found.get("detection", {})
        rows.append(
            {
                "protocol": protocol,
                "seed": str(seed),
                "duplicates removed": str(found["duplicates_removed"]),
                "searched": str(found["num_searched"]),
                "injected overlays": str(detection.get("num_injected", "not known")),
                "removed as outliers": str(found["num_removed"]),
                "precision (%)": percent(detection.get("precision")),
                "recall (%)": percent(detection.get("recall")),
            }
            | {f"recall, {kind} (%)": percent(value) for kind, value in found.get("by_kind", {}).items()}
        )
        if not any(part[0] == protocol for part in parts):
            parts.append((protocol, draw_outliers(folder, place, found, manifest, protocol)))
    text = (
        "Duplicates are files of the same bytes. The isolation forest gets no labels and does not know what was "
        "injected; its threshold is where Otsu's method parts the scores, and a set without outliers would be parted "
        "too. Images injected on purpose are the truth: "
        "a genuine cell with odd colours that was removed counts as a mistake."
    )
    if not rows:
        return Section("Duplicates and outliers (section 2.1)", [text, "Not run."])
    caption = f"{synthetic_label(runs)}What was removed, and how much of it was injected."
    table = Table(pd.DataFrame(rows).fillna("not injected"), caption)
    return Section("Duplicates and outliers (section 2.1)", [text, table, *(figure for _, figure in parts)])


def percent(share):
    return "not known" if share is None else f"{100 * share:.1f}"


def draw_outliers(folder, place, found, manifest, protocol):
    frame = read_searched(place)
    injected = None if (frame["injected"] == "unknown").any() else (frame["injected"] != "").to_numpy()
    images = LazyImages([manifest.root / path for path in frame["path"]])
    path = folder / "figures" / f"outliers-{protocol}.png"
    title = f"Outliers, {protocol} protocol"
    return outlier_figure(
        path, frame["score"].to_numpy(), found["threshold"], injected, images, manifest.info, title
    )


class LazyImages:
    """Images read from disk when they are shown."""

    def __init__(self, paths):
        self.paths = paths

    def __getitem__(self, row):
        return resize(read_image(self.paths[row]), SHOWN_PIXELS)


def results_section(runs, published):
    """Table 2 and its like: every row under both protocols."""
    tables = published["tables"]
    text = {item["id"]: item["value"] for item in published["text"] if "id" in item}
    fine_tuned = {
        "model": tables["3"]["model"],
        "weighted_f1": text["fine_tuned_f1"],
        "accuracy": reported_sets(tables["3"])["validation"],
    }
    parts = [
        "The paper's figures are the largest validation accuracy over all epochs. Ours under the paper protocol are "
        "the same: the epoch is chosen on the images that the accuracy is reported on. Under the clean protocol the "
        "test part is chosen on by nothing. Of its own networks the paper prints one figure for all (section 3.1): "
        f"about {text['own_networks']} % in training and validation, {text['own_networks_test']} % on the test set.",
        Table(
            results_table(runs, [*tables["2"]["rows"], fine_tuned], MEASURES),
            "Paper: Table 2 and the fine-tuned network (section 3.4, Table 3), on the images of its course. "
            f"Ours: {describe(runs)}. {SPREAD}",
        ),
    ]
    parts += interval_tables(runs, first_fine_tuned)
    return Section("Networks (sections 3 and 6, Table 2)", parts)


def first_fine_tuned(runs):
    """The first finished row with a fine-tuned last block, None where there is none."""
    finished = select_runs(runs, finished=True)
    return next((run["variant"] for run in finished if run["variant"].endswith("+fine_tuned")), None)


def reported_sets(table):
    """Return Table 3 as accuracies in percent by train, validation and test."""
    return {row["set"]: row["accuracy"] for row in table["rows"]}


def sets_section(runs, printed):
    """Table 3: training, validation and test accuracy of the final model, and what corruptions leave of it."""
    rows = [
        [
            "paper, ResNet50+fine_tuned",
            *(f"{printed[name]:.2f}" for name in ("train", "validation", "test")),
            "not measured",
        ]
    ]
    for run in runs:
        if not run["finished"] or not run["variant"].endswith("+fine_tuned"):
            continue
        history = read_history(run)
        best = history.loc[history["val_accuracy"].idxmax()]
        clean = run["protocol"] == "clean"
        measured = read_robustness(run)
        rows.append(
            [
                f"ours, {run['variant']}, {run['protocol']} protocol, seed {run['seed']}{kind_of_images([run])}",
                f"{100 * best['accuracy']:.2f}",
                f"{100 * best['val_accuracy']:.2f}",
                f"{100 * run['metrics']['accuracy']:.2f}" if clean else "is validation",
                f"{100 * (1 - mean_corruption_error(measured)):.2f}" if measured else "not measured",
            ]
        )
    columns = ["model", "train (%)", "validation (%)", "test (%)", "corrupted test, mean (%)"]
    text = (
        "Training accuracy is the running one of the kept epoch, under augmentation and dropout. The paper's test "
        "set is an external one that it does not describe; ours is clean, and corrupted in eight ways in the last "
        "column."
    )
    return Section(
        "The final model (Table 3)",
        [text, Table(pd.DataFrame(rows, columns=columns), f"Paper: Table 3. Ours: {describe(runs)}.")],
    )


def figures_section(folder, runs):
    """Figure 1, the confusion matrices of the fine-tuned and the other rows, and training curves."""
    parts = []
    for protocol in PROTOCOLS:
        chosen = select_runs(runs, protocol=protocol, finished=True)
        printed = [run for run in chosen if not run["config"].get("strong_augmentation")]
        names = list(dict.fromkeys(run["variant"] for run in printed))
        names.sort(key=lambda name: (not name.endswith("+fine_tuned"), name))
        if names:
            path = folder / "figures" / f"confusion-{protocol}.png"
            title = f"Figure 1 and its like, {protocol} protocol"
            parts.append(confusion_matrices(path, chosen, names, title))
    parts += training_figure(folder, select_runs(runs, protocol="clean") or runs)
    return Section("Confusion matrices (Figure 1) and training", parts or ["Not run."])
