"""Cross-entropy in which every class has its own weight."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="drcls")
class WeightedCategoricalCrossentropy(keras.losses.Loss):
    """Computes the categorical cross-entropy with one weight per class.

    A rare class weighs more, so that a network cannot do well by ignoring it. For one sample:

        w_c = N / (C n_c)                          (Eq. 17)
        L = - sum_c w_c y_c log(yhat_c)            (Eq. 18; the paper prints it without its minus sign)

    With these weights every class has the same total weight, `N / C`, in the training set. The weights
    belong to the loss and not to `fit(class_weight=...)`, so that the validation loss uses them too.

    Args:
        class_weights: Sequence of positive numbers, one per class in the order of the one-hot columns.
        from_logits: Whether `y_pred` holds scores before the softmax. Defaults to `False`: probabilities
            that sum to 1.
        reduction: As in `keras.losses.Loss`. The default, `"sum_over_batch_size"`, divides by the number
            of samples and not by the sum of their weights.
        name: Optional name of the loss.
        dtype: As in `keras.losses.Loss`.

    Call arguments:
        y_true: Float tensor (N, C), one-hot or class probabilities.
        y_pred: Float tensor (N, C), probabilities in 0..1, or any values when `from_logits`.

    Raises:
        ValueError: If `class_weights` is not a sequence of positive finite numbers, or if the number of
            columns of `y_true` or `y_pred` is not the number of weights.

    Reference:

    - Eq. 17-18 of [CheXNet with CBAM, 2026](https://doi.org/10.3389/fmed.2026.1732109)
    """

    def __init__(
        self,
        class_weights,
        from_logits=False,
        reduction="sum_over_batch_size",
        name="weighted_categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        weights = np.asarray(class_weights)
        if (
            weights.ndim != 1
            or weights.size == 0
            or weights.dtype.kind not in "fiu"
            or not np.all(np.isfinite(weights) & (weights > 0))
        ):
            raise ValueError(
                "class_weights must be a sequence of positive finite numbers, one per class. "
                f"Received: class_weights={class_weights!r}"
            )
        self.class_weights = class_weights
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        num_classes = len(self.class_weights)
        if y_true.shape[-1] != num_classes or y_pred.shape[-1] != num_classes:
            raise ValueError(
                f"y_true (one-hot) and y_pred must have one column for each of the {num_classes} class "
                f"weights. Received: y_true.shape={y_true.shape}, y_pred.shape={y_pred.shape}"
            )
        if self.from_logits:
            log_probabilities = ops.log_softmax(y_pred)
        else:
            # Bounded as in Keras: one sure mistake would otherwise cost infinity.
            log_probabilities = ops.log(ops.maximum(y_pred, keras.config.epsilon()))
        class_weights = ops.convert_to_tensor(self.class_weights, dtype=y_pred.dtype)  # (C,)
        return -ops.sum(class_weights * y_true * log_probabilities, axis=-1)  # (N,), Eq. 18

    def get_config(self):
        return {
            **super().get_config(),
            "class_weights": [float(weight) for weight in self.class_weights],
            "from_logits": self.from_logits,
        }
