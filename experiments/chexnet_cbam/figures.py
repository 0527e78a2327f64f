"""The figures of this paper on the results page: the reported accuracy, the leak by class and the reported intervals.

Each function draws one figure from the numbers of its `experiments.results.figures.Source`, and returns its caption.
The first line of its docstring is what a screen reader says.
"""

from functools import partial

from drcls.metrics import wald_interval
from experiments.results.bars import CLEAN, COLOURS, HEADS, MORE, PAPER, PROTOCOLS, SEEDS, bars, ranges


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


FIGURES = (chexnet_accuracy, chexnet_leak_by_class, chexnet_intervals)
