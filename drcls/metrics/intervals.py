"""95 % intervals: as the paper prints them, as a proportion deserves, and over groups of dependent images."""

import math

import numpy as np
from scipy.stats import binomtest

from drcls.metrics.confusion import as_classes


def wald_interval(accuracy, n):
    """Accuracy +- 1.96 standard errors of the proportion, as CheXNet-CBAM (2026) has it in Eq. 25.

    Kept to check printed intervals. It can leave 0..1, has no width at accuracy 0 and 1, and takes the images
    for independent: report wilson_interval, or group_bootstrap_intervals where images share a patient.

    Args:
        accuracy: share of images classified correctly, 0..1 (not percent).
        n: number of images.

    Returns:
        (low, high), floats.

    Raises:
        ValueError: if accuracy is outside 0..1 or n is below 1.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy must be a share in 0..1, received {accuracy}")
    if not n >= 1:
        raise ValueError(f"n must be 1 or more, received {n}")
    standard_error = math.sqrt(accuracy * (1 - accuracy) / n)
    return float(accuracy - 1.96 * standard_error), float(accuracy + 1.96 * standard_error)


def wilson_interval(successes, n):
    """Wilson's score interval of a proportion; right for small n and near 0 and 1, where Wald's is not.

    Args:
        successes: number of images classified correctly, 0 to n.
        n: number of images, 1 or more.

    Returns:
        (low, high), floats in 0..1.

    Raises:
        ValueError: if they are not whole numbers with n >= 1 and 0 <= successes <= n.
    """
    if not (n >= 1 and 0 <= successes <= n) or n % 1 or successes % 1:
        raise ValueError(f"successes and n must be whole numbers, n >= 1, received {successes} of {n}")
    interval = binomtest(int(successes), int(n)).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def wilson_interval_of_groups(right, groups):
    """Wilson's interval of a share of right answers at the number of groups: their images are right or wrong together.

    Args:
        right: bool (N,), one image or more.
        groups: (N,) ids of the groups.

    Returns:
        (low, high), floats in 0..1.

    Example:
        >>> wilson_interval_of_groups([True] * 100, [0, 1] * 50) == wilson_interval(2, 2)
        True
    """
    number = len(set(np.asarray(groups).tolist()))
    return wilson_interval(round(np.mean(right) * number), number)


def group_bootstrap_intervals(statistics, y_true, y_pred, groups, num_classes, num_resamples=2000, seed=0):
    """Percentile bootstrap intervals of several measures at once, that draw the same whole groups with replacement.

    Images of one patient (or copies of one image) succeed and fail together, so drawing them one by one gives
    intervals that are too narrow. Counts per group are summed rather than images copied, hence a statistic
    is a function of the confusion matrix. Resamples in which it does not exist (kappa of a single class) are
    left out.

    Args:
        statistics: dict of functions from counts (..., C, C), rows true, to values (...) or, one a class,
            (..., C): accuracy, macro_f1, quadratic_kappa or another measure of drcls.metrics.confusion.
        y_true: integers (N,), 0 to num_classes - 1.
        y_pred: integers (N,), 0 to num_classes - 1.
        groups: (N,) ids, strings or integers; images of one group are drawn together.
        num_classes: number of classes C.
        num_resamples: number of resamples, 100 or more.
        seed: seed of the resampling.

    Returns:
        dict with the same keys: float array (2,) or (C, 2), the 2.5th and 97.5th percentiles; NaN where the measure
        does not exist for the images themselves, and everywhere where they are of one group.

    Raises:
        ValueError: if lengths differ, labels are out of range, or num_resamples is below 100.
    """
    by_group = _checked_by_group(y_true, y_pred, groups, num_classes, num_resamples)
    total, resampled = by_group.sum(axis=0), _resample(by_group, num_resamples, np.random.default_rng(seed))
    intervals = {}
    for name, statistic in statistics.items():
        # The only group drawn again and again would give an interval without width.
        exists = ~np.isnan(statistic(total)) & (len(by_group) > 1)
        values = np.where(exists, statistic(resampled), 0.0)
        limits = np.stack(np.nanpercentile(values, [2.5, 97.5], axis=0), axis=-1)
        intervals[name] = np.where(exists[..., np.newaxis], limits, np.nan)
    return intervals


def group_bootstrap_difference(
    statistic, y_true, pred_a, pred_b, groups, num_classes, num_resamples=2000, seed=0
):
    """Percentile bootstrap interval of how much better a second classifier does than a first, on the same images.

    Both are measured on the same resampled groups, so that what makes a resample easy for both cancels.

    Args:
        statistic: as one of `group_bootstrap_intervals`, with a single value for each matrix.
        y_true, groups, num_classes, num_resamples, seed: as for `group_bootstrap_intervals`.
        pred_a: integers (N,), what the first classifier predicts.
        pred_b: integers (N,), what the second predicts for the same images.

    Returns:
        (difference, low, high), floats: statistic of b minus statistic of a, and its 95 % interval.

    Raises:
        ValueError: as `group_bootstrap_intervals`, and if there are fewer than two groups or the statistic does not
            exist for the images themselves.
    """
    both = np.stack(
        [
            _checked_by_group(y_true, y_pred, groups, num_classes, num_resamples)
            for y_pred in (pred_a, pred_b)
        ],
        axis=1,
    )
    _check_interval_exists(statistic, both, groups)
    total = both.sum(axis=0)
    resampled = _resample(both, num_resamples, np.random.default_rng(seed))
    values = statistic(resampled[:, 1]) - statistic(resampled[:, 0])
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(statistic(total[1]) - statistic(total[0])), float(low), float(high)


def _checked_by_group(y_true, y_pred, groups, num_classes, num_resamples):
    """One confusion matrix per group, or the error that says why there is no interval to be had."""
    y_true, y_pred = as_classes("y_true", y_true, num_classes), as_classes("y_pred", y_pred, num_classes)
    groups = np.asarray(groups)
    if not len(y_true) == len(y_pred) == len(groups):
        raise ValueError(
            "y_true, y_pred and groups must have one length, "
            f"received {len(y_true)}, {len(y_pred)} and {len(groups)}"
        )
    check_num_resamples(num_resamples)
    return _confusion_by_group(y_true, y_pred, groups, num_classes)


def check_num_resamples(num_resamples):
    """Raise a ValueError where so few resamples have no 2.5th and 97.5th percentiles."""
    if num_resamples < 100:
        raise ValueError(f"num_resamples must be 100 or more, received {num_resamples}")


def _check_interval_exists(statistic, by_group, groups):
    """Refuse one group, and a statistic that is not defined for all images, (..., C, C) summed over the groups."""
    if len(by_group) < 2:
        raise ValueError(f"groups must hold two or more different ids, received only {groups[0]}")
    total = by_group.sum(axis=0)
    value = np.asarray(statistic(total))
    if value.shape != total.shape[:-2]:
        raise ValueError(
            f"{statistic.__name__} gives a value for each class; group_bootstrap_intervals takes such measures"
        )
    if np.isnan(value).any():
        raise ValueError(f"{statistic.__name__} does not exist for {total.tolist()}")


def _confusion_by_group(y_true, y_pred, groups, num_classes):
    """One confusion matrix per group: int64 (G, C, C)."""
    ids, group_index = np.unique(groups, return_inverse=True)
    cells = np.ravel_multi_index((group_index, y_true, y_pred), (len(ids), num_classes, num_classes))
    counts = np.bincount(cells, minlength=len(ids) * num_classes**2)
    return counts.reshape(len(ids), num_classes, num_classes)


def _resample(by_group, num_resamples, rng):
    """Sum G matrices drawn with replacement, num_resamples times: (G, C, C) -> (num_resamples, C, C)."""
    num_groups = len(by_group)
    # In float64, exact for counts, the matrix product runs through BLAS; in int64 it would be a plain loop.
    flat = by_group.reshape(num_groups, -1).astype("float64")
    resampled = np.empty((num_resamples, flat.shape[1]))
    for row in resampled:
        row[:] = np.bincount(rng.integers(num_groups, size=num_groups), minlength=num_groups) @ flat
    return resampled.reshape(num_resamples, *by_group.shape[1:])


def shown_interval(kinds):
    """Choose the interval that stands beside a measure: the bootstrap's, Wilson's where that has no width, or none.

    Where all answers are right, all resamples agree, which says nothing of how many mistakes there may be elsewhere.

    Args:
        kinds: dict from "bootstrap" and perhaps "wilson" and "wilson_of_groups", which goes before it, to (low, high)
            or None, as a run keeps them.

    Returns:
        (kind, interval); ("", None) where there is none to show.

    Example:
        >>> shown_interval({"bootstrap": [1.0, 1.0], "wilson": [0.8, 1.0]})
        ('wilson', [0.8, 1.0])
    """
    bootstrap = kinds.get("bootstrap")
    if bootstrap and bootstrap[0] < bootstrap[1]:
        return "bootstrap", bootstrap
    # No interval over groups is none of independent images either.
    wilson = kinds.get("wilson_of_groups", kinds.get("wilson")) if bootstrap else None
    return ("wilson", wilson) if wilson else ("", None)
