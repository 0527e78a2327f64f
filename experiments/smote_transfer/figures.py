"""The figures of this paper on the results page: SMOTE before the split, its gains, and the leak by class.

Each function draws one figure from the numbers of its `experiments.results.figures.Source`, and returns its caption.
The first line of its docstring is what a screen reader says.
"""

from functools import partial

import numpy as np

from experiments.results.bars import CLEAN, COLOURS, HEADS, MORE, OURS, PROTOCOLS, SEEDS, bars


def smote_before_split(source, path):
    """Leak and accuracy of SMOTE before and after the split."""
    groups, leaked, accuracy = [], [], []
    for data, title in (("aptos2019", "APTOS"), ("brain_tumor_mri", "tumours")):
        for variant, protocol, name in (
            ("squeezenet+SMOTE_before_split", "paper", "SMOTE before the split"),
            ("squeezenet+SMOTE", "paper", "SMOTE after, paper's protocol"),
            ("squeezenet+SMOTE", "clean", "SMOTE after, leak-free"),
        ):
            row = dict(data=data, variant=variant, protocol=protocol)
            groups.append(f"{title}: {name}")
            leaked.append(source.values(lambda run: run["leakage"]["overall"], **row))
            accuracy.append(source.values("accuracy", **row))
    series = {"test rows that leaked": leaked, "accuracy": accuracy}
    source.draw(bars, path, groups, series, "SMOTE before and after the split", "%", [MORE[0], CLEAN])
    return (
        "Synthetic rows made of the whole data set put neighbours of training rows into the test part, and accuracy "
        f"rises. Soft voting on frozen SqueezeNet features. {SEEDS}"
    )


def smote_gains(source, path):
    """What SMOTE changes: reported, and ours."""
    measures = {
        "mean_ovr_accuracy": "mean one-vs-rest\naccuracy",
        "macro_recall": "macro recall",
        "macro_specificity": "macro specificity",
    }
    reported = {
        measure: item["value"] for item in source.published()["text"] for measure in item.get("measures", ())
    }
    columns = [[[reported[metric]] for metric in measures]]
    for protocol in PROTOCOLS:
        row = dict(data="aptos2019", protocol=protocol)
        columns.append(
            [
                np.subtract(
                    source.values(metric, **row, variant="squeezenet+SMOTE"),
                    source.values(metric, **row, variant="squeezenet+none"),
                )
                for metric in measures
            ]
        )
    source.draw(
        bars,
        path,
        list(measures.values()),
        dict(zip(HEADS, columns, strict=True)),
        "SMOTE minus no resampling, APTOS 2019",
        "points",
        COLOURS,
    )
    return (
        "On frozen SqueezeNet features SMOTE raises recall, by less than reported, and lowers accuracy and "
        f"specificity, on average over the seeds. {SEEDS} Soft voting with and without SMOTE; the abstract does not "
        "say between which rows its gains lie."
    )


def smote_leak_by_class(source, path):
    """The distributed split of the tumour images."""
    row = dict(data="brain_tumor_mri", variant="squeezenet+none")
    classes = source.found(**row, protocol="paper")[0]["class_names"]

    def shares(read, protocol):
        return [source.values(partial(read, name=name), **row, protocol=protocol) for name in classes]

    def recall(run, name):
        return run["metrics"]["per_class"][name]["recall"]

    series = {
        "test images that leaked, distributed split": shares(
            lambda run, name: run["leakage"]["per_class"][name], "paper"
        ),
        "recall, distributed split": shares(recall, "paper"),
        "recall, leak-free": shares(recall, "clean"),
    }
    source.draw(bars, path, classes, series, "Brain Tumor MRI by class", "share (%)", [MORE[0], OURS, CLEAN])
    return f"The split that the data set is distributed with holds copies of test images in training. {SEEDS}"


FIGURES = (smote_before_split, smote_gains, smote_leak_by_class)
