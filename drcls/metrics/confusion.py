"""The confusion matrix and the measures that are functions of it (equation numbers: CheXNet-CBAM, 2026).

Every measure takes matrices of shape (..., C, C) and returns (...) or (..., C), so that one implementation
gives both a figure and, over a stack of resampled matrices, its interval.

Counts that a measure divides by can be zero. A value that does not exist is NaN, never an invented number:

- a class that is absent from y_true has recall NaN; its precision and F1 are 0 if it was predicted, else NaN;
- a class that is present and never predicted has precision 0;
- macro averages run over the classes that are present in y_true, as in scikit-learn's balanced accuracy.
"""

import numpy as np
from sklearn import metrics


def confusion_matrix(y_true, y_pred, num_classes):
    """Count how often each class was taken for each class.

    Args:
        y_true: integers (N,), the true classes, 0 to num_classes - 1.
        y_pred: integers (N,), the predicted classes, 0 to num_classes - 1.
        num_classes: number of classes C, also of those that occur in neither.

    Returns:
        int64 array (C, C), rows true, columns predicted.

    Raises:
        ValueError: if the two differ in length, are empty, or hold anything but class indices.
    """
    y_true, y_pred = as_classes("y_true", y_true, num_classes), as_classes("y_pred", y_pred, num_classes)
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true and y_pred must have one length, received {len(y_true)} and {len(y_pred)}")
    return metrics.confusion_matrix(y_true, y_pred, labels=np.arange(num_classes))


def as_classes(name, values, num_classes):
    """Return values as an integer array (N,) of class indices, or raise a ValueError that says why not."""
    classes = np.asarray(values)
    if classes.ndim != 1 or classes.size == 0 or not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(
            f"{name} must be a non-empty array (N,) of integers, received {classes.dtype} {classes.shape}"
        )
    if classes.min() < 0 or classes.max() >= num_classes:
        raise ValueError(
            f"{name} must lie in 0 to {num_classes - 1} for {num_classes} classes, "
            f"received {classes.min()} to {classes.max()}"
        )
    return classes


def accuracy(confusion):
    """Share of images on the diagonal, in 0..1: (..., C, C) -> (...)."""
    return _divide(_hits(confusion).sum(-1), np.sum(confusion, axis=(-2, -1)))


def precision(confusion):
    """Share of the images predicted as a class that belong to it, Eq. 22: (..., C, C) -> (..., C)."""
    hits, predicted = _hits(confusion), np.sum(confusion, axis=-2)
    never_predicted = present(confusion) & (predicted == 0)
    return np.where(never_predicted, 0.0, _divide(hits, predicted))


def recall(confusion):
    """Share of a class's images that were found (sensitivity), Eq. 23: (..., C, C) -> (..., C)."""
    return _divide(_hits(confusion), np.sum(confusion, axis=-1))


def f1(confusion):
    """Harmonic mean of precision and recall, Eq. 24, 2 TP / (true + predicted): (..., C, C) -> (..., C)."""
    return _divide(2 * _hits(confusion), np.sum(confusion, axis=-1) + np.sum(confusion, axis=-2))


def specificity(confusion):
    """Share of the other classes' images not taken for this one, TN / (TN + FP): (..., C, C) -> (..., C)."""
    others = np.sum(confusion, axis=(-2, -1))[..., np.newaxis] - np.sum(confusion, axis=-1)
    false_alarms = np.sum(confusion, axis=-2) - _hits(confusion)
    return _divide(others - false_alarms, others)


def ovr_accuracy(confusion):
    """Accuracy of the question "this class or another?", Eq. 21 for one class: (..., C, C) -> (..., C)."""
    total = np.sum(confusion, axis=(-2, -1))[..., np.newaxis]
    errors = np.sum(confusion, axis=-1) + np.sum(confusion, axis=-2) - 2 * _hits(confusion)
    return _divide(total - errors, total)


def mean_ovr_accuracy(confusion):
    """Mean one-vs-rest accuracy over all C classes, present or not: (..., C, C) -> (...).

    Every mistake is counted in two of the C questions, so this is 1 - 2 (1 - a) / C of the multiclass
    accuracy a: a flattering figure that some papers print as "accuracy" (five classes turn 80 % into 92 %).
    """
    return ovr_accuracy(confusion).mean(-1)


def macro_f1(confusion):
    """Mean F1 of the classes present in y_true: (..., C, C) -> (...)."""
    return macro_average(f1(confusion), confusion)


def macro_recall(confusion):
    """Mean recall (sensitivity) of the classes present in y_true: (..., C, C) -> (...)."""
    return macro_average(recall(confusion), confusion)


def macro_specificity(confusion):
    """Mean specificity of the classes present in y_true: (..., C, C) -> (...)."""
    return macro_average(specificity(confusion), confusion)


def quadratic_kappa(confusion):
    """Agreement beyond chance, mistakes weighted by the squared distance of the grades: (..., C, C) -> (...).

    Cohen (1968); the score of the APTOS 2019 competition. 1 is perfect and 0 is chance. NaN where truth and
    prediction are one and the same class throughout, when chance agreement is perfect too.
    """
    grades = np.arange(np.shape(confusion)[-1])
    weights = (grades[:, np.newaxis] - grades) ** 2
    support, predicted = np.sum(confusion, axis=-1), np.sum(confusion, axis=-2)
    by_chance = support[..., :, np.newaxis] * predicted[..., np.newaxis, :]
    observed_cost = np.sum(weights * confusion, axis=(-2, -1)) * support.sum(-1)
    return 1 - _divide(observed_cost, np.sum(weights * by_chance, axis=(-2, -1)))


def macro_average(values, confusion):
    """Mean of a per-class measure over the classes present in y_true; NaN if one of those has none.

    Args:
        values: floats (..., C).
        confusion: counts (..., C, C), rows true.
    """
    return np.mean(values, axis=-1, where=present(confusion))


def present(confusion):
    """Which classes occur in y_true: (..., C, C) -> booleans (..., C)."""
    return np.sum(confusion, axis=-1) > 0


def _hits(confusion):
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    # NumPy sums small integers as int64, but would double them in their own width.
    return hits.astype(np.int64) if hits.dtype.kind in "biu" else hits


def _divide(numerator, denominator):
    """Quotient in float64, NaN where the denominator is zero, without a warning."""
    numerator, denominator = np.asarray(numerator, "float64"), np.asarray(denominator, "float64")
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)
