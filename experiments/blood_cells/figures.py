"""The figures of this paper on the results page: accuracy, outliers found, and corrupted images.

Each function draws one figure from the numbers of its `experiments.results.figures.Source`, and returns its caption.
The first line of its docstring is what a screen reader says.
"""

import numpy as np

from experiments.results.bars import CLEAN, COLOURS, HEADS, MORE, PROTOCOLS, SEEDS, bars


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
        "The reported accuracy in the last group is that of an external test set; ours is the mean over eight "
        "corruptions at five severities. Bars with an error bar are means over seeds with their standard "
        "deviation, the others one seed."
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
        "Mean over five severities, 250 test images. Bars with an error bar are means over seeds with their standard "
        "deviation, the others one seed; another training may differ by several points."
    )


FIGURES = (blood_accuracy, blood_outliers, blood_corruptions)
