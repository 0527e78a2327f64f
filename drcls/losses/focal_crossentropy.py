"""Cross-entropy in which sure answers count less."""

from numbers import Real

import keras
from keras import ops

from drcls.losses.class_targets import (
    checked_dtype,
    checked_number,
    checked_smoothing,
    class_targets,
    log_probabilities,
    number_per_class,
    warn_of_a_softmax,
)


@keras.saving.register_keras_serializable(package="drcls")
class FocalCrossentropy(keras.losses.Loss):
    """Computes the focal loss: the cross-entropy, the less weighed the surer the answer is.

    Many easy samples of a frequent class would otherwise outweigh the few hard ones of a rare class. With the
    probability p of the true class y, for one sample:

        L = - alpha_y (1 - p)^gamma log(p)    (Eq. 4)

    In the paper alpha is one number for all classes, a constant factor on the loss: an optimizer that divides
    by the size of the gradient, such as Adam, takes it out again. An alpha for each class weighs them.

    It is `keras.losses.categorical_focal_crossentropy` for labels of both kinds, without Keras' bound of 1e-7, below
    which a probability has no gradient. Rows must sum to 1: Keras divides them by their sum, here nothing does.

    Args:
        alpha: Positive number, or one for each class as a sequence or `{class: number}`. The paper compares
            0.25 to 1.75. Defaults to `0.25`.
        gamma: Number of 0 or more. Defaults to `2.0`, as in the paper.
        from_logits: Whether `y_pred` holds scores before the softmax. Defaults to `False`.
        label_smoothing: Number s in 0..1; a class's probability y_c becomes (1 - s) y_c + s / C. Defaults to
            `0.0`.
        reduction: As in `keras.losses.Loss`.
        name: Optional name of the loss.
        dtype: `"float32"` or `"float64"`, in which it is computed also under a policy of half precision. Defaults
            to `None`: Keras' float type.

    Call arguments:
        y_true: One-hot or class probabilities (..., C), or integer labels (...) or (..., 1) in 0..C-1. A label
            out of range, or between two classes, contributes nothing; NaN gives NaN.
        y_pred: Float tensor (..., C), probabilities in 0..1, or any values when `from_logits`.

    Raises:
        ValueError: If an argument is not of the kind above, or the columns of `y_true` or `y_pred` are not as
            many as the alphas, or there is one column alone.

    Example:

    >>> import numpy as np
    >>> from drcls.losses import FocalCrossentropy
    >>> loss = FocalCrossentropy(alpha=1.0, gamma=2.0)
    >>> value = loss(np.array([0]), np.array([[0.5, 0.25, 0.25]]))
    >>> round(float(value), 4)  # 0.5^2 ln 2
    0.1733

    Reference:

    - [Lin et al., 2017](https://arxiv.org/abs/1708.02002)
    - Eq. 4 of "Convolutional Neural Networks based Focal Loss for Class Imbalance Problem: A Case Study of
      Canine Red Blood Cells Morphology Classification" (Pasupa, Vatathanavaro and Tungjitnob)
    """

    def __init__(
        self,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name="focal_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=checked_dtype(dtype))
        is_number = isinstance(alpha, Real) and not isinstance(alpha, bool)
        if is_number and not 0 < alpha < float("inf"):
            raise ValueError(f"alpha must be a positive finite number or one per class. Received: {alpha=!r}")
        self.alpha = float(alpha) if is_number else number_per_class(alpha, "alpha")
        self.gamma = checked_number("gamma", gamma, "a finite number of 0 or more")
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)

    def call(self, y_true, y_pred):
        warn_of_a_softmax(y_pred, self.from_logits)
        num_classes = y_pred.shape[-1] if isinstance(self.alpha, float) else len(self.alpha)
        logarithms = log_probabilities(y_pred, self.from_logits)  # (..., C)
        y_true = class_targets(y_true, logarithms, num_classes, self.label_smoothing)
        alpha = ops.convert_to_tensor(self.alpha, dtype=logarithms.dtype)
        # For gamma < 1 the gradient of 0 ** gamma is infinite.
        missing = ops.maximum(1 - ops.exp(logarithms), keras.config.epsilon())
        loss = -ops.sum(alpha * y_true * missing**self.gamma * logarithms, axis=-1)  # (...), Eq. 4
        return ops.cast(loss, y_pred.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "gamma": self.gamma,
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "dtype": self.dtype,
        }
