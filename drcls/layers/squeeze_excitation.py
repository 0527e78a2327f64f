"""Squeeze and excitation: how much each channel matters, read off the whole image."""

import keras

from drcls.layers.feature_map import FeatureMapLayer, hidden_units, mean_in_float32, positive_integer


@keras.saving.register_keras_serializable(package="drcls")
class SqueezeExcitation(FeatureMapLayer):
    """Scales every channel of a feature map by how much it matters for this image.

    A convolution weighs its channels alike for all images. Here the mean of each channel over the image is
    squeezed through a narrow perceptron, which gives each channel a weight between 0 and 1:

        z = mean of F over height and width                    (Hu et al., Eq. 2)
        s = sigmoid(W_2 ReLU(W_1 z))                           (Hu et al., Eq. 3; with biases, as in their code)
        F' = s * F                                             (Hu et al., Eq. 4)

    `ChannelAttention` of CBAM reads the maximum of each channel besides.

    Args:
        reduction_ratio: Positive integer `r`. The hidden layer of the perceptron has
            `channels // reduction_ratio` ReLU units. Defaults to `16`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`: Keras' setting.

    Call arguments:
        inputs: Float tensor of rank 4, any values.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second as `data_format` says; height and width
        may be unknown, channels may not.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If `reduction_ratio` is not a positive integer or exceeds the number of channels.

    Example:

    >>> import numpy as np
    >>> from drcls.layers import SqueezeExcitation
    >>> features = np.ones((1, 7, 7, 4), "float32")
    >>> SqueezeExcitation(reduction_ratio=2)(features).shape == (1, 7, 7, 4)
    True

    Reference:

    - [Hu et al., 2018](https://arxiv.org/abs/1709.01507), section 3
    """

    def __init__(self, reduction_ratio=16, **kwargs):
        super().__init__(**kwargs)
        self.reduction_ratio = positive_integer("reduction_ratio", reduction_ratio)

    def build_map(self, shape):
        channels = shape[-1]
        units = hidden_units(channels, self.reduction_ratio)
        self.squeeze = keras.layers.Dense(units, activation="relu", dtype=self.dtype_policy, name="squeeze")
        self.squeeze.build((shape[0], channels))
        self.excite = keras.layers.Dense(
            channels, activation="sigmoid", dtype=self.dtype_policy, name="excite"
        )
        self.excite.build((shape[0], units))

    def call_map(self, maps, training):
        mean = mean_in_float32(maps, (1, 2))  # (N, 1, 1, C)
        return self.excite(self.squeeze(mean)) * maps

    def get_config(self):
        return {**super().get_config(), "reduction_ratio": self.reduction_ratio}
