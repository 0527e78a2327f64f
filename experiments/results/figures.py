"""The figures of the results page, three per paper, drawn from the committed result files.

python -m experiments.results.figures        redraw experiments/results/figures/
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from drcls.files import read_json, write_json
from drcls.metrics import wald_interval
from experiments.results.bars import CLEAN, MORE, OURS, PAPER, bars, lines, ranges
from experiments.results.measured import RESULTS, all_runs, find

FOLDER = RESULTS / "figures"
PROTOCOLS = ("paper", "clean")
HEADS = ["paper", "ours, paper's protocol", "ours, leak-free"]
COLOURS = [PAPER, OURS, CLEAN]
SEEDS = "Error bars are the standard deviation over seeds."


@dataclass
class Source:
    """The runs and reported numbers that one figure draws on; remembers what it read and drew.

    Args:
        paper: str, name of the experiment.
        runs: sequence of dict, from `all_runs`.
    """

    paper: str
    runs: tuple
    files: list[str] = field(default_factory=list)
    numbers: dict = field(default_factory=dict)

    def draw(self, kind, *arguments):
        """Draw with one of the functions of `experiments.results.bars`, and remember the drawn numbers."""
        self.numbers = kind(*arguments)

    def reported(self, table, **row):
        """Return the rows of a reported table whose fields equal those given."""
        return [one for one in self.published()["tables"][table]["rows"] if row.items() <= one.items()]

    def published(self):
        """Return all that the paper reports."""
        return read_json(RESULTS.parent / self.paper / "published.json")

    def found(self, **wanted):
        """Return the runs of short profile whose fields equal those given, by seed."""
        runs = find(self.runs, experiment=self.paper, profile="short", **wanted)
        self.files += [run["file"] for run in runs]
        return sorted(runs, key=lambda run: run["seed"])

    def values(self, read, **wanted):
        """Return a number in percent by seed; `read` is the name of a metric or a function of the run."""
        reader = read if callable(read) else lambda run: run["metrics"][read]
        return [100 * reader(run) for run in self.found(**wanted)]

    def file(self, name):
        """Return the content of another result file of this paper."""
        self.files.append(f"{self.paper}/{name}")
        return read_json(RESULTS / self.paper / name)


def chexnet_accuracy(source, path):
    """Accuracy by protocol."""
    [reported] = source.reported("4", model="CheXNet_CBAM")
    rows = {
        "EfficientNetLite0_CBAM_DropBlock_Transformer": "its parts on\nEfficientNet-Lite0",
        "EfficientNetLite0": "EfficientNet-Lite0\nalone",
        "frozen_features_head": "small head on frozen\nEfficientNet-Lite0",
        "forest_on_frozen_features": "extra trees on frozen\nEfficientNet-Lite0",
        "file_hash_dictionary": "dictionary of file hashes",
    }
    paper, clean = (
        [source.values("accuracy", data="aptos2019", variant=row, protocol=protocol) for row in rows]
        for protocol in PROTOCOLS
    )
    columns = ([[reported["accuracy"]], *([[]] * len(rows))], [[], *paper], [[], *clean])
    series = dict(zip(HEADS, columns, strict=True))
    source.draw(
        bars,
        path,
        ["CheXNet_CBAM", *rows.values()],
        series,
        "Accuracy on APTOS 2019",
        "accuracy (%)",
        COLOURS,
    )
    return (
        "Under the paper's protocol a dictionary from file hash to label, which sees no image, and learners on "
        "features that were not trained for this task come near the reported accuracy or reach it. On a leak-free "
        f"split they do not. {SEEDS}"
    )


def chexnet_leak_by_class(source, path):
    """Which classes leak, and which are recalled."""
    row = dict(data="aptos2019", variant="forest_on_frozen_features")
    classes = source.found(**row, protocol="paper")[0]["class_names"]
    recall = {one["class"]: one["recall"] for one in source.reported("5")}

    def ours(protocol, read):
        return [source.values(partial(read, name=name), **row, protocol=protocol) for name in classes]

    def measured(run, name):
        return run["metrics"]["per_class"][name]["recall"]

    series = {
        "test images that leaked, paper's protocol": ours(
            "paper", lambda run, name: run["leakage"]["per_class"][name]
        ),
        "recall, paper (CheXNet_CBAM, Table 5)": [[recall[name]] for name in classes],
        "recall, ours, paper's protocol (extra trees)": ours("paper", measured),
        "recall, ours, leak-free (extra trees)": ours("clean", measured),
    }
    source.draw(
        bars,
        path,
        classes,
        series,
        "Leaked test images and recall by class",
        "share (%)",
        [MORE[0], *COLOURS],
    )
    return (
        "Nearly every test image of Mild, Severe and Proliferate_DR leaked. Extra trees recall them under the paper's "
        f"protocol and miss most of them on a leak-free split. {SEEDS}"
    )


def chexnet_intervals(source, path):
    """The reported intervals and Eq. 25."""
    rows = source.reported("8")
    size = source.published()["datasets"]["aptos2019"]["split"]["test"]
    series = {
        "reported": [row["interval"] for row in rows],
        f"Eq. 25 at the {size} test images": [
            [100 * bound for bound in wald_interval(row["accuracy"] / 100, size)] for row in rows
        ],
    }
    source.draw(
        ranges,
        path,
        [row["model"] for row in rows],
        series,
        "95 % intervals of Table 8",
        "accuracy (%)",
        [PAPER, CLEAN],
    )
    return "No reported interval is the one that the paper's own formula gives at the size of its test part."


def multiscale_accuracy(source, path):
    """The poster's numbers and ours."""
    groups, columns = [], ([], [], [])
    for number, data in (("5", "aptos2019"), ("4", "aptos2019_4_classes")):
        [reported] = source.reported(f"{number} classes", model="MultiScaleAttention")
        for metric, name in (("accuracy", "accuracy"), ("macro_recall", "macro recall")):
            groups.append(f"{name},\n{number} classes")
            columns[0].append([reported[metric]])
            for column, protocol in zip(columns[1:], PROTOCOLS, strict=True):
                row = dict(data=data, variant="MultiScaleAttention", protocol=protocol)
                column.append(source.values(metric, **row))
    source.draw(
        bars,
        path,
        groups,
        dict(zip(HEADS, columns, strict=True)),
        "Multi-scale attention on APTOS 2019",
        "%",
        COLOURS,
    )
    return (
        "One seed, from random weights, at 96 pixels in the end, after 100 epochs. The poster calls its numbers "
        "micro and macro average; they are read here as accuracy and macro recall."
    )


