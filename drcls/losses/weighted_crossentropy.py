"""Cross-entropy in which every class has its own weight."""

import keras
from keras import ops

from drcls.losses.class_targets import (
    checked_dtype,
    checked_smoothing,
    class_targets,
    log_probabilities,
    number_per_class,
    warn_of_a_softmax,
)


@keras.saving.register_keras_serializable(package="drcls")
class WeightedCategoricalCrossentropy(keras.losses.Loss):
    """Computes the categorical cross-entropy with one weight per class.

    A rare class weighs more, so that a network cannot do well by ignoring it. For one sample:

        w_c = N / (C n_c)                          (Eq. 17)
        L = - sum_c w_c y_c log(yhat_c)            (Eq. 18; the paper prints it without its minus sign)

    With these weights every class has the same total weight, `N / C`, in the training set. The weights
    belong to the loss and not to `fit(class_weight=...)`, so that the validation loss uses them too.

    Args:
        class_weights: Positive numbers, one per class: a sequence in the order of the columns, or
            `{class: weight}` as `fit` takes it.
        from_logits: Whether `y_pred` holds scores before the softmax. Defaults to `False`: probabilities
            that sum to 1.
        label_smoothing: Number s in 0..1; a class's probability y_c becomes (1 - s) y_c + s / C. Defaults to
            `0.0`.
        reduction: As in `keras.losses.Loss`. The default, `"sum_over_batch_size"`, divides by the number
            of samples and not by the sum of their weights.
        name: Optional name of the loss.
        dtype: `"float32"` or `"float64"`, in which it is computed also under a policy of half precision. Defaults
            to `None`: Keras' float type.

    Call arguments:
        y_true: One-hot or class probabilities (..., C), or integer labels (...) or (..., 1) in 0..C-1. A label
            out of range, or between two classes, contributes nothing; NaN gives NaN.
        y_pred: Float tensor (..., C), probabilities in 0..1, or any values when `from_logits`.

    Raises:
        ValueError: If `class_weights` is not one positive finite number for each of at least two classes, the
            columns of `y_true` or `y_pred` are not as many, or `label_smoothing` is not in 0..1.

    Example:

    >>> import numpy as np
    >>> from drcls.losses import WeightedCategoricalCrossentropy
    >>> loss = WeightedCategoricalCrossentropy({0: 2.0, 1: 5.0, 2: 3.0})
    >>> value = loss(np.array([0, 2]), np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]))
    >>> round(float(value), 4)  # (2 ln 2 + 3 ln 4) / 2
    2.7726

    Reference:

    - Eq. 17-18 of [CheXNet with CBAM, 2026](https://doi.org/10.3389/fmed.2026.1732109)
    """

    def __init__(
        self,
        class_weights,
        from_logits=False,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name="weighted_categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=checked_dtype(dtype))
        self.class_weights = number_per_class(class_weights, "class_weights")
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)

    def call(self, y_true, y_pred):
        warn_of_a_softmax(y_pred, self.from_logits)
        logarithms = log_probabilities(y_pred, self.from_logits)  # (..., C)
        y_true = class_targets(y_true, logarithms, len(self.class_weights), self.label_smoothing)
        class_weights = ops.convert_to_tensor(self.class_weights, dtype=logarithms.dtype)  # (C,)
        loss = -ops.sum(class_weights * y_true * logarithms, axis=-1)  # (...), Eq. 18
        return ops.cast(loss, y_pred.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "class_weights": self.class_weights,
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "dtype": self.dtype,
        }
