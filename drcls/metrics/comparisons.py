"""Paired comparison of two classifiers on the same test images."""

import numpy as np
from scipy.stats import binomtest


def mcnemar_exact(y_true, pred_a, pred_b):
    """McNemar's exact test: do the images that only one of two classifiers gets right favour one of them?

    Both saw the same images, so those that both get right or both get wrong say nothing about the difference;
    the others are tosses of a fair coin if the classifiers are equally good (McNemar 1947). Comparing two
    intervals instead would take one test set for two independent ones, and miss differences.

    Args:
        y_true: (N,) true classes, integers or names.
        pred_a: (N,) classes predicted by the first classifier.
        pred_b: (N,) classes predicted by the second, for the same images in the same order.

    Returns:
        {"only_a_right": int, "only_b_right": int, "p_value": float}; two-sided, 1.0 if they never differ.

    Raises:
        ValueError: if the three are not of one length, or empty, or of different kinds: a class number never
            equals a class name, so both classifiers would be wrong everywhere.
    """
    y_true, pred_a, pred_b = np.asarray(y_true), np.asarray(pred_a), np.asarray(pred_b)
    shapes = [y_true.shape, pred_a.shape, pred_b.shape]
    if len(set(shapes)) != 1 or y_true.ndim != 1 or y_true.size == 0:
        raise ValueError(
            f"y_true, pred_a and pred_b must be non-empty arrays of one shape (N,), received {shapes}"
        )
    kinds = [_kind(classes) for classes in (y_true, pred_a, pred_b)]
    if len(set(kinds)) != 1:
        raise ValueError(
            f"y_true, pred_a and pred_b must all be numbers or all be names of classes, received {kinds}; map the "
            "numbers to the names first"
        )
    a_right, b_right = pred_a == y_true, pred_b == y_true
    only_a, only_b = int(np.sum(a_right & ~b_right)), int(np.sum(b_right & ~a_right))
    p_value = binomtest(only_a, only_a + only_b, 0.5).pvalue if only_a + only_b else 1.0
    return {"only_a_right": only_a, "only_b_right": only_b, "p_value": float(p_value)}


def _kind(classes):
    """Return what an array of classes holds; an array of objects by what they are, which may be mixed."""
    kinds = {"b": "numbers", "i": "numbers", "u": "numbers", "f": "numbers", "U": "names", "S": "bytes"}
    if classes.dtype.kind in kinds:
        return kinds[classes.dtype.kind]
    return " and ".join(
        sorted({kinds.get(np.asarray(one).dtype.kind, type(one).__name__) for one in classes})
    )
