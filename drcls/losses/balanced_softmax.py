"""Cross-entropy for classes that are rarer in training than where the network will be asked."""

import keras
import numpy as np
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
class BalancedSoftmaxCrossentropy(keras.losses.Loss):
    """Computes the cross-entropy after adding each class's log count to its score.

    Among n_c images of class c, a softmax learns scores that hold the class frequencies: it answers with the
    frequent class when in doubt. Adding log n_c during training takes over that part, so that the scores
    themselves are left to fit a test with equally frequent classes. For one sample of class y:

        p_c = n_c exp(z_c) / sum over k of n_k exp(z_k)    (Ren et al., Eq. 3)
        L = - log p_y                                      (Ren et al., Eq. 4)

    The poster that this loss is reproduced from prints `- sum y log(p + log n)`, which adds log n a second
    time, to a probability: that is negative for counts above 2 and is no likelihood. It is not offered.

    With `tau` other than 1 it is the logit-adjusted loss, which adds tau log n_c: 0 is the plain cross-entropy,
    and above 1 the rare classes are favoured beyond equal frequency.

    At test time nothing is added: with `tau=1` the softmax of the plain scores is already the one for equally
    frequent classes. Subtracting log n_c there too would count the frequencies twice.

    Args:
        class_counts: Positive numbers, images per class in training: a sequence in the order of the scores, or
            `{class: count}`. Only their ratios matter.
        from_logits: Whether `y_pred` holds scores `z`. With `False`, the default, it holds their softmax, from
            which the scores are known up to a constant that cancels: for models that end in
            `ClassProbabilities`.
        label_smoothing: Number s in 0..1; a class's probability y_c becomes (1 - s) y_c + s / C. Defaults to
            `0.0`.
        tau: Number of 0 or more, the power of the counts. Defaults to `1.0`: the balanced softmax.
        reduction: As in `keras.losses.Loss`.
        name: Optional name of the loss.
        dtype: `"float32"` or `"float64"`, in which it is computed also under a policy of half precision. Defaults
            to `None`: Keras' float type.

    Call arguments:
        y_true: One-hot or class probabilities (..., C), or integer labels (...) or (..., 1) in 0..C-1. A label
            out of range, or between two classes, contributes nothing; NaN gives NaN.
        y_pred: Float tensor (..., C), probabilities in 0..1, or any values when `from_logits`.

    Raises:
        ValueError: If `class_counts` is not one positive finite number for each of at least two classes, the
            columns of `y_true` or `y_pred` are not as many, or another argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from drcls.losses import BalancedSoftmaxCrossentropy
    >>> loss = BalancedSoftmaxCrossentropy([3, 1], from_logits=True)
    >>> value = loss(np.array([1]), np.array([[0.0, 0.0]]))
    >>> round(float(value), 4)  # at equal scores the rare class has probability 1 / 4
    1.3863

    Reference:

    - [Ren et al., 2020](https://arxiv.org/abs/2007.10740), section 3
    - [Menon et al., 2021](https://arxiv.org/abs/2007.07314), Eq. 10, for `tau`
    - The loss of the multi-scale attention residual network (Tong, poster, Oxford Brookes University)
    """

    def __init__(
        self,
        class_counts,
        from_logits=False,
        label_smoothing=0.0,
        tau=1.0,
        reduction="sum_over_batch_size",
        name="balanced_softmax_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=checked_dtype(dtype))
        self.class_counts = number_per_class(class_counts, "class_counts")
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.tau = checked_number("tau", tau, "a finite number of 0 or more")

    def call(self, y_true, y_pred):
        warn_of_a_softmax(y_pred, self.from_logits)
        # Logarithms of probabilities are scores up to a constant, which cancels.
        scores = log_probabilities(y_pred, self.from_logits)  # (..., C)
        y_true = class_targets(y_true, scores, len(self.class_counts), self.label_smoothing)
        log_shares = np.log(self.class_counts) - np.log(np.sum(self.class_counts))
        adjusted = scores + ops.convert_to_tensor(self.tau * log_shares, dtype=scores.dtype)  # (..., C)
        loss = -ops.sum(y_true * ops.log_softmax(adjusted), axis=-1)  # (...)
        return ops.cast(loss, y_pred.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "class_counts": self.class_counts,
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "dtype": self.dtype,
            "tau": self.tau,
        }
