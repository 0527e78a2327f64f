"""One evaluation as a page: measures with intervals, confusion matrix, ROC and reliability."""

import shutil
from pathlib import Path

import pandas as pd

from drcls.metrics import shown_interval
from drcls.report import (
    Section,
    Table,
    confusion_matrices,
    read_runs,
    reliability_diagram,
    roc_and_precision_recall,
    write_report,
)

UNDEFINED = "undefined"
# What a bootstrap shows of images that are all right, or all wrong: nothing of how many more there may be.
NO_WIDTH = "all resamples agree"


def write_evaluation_page(folder, file):
    """Write what `evaluate_classifier` left in a folder as one HTML file that needs nothing beside it.

    Args:
        folder: path of the evaluation.
        file: path of the page. `report.md`, `report.html` and `figures/` are written into the folder too.

    Returns:
        Path of the page.
    """
    folder, file = Path(folder), Path(file)
    (run,) = read_runs(folder)
    figures = folder / "figures"
    title = f"{run['variant']} on {run['data']}, {run['part']} images"
    parts = [
        confusion_matrices(figures / "confusion.png", [run], [run["variant"]], "Confusion matrix"),
        roc_and_precision_recall(figures / "roc.png", run, "ROC and precision-recall curves"),
        reliability_diagram(figures / "reliability.png", run, "Reliability diagram"),
    ]
    sections = [
        Section("What was measured", [_told(run)]),
        Section("All classes together", [Table(overall_table(run), "Measures with 95 % intervals")]),
        Section("Class by class", [Table(class_table(run), "Measures of each class with 95 % intervals")]),
        Section("Figures", parts),
    ]
    _, page = write_report(folder, title, sections, [run])
    file.parent.mkdir(parents=True, exist_ok=True)
    if page.resolve() != file.resolve():
        shutil.copyfile(page, file)
    return file


def overall_table(run):
    """Return measure, value and interval, one row a measure."""
    rows = [
        (name.replace("_", " "), _number(value), *_intervals(run["intervals"].get(name, {})))
        for name, value in run["metrics"].items()
        if isinstance(value, float)
    ]
    return pd.DataFrame(rows, columns=["measure", "value", "bootstrap over groups", "Wilson"])


def class_table(run):
    """Return one row a class and measure."""
    rows = [
        (
            name,
            measure.replace("_", " "),
            _number(value),
            *_intervals(run["intervals"]["per_class"][name][measure]),
        )
        for name, measured in run["metrics"]["per_class"].items()
        for measure, value in measured.items()
        if measure != "support"
    ]
    return pd.DataFrame(rows, columns=["class", "measure", "value", "bootstrap over groups", "Wilson"])


def _told(run):
    """Sentences on the part, on images known from training, and on the threshold."""
    sentences = [
        f"{run['num_test']} images ({run['part']}). Intervals: 2.5th and 97.5th percentile of a bootstrap that "
        "draws whole groups; Wilson's take every image for independent. A share of several images of one group has "
        "none."
    ]
    if run.get("seen_in_training"):
        sentences.append(
            f"{run['seen_in_training']} of these images are files that the run was trained with."
        )
    if run.get("seen_in_training", 0) is None:
        sentences.append("Which of these images the model was trained with is not known.")
    sentences += [f"Assumed: {one}." for one in run.get("assumed", ())]
    if run["intervals"]["accuracy"]["bootstrap"] is None:
        sentences.append("All images are of one group: there is no interval over groups.")
    if "threshold" in run:
        sentences.append(_told_of_threshold(run["threshold"]))
    return "\n\n".join(sentences)


def _told_of_threshold(threshold):
    if threshold is None:
        return "No threshold: the known validation images are all of one class."
    measured = ", ".join(f"{name} {_share(threshold[name])}" for name in ("sensitivity", "specificity"))
    return (
        f"{threshold['positive_class']} from a probability of {threshold['value']:.3f} on, chosen on "
        f"{threshold['num_validation']} validation images: {measured}."
    )


def _share(found):
    if found["value"] is None:
        return UNDEFINED
    interval = shown_interval(found)[1]
    return _number(found["value"]) + (f" ({_pair(interval)})" if interval else "")


def _intervals(kinds):
    return [_pair(kinds.get(kind)) for kind in ("bootstrap", "wilson")]


def _pair(interval):
    if not interval:
        return ""
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval[0] < interval[1] else NO_WIDTH


def _number(value):
    return UNDEFINED if value is None else f"{value:.3f}"
