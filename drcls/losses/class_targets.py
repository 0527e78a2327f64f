"""What every loss over classes reads from its arguments: a number per class, and the true class."""

import warnings

import numpy as np
from keras import ops


def number_per_class(values, name):
    """Return a list of float, one per class.

    Args:
        values: Sequence of positive finite numbers in the order of the classes, or `{class: number}` with the
            classes 0..C-1.
        name: What the values are called in an error.

    Raises:
        ValueError: If the values are not of that kind.
    """
    in_order = values
    if isinstance(values, dict) and sorted(values) == list(range(len(values))):
        in_order = [values[label] for label in range(len(values))]
    numbers = np.asarray(in_order)
    if (
        numbers.ndim != 1
        or numbers.size < 2
        or numbers.dtype.kind not in "fiu"
        or not np.all(np.isfinite(numbers) & (numbers > 0))
    ):
        raise ValueError(
            f"{name} must be a sequence of at least two positive finite numbers, one per class, or "
            f"{{class: number}} with classes 0..C-1. Received: {name}={values!r}"
        )
    return [float(number) for number in numbers]


def check_label_smoothing(label_smoothing):
    """Raise a ValueError unless the share of smoothing is a number in 0..1."""
    if not isinstance(label_smoothing, (int, float)) or not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be a number in 0..1. Received: {label_smoothing=!r}")


def class_targets(y_true, y_pred, num_classes, label_smoothing):
    """Return the probability of each class as the loss shall see it, of the shape and dtype of `y_pred`.

    Args:
        y_true: One-hot or class probabilities, of the shape of `y_pred`; or integer labels 0..C-1 of its shape
            without the last axis, or with 1 there. A label out of range gives zeros.
        y_pred: Float tensor (..., C).
        num_classes: Integer C, which `y_pred` must have.
        label_smoothing: Number s in 0..1; a class's probability p becomes (1 - s) p + s / C.

    Raises:
        ValueError: If the shapes do not go together.
    """
    true_shape, shape = tuple(y_true.shape), tuple(y_pred.shape)
    is_one_hot = len(true_shape) == len(shape) and true_shape[-1] == num_classes
    is_label = len(true_shape) == len(shape) - 1 or (len(true_shape) == len(shape) and true_shape[-1] == 1)
    if shape[-1] != num_classes or not (is_one_hot or is_label):
        raise ValueError(
            f"y_pred must have one column for each of the {num_classes} classes, and y_true as many or integer "
            f"labels. Received: y_true.shape={true_shape}, y_pred.shape={shape}"
        )
    if not is_one_hot:
        labels = ops.squeeze(y_true, axis=-1) if len(true_shape) == len(shape) else y_true
        y_true = ops.one_hot(ops.cast(labels, "int32"), num_classes)
    y_true = ops.cast(y_true, y_pred.dtype)
    if label_smoothing:
        y_true = (1 - label_smoothing) * y_true + label_smoothing / num_classes
    return y_true


def warn_of_a_softmax(y_pred, from_logits):
    """Warn where scores are expected and probabilities come, as far as Keras marks them (not on JAX)."""
    if from_logits and hasattr(y_pred, "_keras_logits"):
        warnings.warn(
            "the loss was built with from_logits=True, but y_pred comes from a softmax or sigmoid: use "
            "from_logits=False, or the softmax is taken twice",
            stacklevel=2,
        )