def multiscale_rows(source, path):
    """What balanced softmax does, and what the network gains or loses without a part."""
    rows = {
        "MultiScaleAttention": "the poster's network",
        "without_balanced_softmax": "without balanced\nsoftmax",
        "without_attention": "without attention",
        "norm_first": "pre-norm\nencoders",
        "norm_first_without_balanced_softmax": "pre-norm, without\nbalanced softmax",
        "without_wavelet": "without\nwavelets",
        "without_squeeze_excitation": "without squeeze\nand excitation",
        "lightweight": "lightweight",
    }
    measures = {"accuracy": "accuracy", "macro_recall": "macro recall", "macro_f1": "macro F1"}
    series = {
        name: [source.values(metric, data="aptos2019", protocol="clean", variant=row) for row in rows]
        for metric, name in measures.items()
    }
    source.draw(
        bars,
        path,
        list(rows.values()),
        series,
        "Leak-free split, five classes",
        "%",
        [MORE[0], MORE[1], MORE[2]],
    )
    return "Balanced softmax gives up accuracy for macro recall. One seed per row, 100 epochs at up to 96 pixels."


def multiscale_explainers(source, path):
    """Deletion and insertion of every explainer."""
    [run] = source.found(data="aptos2019", protocol="clean", variant="MultiScaleAttention")
    methods = run["explainers"]["methods"]
    series = {
        f"{name} ({good} is good)": [[100 * methods[method][name]] for method in methods]
        for name, good in (("deletion", "low"), ("insertion", "high"))
    }
    groups = [method.replace("_", " ") for method in methods]
    source.draw(
        bars,
        path,
        groups,
        series,
        "Explainers against random pixels",
        "area under the curve (%)",
        [OURS, CLEAN],
    )
    return (
        "Means over 20 test images of one network (100 epochs); an explainer is faithful as far as it differs from "
        "random pixels."
    )


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


