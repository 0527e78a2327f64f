"""The threshold of a question with two answers, and what it gives."""

import numpy as np

from drcls.metrics.classification import as_finite
from drcls.metrics.intervals import wilson_interval


def choose_threshold(positive, scores):
    """Choose the threshold with the largest sensitivity + specificity - 1 (Youden, 1950).

    It belongs on validation images: on test images it would be fitted to what is measured.

    Args:
        positive: bool (N,), whether the finding is there.
        scores: float (N,) in 0..1.

    Returns:
        float: an image with this score or a larger one is called positive. It lies midway between two neighbouring
        scores; of several as good ones it is the one nearest to 0.5.

    Raises:
        ValueError: where all images are positive, or none is, a score is not finite, or there are not as many of both.
    """
    positive, scores = _checked(positive, scores)
    if positive.all() or not positive.any():
        raise ValueError(
            f"a threshold is chosen on images of both kinds; received {int(positive.sum())} positive of {len(positive)}"
        )
    values = np.unique(scores)
    candidates = np.concatenate([[values[0]], (values[:-1] + values[1:]) / 2])
    sensitivity, false_alarms = (_share_called(scores[kind], candidates) for kind in (positive, ~positive))
    youden = sensitivity - false_alarms
    best = candidates[np.isclose(youden, youden.max())]
    return float(best[np.abs(best - 0.5).argmin()])


def _share_called(scores, thresholds):
    """Return which share of the scores reaches each threshold, float (thresholds,)."""
    return 1 - np.searchsorted(np.sort(scores), thresholds) / len(scores)


def sensitivity_and_specificity(positive, scores, threshold):
    """Measure a threshold on other images than those that it was chosen on.

    Args:
        positive: bool (N,).
        scores: float (N,) in 0..1.
        threshold: float.

    Returns:
        dict of `sensitivity` and `specificity`, each `{"value": float, "wilson": (low, high), "num": int}`; a value
        that does not exist, for want of images of its kind, is None.

    Raises:
        ValueError: where a score is not finite, the threshold is NaN, or there are not as many of both.
    """
    positive, scores = _checked(positive, scores)
    if np.isnan(threshold):
        raise ValueError(f"threshold must be a number; received {threshold}")
    called = scores >= threshold
    return {
        "sensitivity": _proportion(called[positive]),
        "specificity": _proportion(~called[~positive]),
    }


def _checked(positive, scores):
    """Return bool (N,) and finite float64 (N,), or raise a ValueError that says why not."""
    positive, scores = np.asarray(positive, dtype=bool), as_finite("scores", scores)
    if positive.shape != scores.shape:
        raise ValueError(
            f"positive and scores must be arrays of one length (N,); received {positive.shape} and {scores.shape}"
        )
    return positive, scores


def _proportion(right):
    num, hits = len(right), int(right.sum())
    if not num:
        return {"value": None, "wilson": None, "num": 0}
    return {"value": hits / num, "wilson": wilson_interval(hits, num), "num": num}
