"""Bootstrap intervals over groups of the measures that need probabilities, not predicted classes alone."""

import numpy as np

from drcls.metrics.classification import as_probabilities, check_num_bins
from drcls.metrics.confusion import as_classes
from drcls.metrics.intervals import check_num_resamples

_CHUNK = 100


def score_bootstrap_intervals(y_true, probabilities, groups, num_resamples=1000, seed=0, num_bins=15):
    """Percentile bootstrap intervals of AUROC and calibration that draw whole groups with replacement.

    A resample is a weight per image: how often its group was drawn. Weights change no order of scores, so each
    class is sorted once.

    Args:
        y_true: integers (N,), 0 to C - 1.
        probabilities: floats (N, C) in 0..1, rows summing to 1.
        groups: (N,) ids, strings or integers; images of one group are drawn together.
        num_resamples: int, 100 or more.
        seed: int.
        num_bins: int, of the calibration error.

    Returns:
        dict of float arrays, low and high: `auroc` (C, 2), one against the rest; `macro_auroc`, `micro_auroc` and
        `expected_calibration_error` (2,). NaN where the measure does not exist for the images themselves; resamples
        in which it does not exist are left out. All are NaN where the images are of one group.

    Raises:
        ValueError: where labels are out of range, rows are no probabilities, there are not as many of each as of
            groups, or the numbers of resamples or bins are too small.
    """
    check_num_resamples(num_resamples)
    check_num_bins(num_bins)
    probabilities = as_probabilities(probabilities)
    num_classes = probabilities.shape[1]
    y_true = as_classes("y_true", y_true, num_classes)
    if not len(y_true) == len(probabilities) == len(groups):
        raise ValueError(
            f"expected as many labels, probabilities and groups; received {len(y_true)}, {len(probabilities)} and "
            f"{len(groups)}"
        )
    ids, group_index = np.unique(np.asarray(groups), return_inverse=True)
    if len(ids) < 2:
        return _no_intervals(num_classes)
    one_hot = np.eye(num_classes, dtype=bool)[y_true]
    curves = [_Curve(one_hot[:, i], probabilities[:, i]) for i in range(num_classes)]
    micro = _Curve(one_hot.ravel(), probabilities.ravel())
    bins, gaps = _calibration_gaps(y_true, probabilities, num_bins)
    rng = np.random.default_rng(seed)
    auroc, micro_auroc, calibration = [], [], []
    for start in range(0, num_resamples, _CHUNK):
        size = min(_CHUNK, num_resamples - start)
        drawn = rng.integers(len(ids), size=(size, len(ids)))
        times = np.stack([np.bincount(row, minlength=len(ids)) for row in drawn])
        weights = times[:, group_index].astype("float64")  # (size, N)
        auroc.append(np.stack([curve.area(weights) for curve in curves], axis=1))
        micro_auroc.append(micro.area(np.repeat(weights, num_classes, axis=1)))
        by_bin = weights @ (np.eye(num_bins)[bins] * gaps[:, np.newaxis])
        calibration.append(np.abs(by_bin).sum(axis=1) / weights.sum(axis=1))
    auroc = np.concatenate(auroc)
    present = one_hot.any(axis=0)
    return {
        "auroc": np.stack([_limits(auroc[:, i]) for i in range(num_classes)]),
        "macro_auroc": _limits(auroc[:, present].mean(axis=1)),
        "micro_auroc": _limits(np.concatenate(micro_auroc)),
        "expected_calibration_error": _limits(np.concatenate(calibration)),
    }


def _no_intervals(num_classes):
    """NaN for every measure: the only group drawn again and again would give intervals without width."""
    overall = ("macro_auroc", "micro_auroc", "expected_calibration_error")
    return {"auroc": np.full((num_classes, 2), np.nan)} | {name: np.full(2, np.nan) for name in overall}


class _Curve:
    """The scores of one question, sorted once.

    Args:
        positive: bool (N,).
        scores: float (N,).
    """

    def __init__(self, positive, scores):
        self.order = np.argsort(scores, kind="stable")
        self.positive = positive[self.order]
        ordered = scores[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))

    def area(self, weights):
        """Area under the ROC curve of every row of weights: (R, N) -> (R,); NaN without positives or negatives."""
        weights = weights[:, self.order]
        positives = np.add.reduceat(weights * self.positive, self.starts, axis=1)
        negatives = np.add.reduceat(weights * ~self.positive, self.starts, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives / 2  # images of equal score count by half
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        won = (positives * below).sum(axis=1)
        return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _calibration_gaps(y_true, probabilities, num_bins):
    """The bin of every image by its confidence, and how far being right is from the confidence."""
    confidence = probabilities.max(axis=1)
    bins = np.digitize(confidence, np.linspace(0, 1, num_bins + 1)[1:-1], right=True)
    return bins, (probabilities.argmax(axis=1) == y_true) - confidence


def _limits(values):
    """The 2.5th and 97.5th percentiles, without the resamples that have no value; NaN where none has."""
    values = values[~np.isnan(values)]
    return np.percentile(values, [2.5, 97.5]) if len(values) else np.full(2, np.nan)