def canine_alpha(source, path):
    """Macro F1 by alpha."""
    rows = [one for one in source.reported("1", network="DenseNet-121") if one["method"].startswith("focal")]
    alphas = [float(one["method"].removeprefix("focal_")) for one in rows]
    ours = [
        [
            value / 100
            for value in source.values(
                "macro_f1", data="chula_rbc", protocol="paper", variant=f"tiny_densenet+{one['method']}"
            )
        ]
        for one in rows
    ]
    series = {
        "paper, DenseNet-121, dogs": (alphas, [[one["macro_f1"]] for one in rows]),
        "ours, a small DenseNet, human cells, paper's protocol": (alphas, ours),
    }
    source.draw(
        lines, path, series, "Macro F1 by alpha of the focal loss", "alpha", "macro F1", [PAPER, OURS]
    )
    return (
        "Ours: mean over three seeds, and their range. Adam divides a constant alpha out of the loss. The reported "
        "spread over alpha is wider than the gain that the paper claims."
    )


def canine_constant_answer(source, path):
    """Reported accuracy minus that of a constant answer, by imbalance."""
    counts = {row["rho"]: row["counts"] for row in source.reported("2")}
    constant = {rho: 100 * max(numbers) / sum(numbers) for rho, numbers in counts.items()}
    series = {}
    for network in ("DenseNet-121", "ResNet-50"):
        for loss, name in (("focal", "focal loss"), ("cross_entropy", "cross-entropy")):
            rows = source.reported("3", network=network, loss=loss)
            gained = [[row["accuracy"] - constant[row["rho"]]] for row in rows]
            series[f"{network}, {name}"] = ([row["rho"] for row in rows], gained)
    title = "Reported accuracy minus a constant answer"
    source.draw(lines, path, series, title, "imbalance ratio rho", "points", [OURS, CLEAN, MORE[0], MORE[1]])
    return (
        "Table 3 minus what always answering with the largest class scores by the counts of Table 2. At the highest "
        "imbalance three of the four reported accuracies are below the constant answer."
    )


def canine_methods(source, path):
    """Losses and resampling by protocol."""
    methods = {
        "cross_entropy": "cross-entropy",
        "focal_1.50": "focal loss, alpha 1.50",
        "over_sampling": "over-sampling",
        "under_sampling": "under-sampling",
    }
    columns = [[[100 * one["macro_f1"]] for name in methods for one in _row_of_table_1(source, name)]]
    for protocol in PROTOCOLS:
        row = dict(data="chula_rbc", protocol=protocol)
        columns.append(
            [source.values("macro_f1", **row, variant=f"tiny_densenet+{name}") for name in methods]
        )
    source.draw(
        bars,
        path,
        list(methods.values()),
        dict(zip(HEADS, columns, strict=True)),
        "Macro F1: DenseNet-121 on dogs, ours on human cells",
        "macro F1 (%)",
        COLOURS,
    )
    return f"Under the paper's protocol cells of one smear are in training and test. {SEEDS}"


def _row_of_table_1(source, method):
    return source.reported("1", network="DenseNet-121", method=method)


def blood_accuracy(source, path):
    """Frozen and fine-tuned networks."""
    [frozen] = source.reported("2", model="ResNet50")
    sets = {row["set"]: row["accuracy"] for row in source.reported("3")}
    columns = [[[frozen["accuracy"]], [sets["validation"]], [sets["test"]]]]
    for protocol in PROTOCOLS:
        row = dict(data="blood_cells", protocol=protocol)
        tuned = dict(row, variant="EfficientNetLite0+fine_tuned")
        columns.append(
            [
                source.values("accuracy", **row, variant="EfficientNetLite0"),
                source.values("accuracy", **tuned),
                [value for run in source.found(**tuned) for value in _corrupted(run)],
            ]
        )
    groups = ["frozen backbone", "last block trained", "last block trained,\ncorrupted images"]
    title = "Blood cells: ResNet50 reported, EfficientNet-Lite0 here"
    source.draw(bars, path, groups, dict(zip(HEADS, columns, strict=True)), title, "accuracy (%)", COLOURS)
    return (
        "The reported accuracy on corrupted images is that of a hidden test set; ours is the mean over eight "
        "corruptions at five severities. One seed; of the frozen backbone on the leak-free split three: the bar "
        "is their standard deviation."
    )


