"""The output layer that knows the names of its classes."""

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="drcls")
class ClassProbabilities(keras.layers.Layer):
    """Softmax in float32 that carries the class names and the layer to explain.

    A saved model would otherwise lose what its outputs mean. The layer's input is the score before the
    softmax, which Grad-CAM differentiates.

    Args:
        class_names: list of str, one per output, in order.
        explain_layer: str, name of the model's layer whose 4-D output Grad-CAM explains, or None.

    Call arguments:
        logits: scores before the softmax, (..., C).

    Input shape: (..., C) with C = len(class_names).
    Output shape: the same, float32, each row summing to 1.

    Raises:
        ValueError: where class_names is no sequence of at least two different str, or the scores are not one per class.

    Example:

    >>> import numpy as np
    >>> from drcls.layers import ClassProbabilities
    >>> layer = ClassProbabilities(["healthy", "ill"])
    >>> np.round(layer(np.log([[1.0, 3.0]])), 3).tolist()
    [[0.25, 0.75]]
    """

    def __init__(self, class_names, explain_layer=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        names = [] if isinstance(class_names, str) or not np.iterable(class_names) else list(class_names)
        if (
            not all(isinstance(name, str) for name in names)
            or len(set(names)) != len(names)
            or len(names) < 2
        ):
            raise ValueError(
                f"class_names must be a sequence of at least two different names; received {class_names!r}"
            )
        self.class_names = [str(name) for name in names]
        self.explain_layer = explain_layer
        self.supports_masking = True

    def build(self, input_shape):
        if input_shape[-1] != len(self.class_names):
            raise ValueError(
                f"ClassProbabilities has {len(self.class_names)} class names but receives scores of shape "
                f"{tuple(input_shape)}"
            )

    def call(self, logits):
        return keras.activations.softmax(logits)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "class_names": self.class_names,
            "explain_layer": self.explain_layer,
        }
