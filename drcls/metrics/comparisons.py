"""Comparisons: two classifiers on the same test images, several treatments over the same repetitions."""

import numpy as np
from scipy.stats import binom
from scipy.stats import f as f_distribution


def mcnemar_exact(y_true, pred_a, pred_b, groups=None):
    """McNemar's exact test: do the images that only one of two classifiers gets right favour one of them?

    Both saw the same images, so those that both get right or both get wrong say nothing about the difference;
    the others are tosses of a fair coin if the classifiers are equally good (McNemar 1947). Comparing two
    intervals instead would take one test set for two independent ones, and miss differences.

    Args:
        y_true: (N,) true classes, integers or names.
        pred_a: (N,) classes predicted by the first classifier.
        pred_b: (N,) classes predicted by the second, for the same images in the same order.
        groups: (N,) ids, or None. Images of one patient, or copies of one image, succeed and fail together; taken
            as independent they make any p-value too small. With groups the images of each are summed, and the sums
            are tested by `random_signs_exact`, which is McNemar's test where every image is a group.

    Returns:
        {"only_a_right": int, "only_b_right": int, "p_value": float}: images, and a two-sided p-value, 1.0 if the
        two never differ.

    Raises:
        ValueError: if the arrays are not of one length, or empty, or of different kinds: a class number never
            equals a class name, so both classifiers would be wrong everywhere. Where a class is NaN.
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
    if any(np.not_equal(classes, classes).any() for classes in (y_true, pred_a, pred_b)):
        raise ValueError("y_true, pred_a and pred_b must hold a class for each image, received NaN")
    a_right, b_right = pred_a == y_true, pred_b == y_true
    only_a, only_b = int(np.sum(a_right & ~b_right)), int(np.sum(b_right & ~a_right))
    wins = b_right.astype(int) - a_right
    if groups is not None:
        if np.shape(groups) != y_true.shape:
            raise ValueError(f"groups must have one id an image, {y_true.shape}; received {np.shape(groups)}")
        wins = np.bincount(np.unique(groups, return_inverse=True)[1], wins).astype(int)
    return {"only_a_right": only_a, "only_b_right": only_b, "p_value": random_signs_exact(wins)}


def random_signs_exact(sums):
    """Return the two-sided p-value of sums whose signs would be fair coins if nothing differed.

    Args:
        sums: whole numbers (N,), for example how many more images of each patient one of two classifiers gets right.

    Returns:
        float, P(|sum of +-s| >= |sum of s|) over fair, independent signs: 1.0 if all sums are 0.

    Raises:
        ValueError: where a sum is no whole number.

    Reference: Fisher, "The design of experiments", 1935, section 21, the test of paired differences by their signs.

    >>> round(random_signs_exact([1, 1, 1, 1, 1]), 4)
    0.0625
    """
    sums = np.asarray(sums)
    is_number = sums.ndim == 1 and sums.dtype.kind in "biuf" and np.isfinite(sums).all()
    if not is_number or (sums % 1 != 0).any():
        raise ValueError(f"sums must be whole numbers (N,); received {sums.tolist()}")
    sums = sums.astype("int64")
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    distribution = np.ones(1)  # of the sum, from -total to +total
    for size, count in zip(sizes, counts, strict=True):
        steps = np.zeros(2 * size * count + 1)
        steps[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        distribution = np.convolve(distribution, steps)
    values = np.arange(len(distribution)) - len(distribution) // 2
    return float(min(1, distribution[np.abs(values) >= abs(sums.sum())].sum()))


def two_way_anova(table):
    """Analysis of variance without replication: do rows differ by more than rows within a column do?

    The residual is what neither row nor column explains, so an effect of rows is told from noise only if it is
    the same in every column (Fisher 1925).

    Args:
        table: floats (R, C), R and C 2 or more: a measure by treatment (row) and repetition (column).

    Returns:
        {"f": float, "df": (R - 1, (R - 1)(C - 1)), "p_value": float} of the rows.

    Raises:
        ValueError: if the table has fewer than two rows or columns, or a value is not finite.

    Example:
        >>> round(two_way_anova([[1.0, 2.0, 3.0], [1.1, 2.0, 2.9]])["p_value"], 2)
        1.0
    """
    table = np.asarray(table, "float64")
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(
            f"the table must be (R, C), both 2 or more, of finite numbers; received {table.tolist()}"
        )
    rows, columns = table.shape
    of_rows = table.mean(axis=1, keepdims=True) - table.mean()
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + table.mean()
    degrees = rows - 1, (rows - 1) * (columns - 1)
    # What rounding leaves of sums that are zero.
    noise = table.size * (4 * np.finfo("float64").eps * np.abs(table).max()) ** 2
    sums = columns * np.sum(of_rows**2), np.sum(residual**2)
    between, within = (0.0 if total <= noise else total / df for total, df in zip(sums, degrees, strict=True))
    statistic = float(between / within) if within else float("inf") if between else 0.0
    return {"f": statistic, "df": degrees, "p_value": float(f_distribution.sf(statistic, *degrees))}


def _kind(classes):
    """Return what an array of classes holds; an array of objects by what they are, which may be mixed."""
    kinds = {"b": "numbers", "i": "numbers", "u": "numbers", "f": "numbers", "U": "names", "S": "bytes"}
    if classes.dtype.kind in kinds:
        return kinds[classes.dtype.kind]
    return " and ".join(
        sorted({kinds.get(np.asarray(one).dtype.kind, type(one).__name__) for one in classes})
    )