def _corrupted(run):
    """Accuracy in percent on corrupted images, [] where none was measured."""
    found = run.get("robustness")
    return [100 * np.mean([np.mean(values) for values in found["corrupted"].values()])] if found else []


def blood_outliers(source, path):
    """How well added pictures are found."""
    found = {
        protocol: [source.file(f"outliers-blood_cells-{protocol}-short-s{seed}.json") for seed in (0, 1, 2)]
        for protocol in PROTOCOLS
    }
    kinds = list(found["paper"][0]["by_kind"])
    columns = [
        [[100 * one["detection"][name] for one in files] for name in ("precision", "recall")]
        + [[100 * one["by_kind"][kind] for one in files] for kind in kinds]
        for files in found.values()
    ]
    groups = ["precision", "recall", *(f"recall,\n{kind}" for kind in kinds)]
    source.draw(
        bars,
        path,
        groups,
        dict(zip(HEADS[1:], columns, strict=True)),
        "Outlier search",
        "share (%)",
        COLOURS[1:],
    )
    return (
        f"An isolation forest on hues finds all copies of one blended picture and most of the other. {SEEDS}"
    )


def blood_corruptions(source, path):
    """Accuracy by corruption."""
    rows = {
        "EfficientNetLite0+fine_tuned": "EfficientNet-Lite0, last block trained",
        "EfficientNetLite0+all_layers": "EfficientNet-Lite0, all layers trained",
        "four_inception_blocks": "four inception blocks",
    }
    found = {name: source.found(data="blood_cells", protocol="clean", variant=name) for name in rows}
    names = list(found["four_inception_blocks"][0]["robustness"]["corrupted"])
    series = {
        title: [[100 * run["robustness"]["clean"] for run in found[variant]]]
        + [[100 * np.mean(run["robustness"]["corrupted"][name]) for run in found[variant]] for name in names]
        for variant, title in rows.items()
    }
    title = "Corrupted test images, leak-free split"
    source.draw(
        bars, path, ["no corruption", *names], series, title, "accuracy (%)", [CLEAN, MORE[0], MORE[2]]
    )
    return (
        "Mean over five severities, 250 test images. All layers: three seeds, and the error bars are their standard "
        "deviation. The others: one seed; another training may differ by several points."
    )


FIGURES = {
    "chexnet_cbam": (chexnet_accuracy, chexnet_leak_by_class, chexnet_intervals),
    "multiscale_attention": (multiscale_accuracy, multiscale_rows, multiscale_explainers),
    "smote_transfer": (smote_before_split, smote_gains, smote_leak_by_class),
    "canine_rbc_focal": (canine_alpha, canine_constant_answer, canine_methods),
    "blood_cells": (blood_accuracy, blood_outliers, blood_corruptions),
}


def draw_all(folder=FOLDER):
    """Draw every figure, and write beside them what each shows and which files it was drawn from.

    Args:
        folder: Path to write `<name>.png` and `figures.json` to.

    Returns:
        list of dict: name, paper, alt, caption, files and numbers, as in `figures.json`.
    """
    runs, drawn = all_runs(), []
    for paper, functions in FIGURES.items():
        for function in functions:
            source = Source(paper, runs)
            caption = function(source, Path(folder) / f"{function.__name__}.png")
            files = [
                f"experiments/{paper}/published.json",
                *(f"experiments/results/{name}" for name in source.files),
            ]
            drawn.append(
                Drawn(function.__name__, paper, function.__doc__, caption, sorted(set(files)), source.numbers)
            )
    content = [asdict(one) for one in drawn]
    write_json(Path(folder) / "figures.json", content)
    return content


@dataclass(frozen=True)
class Drawn:
    """One figure: its file's name, paper, what it shows, its caption, the files behind it and the drawn numbers."""

    name: str
    paper: str
    alt: str
    caption: str
    files: list[str]
    numbers: dict


if __name__ == "__main__":
    for figure in draw_all():
        print(f"{FOLDER.name}/{figure['name']}.png")
