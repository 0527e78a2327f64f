"""The figures of this paper on the results page: macro F1 by alpha, a constant answer, and the methods of Table 1.

Each function draws one figure from the numbers of its `experiments.results.figures.Source`, and returns its caption.
The first line of its docstring is what a screen reader says.
"""

from experiments.results.bars import CLEAN, COLOURS, HEADS, MORE, OURS, PAPER, PROTOCOLS, SEEDS, bars, lines


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


FIGURES = (canine_alpha, canine_constant_answer, canine_methods)
