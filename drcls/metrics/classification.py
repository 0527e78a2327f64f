"""All the figures of a trained classifier on its test images, from the class probabilities."""

from numbers import Integral

import numpy as np
from sklearn.metrics import roc_auc_score

from drcls.metrics import confusion as measures


def classification_metrics(y_true, probabilities, class_names):
    """Measure a classifier; the predicted class is the most probable one.

    A value that does not exist is None, never an invented number: recall and AUROC of a class without test
    images, AUROC and specificity of a class that is the whole test set, kappa where truth and prediction are
    one and the same class. A class with test images that is never predicted has precision 0.

    Macro averages run over the classes with test images (support above 0 in per_class), which makes
    macro_recall scikit-learn's balanced accuracy; mean_ovr_accuracy runs over all classes.

    Args:
        y_true: integers (N,), indices into class_names.
        probabilities: floats (N, C) in 0..1, rows summing to 1.
        class_names: C names, in the order of the columns; the order is the order of the grades for kappa.

    Returns:
        A dict of floats, None, ints and lists, ready for JSON: accuracy, macro_precision, macro_recall,
        macro_f1, macro_specificity, macro_auroc, micro_auroc (over all pairs of image and class),
        mean_ovr_accuracy, quadratic_kappa, expected_calibration_error; per_class: {name: {precision, recall,
        f1, specificity, ovr_accuracy, auroc, support}}; confusion_matrix: rows true, columns predicted.

    Raises:
        ValueError: if shapes disagree, a label is no index into class_names, or rows are not probabilities.
    """
    names = list(class_names) if np.iterable(class_names) and not isinstance(class_names, str) else []
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names) or len(names) < 2:
        raise ValueError(
            f"class_names must be a sequence of two or more different str, received {class_names!r}"
        )
    class_names = names
    probabilities = as_probabilities(probabilities)
    if probabilities.shape[1] != len(class_names):
        raise ValueError(
            f"probabilities must have one column for each of the {len(class_names)} classes, "
            f"received {probabilities.shape[1]}"
        )
    confusion = measures.confusion_matrix(y_true, probabilities.argmax(axis=1), len(class_names))
    per_class = {
        "precision": measures.precision(confusion),
        "recall": measures.recall(confusion),
        "f1": measures.f1(confusion),
        "specificity": measures.specificity(confusion),
        "ovr_accuracy": measures.ovr_accuracy(confusion),
        "auroc": _auroc(np.asarray(y_true), probabilities),
    }
    macro = {
        f"macro_{name}": _number(measures.macro_average(per_class[name], confusion))
        for name in ("precision", "recall", "f1", "specificity", "auroc")
    }
    return {
        "accuracy": _number(measures.accuracy(confusion)),
        **macro,
        "micro_auroc": float(roc_auc_score(np.eye(len(class_names))[y_true].ravel(), probabilities.ravel())),
        "mean_ovr_accuracy": _number(measures.mean_ovr_accuracy(confusion)),
        "quadratic_kappa": _number(measures.quadratic_kappa(confusion)),
        "expected_calibration_error": expected_calibration_error(probabilities, y_true),
        "per_class": {
            name: {
                **{measure: _number(values[index]) for measure, values in per_class.items()},
                "support": int(confusion[index].sum()),
            }
            for index, name in enumerate(class_names)
        },
        "confusion_matrix": confusion.tolist(),
    }


def expected_calibration_error(probabilities, y_true, num_bins=15):
    """Mean gap between the confidence in the predicted class and how often that class is right.

    Images are binned by confidence into num_bins bins of equal width, each closed on the right; the gaps are
    averaged with the number of images in the bin as weight. 0 is perfect. Guo et al. (2017), Eq. 5.

    Args:
        probabilities: floats (N, C) in 0..1, rows summing to 1.
        y_true: integers (N,), 0 to C - 1.
        num_bins: number of bins, 1 or more.

    Returns:
        float in 0..1.

    Raises:
        ValueError: if shapes disagree, a label is out of range, rows are not probabilities, or num_bins is none.
    """
    check_num_bins(num_bins)
    probabilities = as_probabilities(probabilities)
    y_true = measures.as_classes("y_true", y_true, probabilities.shape[1])
    if len(y_true) != len(probabilities):
        raise ValueError(f"y_true must have {len(probabilities)} labels, received {len(y_true)}")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    inner_edges = np.linspace(0, 1, num_bins + 1)[1:-1]
    bins = np.digitize(confidence, inner_edges, right=True)
    # The sum of (right - confidence) over a bin is its gap times its number of images.
    gaps = np.bincount(bins, weights=right - confidence, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(y_true))


def _auroc(y_true, probabilities):
    """One-vs-rest area under the ROC curve, (C,); NaN for a class that is absent or alone in y_true."""
    areas = np.full(probabilities.shape[1], np.nan)
    for index, score in enumerate(probabilities.T):
        positive = y_true == index
        if positive.any() and not positive.all():
            areas[index] = roc_auc_score(positive, score)
    return areas


def as_probabilities(values):
    """Return values as float64 (N, C), or raise a ValueError that shows a row that is no distribution."""
    probabilities = np.asarray(values, "float64")
    if probabilities.ndim != 2 or probabilities.size == 0:
        raise ValueError(f"probabilities must be a non-empty array (N, C), received {probabilities.shape}")
    # Written so that NaN fails; the tolerance admits a softmax in half precision.
    valid = (probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) <= 1e-3)
    if not valid.all():
        row = int(valid.argmin())
        raise ValueError(
            "probabilities must lie in 0..1 with rows that sum to 1 (a softmax output, not scores), "
            f"received row {row}: {probabilities[row].tolist()}"
        )
    return probabilities


def as_finite(name, values):
    """Return values as float64 (N,), or raise a ValueError that shows what is none."""
    numbers = np.asarray(values, "float64")
    if numbers.ndim != 1:
        raise ValueError(f"{name} must be an array (N,); received the shape {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite; received {numbers[~np.isfinite(numbers)][:5].tolist()}")
    return numbers


def check_num_bins(num_bins):
    """Raise a ValueError unless the number of bins is a whole number of 1 or more."""
    if not isinstance(num_bins, Integral) or num_bins < 1:
        raise ValueError(f"num_bins must be a whole number of 1 or more, received {num_bins}")


def _number(value):
    """A plain float for JSON, None for NaN."""
    return None if np.isnan(value) else float(value)
