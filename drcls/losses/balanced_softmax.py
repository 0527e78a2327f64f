"""Cross-entropy for classes that are rarer in training than where the network will be asked."""

import keras
import numpy as np
from keras import ops


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

    At test time nothing is added: the softmax of the plain scores is already the one for equally frequent
    classes. Subtracting log n_c there too (logit adjustment) would count the frequencies twice.

    Args:
        class_counts: Sequence of positive numbers, images per class in training, in the order of the scores.
            Only their ratios matter.
        from_logits: Whether `y_pred` holds scores `z`. With `False` it holds their softmax, from which the
            scores are known up to a constant that cancels: for models that end in `ClassProbabilities`.
            Defaults to `True`.
        reduction: As in `keras.losses.Loss`.
        name: Optional name of the loss.
        dtype: As in `keras.losses.Loss`.

    Call arguments:
        y_true: One-hot or class probabilities (N, C), or integer labels (N,) or (N, 1) in 0..C-1. A label
            out of range contributes nothing.
        y_pred: Float tensor (N, C), any values, or in 0..1 without `from_logits`.

    Raises:
        ValueError: If `class_counts` is not a sequence of at least two positive finite numbers, or the
            columns of `y_true` or `y_pred` are not as many.

    Reference:

    - [Ren et al., 2020](https://arxiv.org/abs/2007.10740), section 3
    - The loss of the multi-scale attention residual network (Tong, poster, Oxford Brookes University)
    """

    def __init__(
        self,
        class_counts,
        from_logits=True,
        reduction="sum_over_batch_size",
        name="balanced_softmax_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        counts = np.asarray(class_counts)
        if (
            counts.ndim != 1
            or counts.size < 2
            or counts.dtype.kind not in "fiu"
            or not np.all(np.isfinite(counts) & (counts > 0))
        ):
            raise ValueError(
                "class_counts must be a sequence of at least two positive finite numbers, one per class. "
                f"Received: class_counts={class_counts!r}"
            )
        self.class_counts = class_counts
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        num_classes = len(self.class_counts)
        is_label = len(y_true.shape) < len(y_pred.shape) or y_true.shape[-1] == 1
        if y_pred.shape[-1] != num_classes or not (is_label or y_true.shape[-1] == num_classes):
            raise ValueError(
                f"y_pred must have one column for each of the {num_classes} class counts, and y_true as many "
                "or integer labels. "
                f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
            )
        if is_label:
            y_true = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), num_classes)
        y_true = ops.cast(y_true, y_pred.dtype)
        # A probability of 0 has no logarithm; the smallest float still has a gradient.
        scores = y_pred if self.from_logits else ops.log(ops.maximum(y_pred, np.finfo("float32").tiny))
        shares = np.asarray(self.class_counts, dtype="float64") / np.sum(self.class_counts)
        adjusted = scores + ops.convert_to_tensor(np.log(shares), dtype=y_pred.dtype)  # (N, C)
        return -ops.sum(y_true * ops.log_softmax(adjusted), axis=-1)  # (N,)

    def get_config(self):
        return {
            **super().get_config(),
            "class_counts": [float(count) for count in self.class_counts],
            "from_logits": self.from_logits,
        }
