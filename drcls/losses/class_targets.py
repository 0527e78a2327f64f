"""What every loss over classes reads from its arguments: a number per class, and the true class."""

import warnings
from numbers import Real

import keras
import numpy as np
from keras import ops

# Smaller, and a large class weight divided by it overflows: on JAX the gradient of a probability of 0 is then NaN.
TINY = 1e-30


def number_per_class(values, name):
    """Return a list of float, one per class.

    Args:
        values: Sequence of positive finite numbers in the order of the classes, or `{class: number}` or a pandas
            Series of it with the classes 0..C-1.
        name: What the values are called in an error.

    Raises:
        ValueError: If the values are not of that kind.
    """
    # A Series is read by its classes: `value_counts` sorts by frequency.
    by_class = values.to_dict() if hasattr(values, "to_dict") else values
    in_order = by_class
    if isinstance(by_class, dict) and set(by_class) == set(range(len(by_class))):
        in_order = [by_class[label] for label in range(len(by_class))]
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


def checked_number(name, value, expected, high=np.inf):
    """Return a finite number in 0..high as a float, which can be saved, or raise a ValueError with what is expected."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= high or value == np.inf:
        raise ValueError(f"{name} must be {expected}. Received: {name}={value!r}")
    return float(value)


def checked_smoothing(label_smoothing):
    """Return the share of smoothing as a float, or raise a ValueError unless it is a number in 0..1."""
    return checked_number("label_smoothing", label_smoothing, "a number in 0..1", high=1)


def checked_dtype(dtype):
    """Return the name of the dtype that Keras gives a loss both arguments in.

    Args:
        dtype: As in `keras.losses.Loss`; `None` is Keras' float type, float32 where that is half precision.

    Raises:
        ValueError: If it is half precision: bfloat16 makes class 258 of class 257, and a sure mistake costs
            nothing where its probability is rounded to 0.
    """
    if dtype is None:
        return keras.backend.result_type(keras.config.floatx(), "float32")
    name = keras.dtype_policies.get(dtype).compute_dtype
    if name not in ("float32", "float64"):
        raise ValueError(f"dtype must be None, float32 or float64. Received: dtype={dtype!r}")
    return name


def class_targets(y_true, y_pred, num_classes, label_smoothing):
    """Return the probability of each class as the loss shall see it, of the shape and dtype of `y_pred`.

    Args:
        y_true: One-hot or class probabilities, of the shape of `y_pred`; or integer labels 0..C-1 of its shape
            without the last axis, or with 1 there. A label out of range, or between two classes, gives zeros, on
            every backend; NaN gives NaN.
        y_pred: Float tensor (..., C).
        num_classes: Integer C, which `y_pred` must have.
        label_smoothing: Number s in 0..1; a class's probability p becomes (1 - s) p + s / C, where
            its row sums to 1.

    Raises:
        ValueError: If the shapes do not go together, or there is one class alone.
    """
    if num_classes == 1:
        raise ValueError(
            "y_pred must have two or more columns: use two outputs, or keras.losses.BinaryFocalCrossentropy. "
            f"Received: y_pred.shape={tuple(y_pred.shape)}"
        )
    true_shape, shape = tuple(y_true.shape), tuple(y_pred.shape)
    # A width that is only known at run time is that of one-hot labels: integer labels come without the axis, or with 1.
    is_one_hot = len(true_shape) == len(shape) and true_shape[-1] in (num_classes, None)
    is_label = len(true_shape) == len(shape) - 1 or (len(true_shape) == len(shape) and true_shape[-1] == 1)
    # Labels of another number of images would be repeated for all of them.
    alike = all(
        None in pair or pair[0] == pair[1] for pair in zip(true_shape[: len(shape) - 1], shape, strict=False)
    )
    if shape[-1] != num_classes or not alike or not (is_one_hot or is_label):
        raise ValueError(
            f"y_pred must have one column for each of the {num_classes} classes, and y_true as many or integer "
            f"labels. Received: y_true.shape={true_shape}, y_pred.shape={shape}"
        )
    if not is_one_hot:
        labels = ops.squeeze(y_true, axis=-1) if len(true_shape) == len(shape) else y_true
        labels = ops.expand_dims(ops.cast(labels, y_pred.dtype), -1)
        y_true = ops.equal(labels, ops.arange(num_classes, dtype=y_pred.dtype))
        y_true = ops.where(ops.isnan(labels), np.nan, ops.cast(y_true, y_pred.dtype))
    y_true = ops.cast(y_true, y_pred.dtype)
    if label_smoothing:
        share = ops.sum(y_true, axis=-1, keepdims=True) / num_classes  # 0 for a label out of range
        y_true = (1 - label_smoothing) * y_true + label_smoothing * share
    return y_true


def log_probabilities(y_pred, from_logits):
    """Return the logarithm of each class's probability, in float32 or wider.

    A probability of 0 has no logarithm. It is bounded by 1e-30, not by Keras' 1e-7: below a bound a probability has no
    gradient, and the surest mistakes would never be learned from.

    Args:
        y_pred: Float tensor (..., C): probabilities in 0..1, or any values when `from_logits`.
        from_logits: Whether they are scores before the softmax.
    """
    # Half precision is computed in float32: the bound is 0 in float16.
    wide = ops.cast(y_pred, keras.backend.result_type(y_pred.dtype, "float32"))
    return ops.log_softmax(wide) if from_logits else ops.log(ops.maximum(wide, TINY))


def warn_of_a_softmax(y_pred, from_logits):
    """Warn where scores are expected and probabilities come, as far as Keras marks them (not on JAX)."""
    if from_logits and hasattr(y_pred, "_keras_logits"):
        warnings.warn(
            "the loss was built with from_logits=True, but y_pred comes from a softmax or sigmoid: use "
            "from_logits=False, or the softmax is taken twice",
            stacklevel=2,
        )
