"""Measures of a classifier as lines of text."""

SHOWN = {
    "accuracy": "accuracy",
    "macro_recall": "macro recall",
    "macro_specificity": "macro specificity",
    "macro_precision": "macro precision",
    "macro_f1": "macro F1",
    "macro_auroc": "macro AUROC",
    "quadratic_kappa": "quadratic kappa",
    "expected_calibration_error": "calibration error",
}
BY_CLASS = ("recall", "precision", "specificity", "f1", "auroc")


def describe_metrics(result):
    """Return the measures of one evaluation with their 95 % intervals, then one line a class.

    Args:
        result: dict, the content of `metrics.json`.
    """
    from drcls.metrics import shown_interval  # a second of imports that `--help` does not need

    def bounds(kinds):
        return shown_interval(kinds)[1]

    metrics, intervals = result["metrics"], result["intervals"]
    lines = [f"{result['part']}: {result['num_test']} images of {result['data']}"]
    if result.get("phantom"):
        lines.append("SYNTHETIC DATA: these figures say how the software behaves, nothing about the disease")
    lines += [
        f"  {title:<20}{show(metrics[name], bounds(intervals.get(name, {})))}"
        for name, title in SHOWN.items()
        if metrics.get(name) is not None
    ]
    width = max(len(name) for name in metrics["per_class"]) + 2
    lines.append(f"  {'':<{width}}{'images':>7}" + "".join(f"{name:>22}" for name in BY_CLASS))
    for name, measured in metrics["per_class"].items():
        cells = [show(measured[key], bounds(intervals["per_class"][name][key])) for key in BY_CLASS]
        lines.append(f"  {name:<{width}}{measured['support']:>7}" + "".join(f"{cell:>22}" for cell in cells))
    if intervals["accuracy"]["bootstrap"] is None:
        lines.append("no intervals: all images are of one group, and the bootstrap draws groups")
    else:
        lines.append(
            "in brackets: 95 % intervals of a bootstrap over groups; Wilson's, or none, where all resamples agree; "
            "none of a share of several images of one group"
        )
    if "threshold" in result:
        lines.append(describe_threshold(result["threshold"]))
    return "\n".join(lines)


def describe_threshold(threshold):
    """Return one line on sensitivity and specificity at the threshold chosen on validation, or why there is none."""
    from drcls.metrics import shown_interval

    if threshold is None:
        return "no threshold: the known validation images are all of one class"
    measured = [
        f"{name} {show(threshold[name]['value'], shown_interval(threshold[name])[1])}"
        for name in ("sensitivity", "specificity")
    ]
    return (
        f"{threshold['positive_class']} from a probability of {threshold['value']:.3f} on (chosen on "
        f"{threshold['num_validation']} validation images): {', '.join(measured)}"
    )


def show(value, interval=None):
    """Return a value and its interval as text; what does not exist is said to be undefined."""
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval else "")
