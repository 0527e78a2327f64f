"""From the probabilities of ordered classes to a grade, by their mean and cut points.

The most probable class wastes what the others say: between "mild" and "severe" the mean lies at "moderate". Quadratic
kappa punishes the distance between grades, and cut points of the mean are made for it.
"""

import numpy as np

from drcls.metrics.classification import as_finite, as_probabilities
from drcls.metrics.confusion import confusion_matrix, quadratic_kappa


def expected_grades(probabilities):
    """Return the mean grade of each image, float64 (N,) in 0..C-1: the sum of k * p_k.

    Args:
        probabilities: float (N, C) in 0..1, rows summing to 1, of classes ordered from least to most.

    Raises:
        ValueError: where rows are not probabilities.

    >>> expected_grades([[0.5, 0.0, 0.5], [0.0, 0.9, 0.1]])
    array([1. , 1.1])
    """
    probabilities = as_probabilities(probabilities)
    return probabilities @ np.arange(probabilities.shape[1])


def cut_grades(expected, cut_points):
    """Return the grade of each mean grade, int64 (N,): how many cut points it reaches.

    Args:
        expected: float (N,), from `expected_grades`.
        cut_points: float (C - 1,), ascending.

    Raises:
        ValueError: where a value is not finite, or the cut points are not ascending.

    >>> cut_grades([0.2, 0.5, 1.8], [0.5, 1.5])
    array([0, 1, 2])
    """
    expected, cut_points = as_finite("expected grades", expected), as_finite("cut points", cut_points)
    if np.any(np.diff(cut_points) < 0):
        raise ValueError(f"cut points must be ascending; received {cut_points.tolist()}")
    return np.digitize(expected, cut_points)


def choose_cut_points(labels, expected, num_classes):
    """Choose the cut points with the largest quadratic kappa, one after another until none gets better.

    They belong on validation images: on test images they would be fitted to what is measured.

    Args:
        labels: int (N,), grades 0..C-1.
        expected: float (N,), from `expected_grades`.
        num_classes: int, C.

    Returns:
        float64 (C - 1,), ascending. Each lies midway between two neighbouring values, or where rounding cuts (k + 0.5)
        if no other place is better.

    Raises:
        ValueError: where there are no images, or all have one label: every cut is then as good; where an expected
            grade is not finite.
    """
    labels, expected = np.asarray(labels), as_finite("expected grades", expected)
    if len(np.unique(labels)) < 2:
        raise ValueError(
            f"cut points are chosen on images of at least two grades; received {sorted(set(labels.tolist()))}"
        )
    values = np.unique(expected)
    candidates = (values[:-1] + values[1:]) / 2
    cuts = np.arange(num_classes - 1) + 0.5
    best, before = _kappa(labels, expected, cuts), -np.inf
    while best > before:
        before = best
        for place in range(len(cuts)):
            low = cuts[place - 1] if place else -np.inf
            high = cuts[place + 1] if place + 1 < len(cuts) else np.inf
            for candidate in candidates[(candidates > low) & (candidates < high)]:
                moved = cuts.copy()
                moved[place] = candidate
                kappa = _kappa(labels, expected, moved)
                if kappa > best:
                    best, cuts = kappa, moved
    return cuts


def _kappa(labels, expected, cuts):
    kappa = quadratic_kappa(confusion_matrix(labels, cut_grades(expected, cuts), len(cuts) + 1))
    return -np.inf if np.isnan(kappa) else float(kappa)
