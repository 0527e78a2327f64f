"""The rows of the focal-loss study as its report asks for them: networks, methods, alphas."""

from drcls.report import Measure, seed_values, select_runs

# The published network that each of ours is compared with.
PUBLISHED_NETWORK = {
    "DenseNet121": "DenseNet-121",
    "ResNet50": "ResNet-50",
    "tiny_densenet": "DenseNet-121",
    "tiny_resnet": "ResNet-50",
}
MEASURES = [
    Measure("accuracy (%)", "accuracy"),
    Measure("macro F1", "macro_f1", percent=False),
    Measure("macro AUROC", "macro_auroc", percent=False),
]


def select(runs, network, method, protocol):
    """The finished runs of one row, by seed."""
    return select_runs(runs, variant=f"{network}+{method}", protocol=protocol, finished=True)


def format_cell(runs, variant, protocol, measure):
    part = select_runs(runs, variant=variant, protocol=protocol, finished=True)
    if not part:
        return "not tested" if protocol == "clean" else "not run"
    return measure.format(seed_values(part, measure.metric))


def format_range(values):
    return f"{values.min():.3f} to {values.max():.3f} ({values.max() - values.min():.3f})"


def networks_of(runs):
    return list(dict.fromkeys(run["config"]["backbone"] for run in runs))


def methods_of(choices, runs):
    """All methods in the order of Table 1."""
    listed = [method for networks in choices.values() for methods in networks.values() for method in methods]
    return list(dict.fromkeys([*listed, *(run["config"]["method"] for run in runs)]))


def sweep_of(choices):
    """The methods that differ in alpha alone."""
    return [method for method in methods_of(choices, []) if method.removeprefix("focal_")[0].isdigit()]
