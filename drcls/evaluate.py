"""Measuring a classifier on the test part, and writing what was measured."""

from pathlib import Path

import numpy as np

from drcls.metrics import (
    accuracy,
    classification_metrics,
    group_bootstrap_intervals,
    macro_f1,
    macro_recall,
    macro_specificity,
    quadratic_kappa,
    wald_interval,
    wilson_interval,
    wilson_interval_of_groups,
)
from drcls.predictions import write_predictions


def predict(model, batches):
    """Return class probabilities for every row of a part, float32 (N, C), with a progress bar."""
    return np.asarray(model.predict(batches, verbose=1), dtype=np.float32)


def evaluate(part, probabilities, folder, seed=0):
    """Measure predictions on a part, with intervals, and write `predictions.csv`.

    Args:
        part: `Manifest` of the test part.
        probabilities: float (N, C), rows in the part's order.
        folder: the variant's run folder.
        seed: int, of the bootstrap.

    Returns:
        dict, from `measure`.
    """
    write_predictions(Path(folder) / "predictions.csv", part, probabilities)
    return measure(part, probabilities, seed)


def measure(part, probabilities, seed=0):
    """Measure predictions on a part, with intervals.

    Args:
        part, probabilities, seed: as for `evaluate`.

    Returns:
        dict with `metrics` (see `drcls.metrics.classification_metrics`) and `intervals`: accuracy by Wald
        (Eq. 25), Wilson (of images, and of groups) and group bootstrap; macro recall, specificity and F1 by group
        bootstrap. Classes without an order have None as quadratic kappa, grades have it and its group bootstrap. A
        group bootstrap is None where the measure does not exist, and where all images are of one group.
    """
    y_true, groups = part.labels, part.frame["group"].to_numpy()
    metrics = classification_metrics(y_true, probabilities, part.classes)
    statistics = [macro_recall, macro_specificity, macro_f1]
    if part.ordered:
        statistics.append(quadratic_kappa)
    else:
        metrics["quadratic_kappa"] = None
    intervals = _intervals(metrics, statistics, y_true, probabilities.argmax(axis=1), groups, seed)
    return {"metrics": metrics, "intervals": intervals}


def _intervals(metrics, statistics, y_true, y_pred, groups, seed):
    num_right, num_images = int((y_true == y_pred).sum()), len(y_true)
    by_name = {statistic.__name__: statistic for statistic in (accuracy, *statistics)}
    found = group_bootstrap_intervals(by_name, y_true, y_pred, groups, len(metrics["per_class"]), seed=seed)
    intervals = {name: {"bootstrap": as_interval(limits)} for name, limits in found.items()}
    of_a_share = {
        "wald": wald_interval(metrics["accuracy"], num_images),
        "wilson": wilson_interval(num_right, num_images),
        "wilson_of_groups": wilson_interval_of_groups(y_true == y_pred, groups),
    }
    return intervals | {"accuracy": of_a_share | intervals["accuracy"]}


def as_interval(limits):
    """Return (low, high) as plain floats for JSON, None where there is no interval (NaN)."""
    return None if np.isnan(limits).any() else tuple(float(limit) for limit in limits)
