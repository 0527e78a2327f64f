"""Every measure of a classifier on one part of the data, each with its interval."""

from functools import partial

import numpy as np

from drcls.evaluate import as_interval, measure
from drcls.metrics import (
    choose_threshold,
    f1,
    group_bootstrap_intervals,
    mean_ovr_accuracy,
    ovr_accuracy,
    precision,
    recall,
    score_bootstrap_intervals,
    sensitivity_and_specificity,
    specificity,
    wilson_interval,
    wilson_interval_of_groups,
)
from drcls.metrics.confusion import macro_average

RELIABILITY_BINS = 10
BY_CLASS = {
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "specificity": specificity,
    "ovr_accuracy": ovr_accuracy,
}


def measure_classifier(part, probabilities, validation=None, seed=0, positive=None):
    """Measure predictions on a part.

    Args:
        part: `Manifest` of the part.
        probabilities: float (N, C), rows in the part's order.
        validation: (`Manifest`, probabilities) of the validation part, where two classes have their threshold
            chosen; None: no threshold.
        seed: int, of the bootstrap.
        positive: str, the class that the threshold is for; None: the second.

    Returns:
        dict: `metrics` and `intervals` as `drcls.evaluate.measure`, the intervals also of `macro_precision`,
        `mean_ovr_accuracy`, `macro_auroc`, `micro_auroc`, `expected_calibration_error` and, under `per_class`, of
        every measure of every class (bootstrap over groups; Wilson too where it is a share of images; None where the
        images of the share are several of one group). With two classes and a validation part also `threshold`, None
        where the validation images are all of one class.

    Raises:
        ValueError: where `positive` is not a class.
    """
    measured = measure(part, probabilities, seed)
    intervals = measured["intervals"]
    y_true, y_pred, groups = part.labels, probabilities.argmax(axis=1), part.frame["group"].to_numpy()
    macro_precision = partial(_macro, precision)
    statistics = BY_CLASS | {"macro_precision": macro_precision, "mean_ovr_accuracy": mean_ovr_accuracy}
    by_counts = group_bootstrap_intervals(statistics, y_true, y_pred, groups, len(part.classes), seed=seed)
    by_scores = score_bootstrap_intervals(y_true, probabilities, groups, seed=seed)
    by_class = {name: by_counts[name] for name in BY_CLASS} | {"auroc": by_scores["auroc"]}
    overall = (
        "macro_precision",
        "mean_ovr_accuracy",
        "macro_auroc",
        "micro_auroc",
        "expected_calibration_error",
    )
    intervals |= {name: {"bootstrap": as_interval((by_counts | by_scores)[name])} for name in overall}
    intervals["per_class"] = {
        name: {
            measure: {"bootstrap": as_interval(values[index])}
            | _interval_of_share(measure, y_true == index, y_pred == index, groups)
            for measure, values in by_class.items()
        }
        for index, name in enumerate(part.classes)
    }
    if len(part.classes) == 2 and validation is not None:
        measured["threshold"] = _threshold(
            part, probabilities, *validation, positive or part.classes[1], seed
        )
    return measured


def reliability(y_true, probabilities):
    """Compare the confidence in the predicted class with how often it is right, in ten bins of equal width over 0..1.

    Args:
        y_true: int (N,).
        probabilities: float (N, C).

    Returns:
        list of dict, one a bin that holds images: `low`, `high`, `num`, `confidence` (mean), `right` (share) and
        `wilson`, the interval of that share.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y_true
    edges = np.linspace(0, 1, RELIABILITY_BINS + 1)
    bins = np.digitize(confidence, edges[1:-1], right=True)
    return [
        {
            "low": float(edges[number]),
            "high": float(edges[number + 1]),
            "num": int(inside.sum()),
            "confidence": float(confidence[inside].mean()),
            "right": float(right[inside].mean()),
            "wilson": wilson_interval(int(right[inside].sum()), int(inside.sum())),
        }
        for number in range(RELIABILITY_BINS)
        if (inside := bins == number).any()
    ]


def _macro(measure, confusion):
    return macro_average(measure(confusion), confusion)


def _interval_of_share(measure, true, predicted, groups):
    """Wilson's interval where a measure of a class is a share of images; none where these are several of one group.

    Args:
        measure: str.
        true, predicted: bool (N,), which images are of the class, and which are called so.
        groups: (N,) ids.

    Returns:
        dict from "wilson" and "wilson_of_groups", or where there is none to show from "bootstrap" and "wilson", to
        (low, high) or None; {} of other measures, and where no image counts.
    """
    counted = {"recall": true, "precision": predicted, "specificity": ~true}.get(measure)
    if counted is None or not counted.any():
        return {}
    # Images of one patient are right or wrong together: how often other patients' are, they do not tell.
    if counted.sum() > 1 and len(set(groups[counted])) == 1:
        return {"bootstrap": None, "wilson": None}
    right = (true == predicted)[counted]
    return {
        "wilson": wilson_interval(int(right.sum()), len(right)),
        "wilson_of_groups": wilson_interval_of_groups(right, groups[counted]),
    }


def _threshold(part, probabilities, validation, validation_probabilities, positive, seed):
    """Sensitivity and specificity of one of two classes at a threshold chosen on validation, or None."""
    if positive not in part.classes:
        raise ValueError(f"positive: received {positive!r}, expected one of {part.classes}")
    index = part.classes.index(positive)
    if len(set(validation.labels)) < 2:
        return None
    threshold = choose_threshold(validation.labels == index, validation_probabilities[:, index])
    true, called = part.labels == index, probabilities[:, index] >= threshold
    groups = part.frame["group"].to_numpy()
    measured = sensitivity_and_specificity(true, probabilities[:, index], threshold)
    statistics = {"sensitivity": recall, "specificity": specificity}
    resampled = group_bootstrap_intervals(
        statistics, true.astype(int), called.astype(int), groups, 2, seed=seed
    )
    for name, share in (("sensitivity", "recall"), ("specificity", "specificity")):
        measured[name] |= {"bootstrap": as_interval(resampled[name][1])}
        measured[name] |= _interval_of_share(share, true, called, groups)
    return {
        "positive_class": positive,
        "num_validation": len(validation),
        "value": threshold,
        **measured,
    }
