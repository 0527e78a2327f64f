"""Convolutional block attention: which channels matter, then which places matter."""

from numbers import Integral

import keras
from keras import ops

from drcls.layers.feature_map import FeatureMapLayer, hidden_units, mean_in_float32, positive_integer

OPEN_SCORE = 2.1972245773362196  # its sigmoid is 0.9: nearly open, with a third of the largest gradient


def _gate_initializers(near_identity, num_terms=1):
    """Return the initialisers of the layer before a gate's sigmoid: Keras' own, or those of an open gate.

    `num_terms` such layers' outputs are added under the sigmoid and share the score of an open gate.
    """
    if not near_identity:
        return {}
    bias = keras.initializers.Constant(OPEN_SCORE / num_terms)
    return {"kernel_initializer": "zeros", "bias_initializer": bias}


def _check_near_identity(near_identity):
    if not isinstance(near_identity, bool):
        raise ValueError(f"near_identity must be True or False. Received: near_identity={near_identity!r}")


@keras.saving.register_keras_serializable(package="drcls")
class ChannelAttention(FeatureMapLayer):
    """Scales every channel of a feature map by how much it matters for this image.

    The average tells how present a feature is over the whole image and the maximum whether it is there at
    all, which a small lesion needs. One shared perceptron reads both:

        M_c(F) = sigmoid(MLP(AvgPool(F)) + MLP(MaxPool(F)))    (Eq. 7)
        F' = M_c(F) * F                                        (Eq. 8)

    Args:
        reduction_ratio: Positive integer `r`. The hidden layer of the perceptron has
            `channels // reduction_ratio` ReLU units. Defaults to `16`.
        near_identity: Whether the gates `M_c` start at 0.9 for every input, so that pretrained features are
            kept and no gate begins closed: the last kernel of the perceptron then starts at zero and its bias
            at `logit(0.9) / 2`. The equations stay the same. Defaults to `False`: a random start.
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
    >>> from drcls.layers import ChannelAttention
    >>> features = np.ones((1, 7, 7, 4), "float32")
    >>> ChannelAttention(reduction_ratio=2)(features).shape == (1, 7, 7, 4)
    True
    >>> round(float(np.max(ChannelAttention(reduction_ratio=2, near_identity=True)(features))), 4)
    0.9

    Reference:

    - [Woo et al., 2018](https://arxiv.org/abs/1807.06521), section 3
    - Eq. 7-8 of [CheXNet with CBAM, 2026](https://doi.org/10.3389/fmed.2026.1732109)
    """

    def __init__(self, reduction_ratio=16, near_identity=False, **kwargs):
        super().__init__(**kwargs)
        _check_near_identity(near_identity)
        self.reduction_ratio = positive_integer("reduction_ratio", reduction_ratio)
        self.near_identity = near_identity

    def build_map(self, shape):
        channels = shape[-1]
        units = hidden_units(channels, self.reduction_ratio)
        self.hidden = keras.layers.Dense(units, activation="relu", dtype=self.dtype_policy, name="hidden")
        self.hidden.build((shape[0], channels))
        # Eq. 7 adds two outputs of the perceptron.
        start = _gate_initializers(self.near_identity, num_terms=2)
        self.score = keras.layers.Dense(channels, **start, dtype=self.dtype_policy, name="score")
        self.score.build((shape[0], units))

    def call_map(self, maps, training):
        average = mean_in_float32(maps, (1, 2))  # (N, 1, 1, C)
        maximum = ops.max(maps, axis=(1, 2), keepdims=True)  # (N, 1, 1, C)
        attention = ops.sigmoid(self.score(self.hidden(average)) + self.score(self.hidden(maximum)))  # Eq. 7
        return attention * maps  # Eq. 8

    def get_config(self):
        return {
            **super().get_config(),
            "reduction_ratio": self.reduction_ratio,
            "near_identity": self.near_identity,
        }


@keras.saving.register_keras_serializable(package="drcls")
class SpatialAttention(FeatureMapLayer):
    """Scales every place of a feature map by how much it matters for this image.

    The mean and the maximum over the channels give two maps, and one convolution turns them into a weight
    for every place, the same for all channels:

        M_s(F') = sigmoid(f([AvgPool(F'); MaxPool(F')]))    (Eq. 9)
        F'' = M_s(F') * F'                                  (Eq. 10)

    The convolution `f` has no bias, as in the reference implementation, unless it starts near the identity,
    and no batch normalisation after it, as in Eq. 9.

    Args:
        kernel_size: Positive odd integer, the side of the convolution's window. Defaults to `7`.
        near_identity: Whether the gates `M_s` start at 0.9 for every input: the kernel then starts at zero,
            and the convolution has a bias that starts at `logit(0.9)`. Defaults to `False`: a random start.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`: Keras' setting.

    Call arguments:
        inputs: Float tensor of rank 4, any values.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second as `data_format` says; height and width
        may be unknown, channels may not.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If `kernel_size` is not a positive odd integer (an even window has no centre).

    Example:

    >>> import numpy as np
    >>> from drcls.layers import SpatialAttention
    >>> features = np.ones((1, 7, 7, 4), "float32")
    >>> SpatialAttention(kernel_size=3)(features).shape == (1, 7, 7, 4)
    True
    >>> round(float(np.max(SpatialAttention(kernel_size=3, near_identity=True)(features))), 4)
    0.9

    Reference:

    - [Woo et al., 2018](https://arxiv.org/abs/1807.06521), section 3
    - Eq. 9-10 of [CheXNet with CBAM, 2026](https://doi.org/10.3389/fmed.2026.1732109)
    """

    def __init__(self, kernel_size=7, near_identity=False, **kwargs):
        super().__init__(**kwargs)
        is_integer = isinstance(kernel_size, Integral) and not isinstance(kernel_size, bool)
        if not is_integer or kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size must be a positive odd integer. Received: kernel_size={kernel_size!r}"
            )
        _check_near_identity(near_identity)
        self.kernel_size = int(kernel_size)
        self.near_identity = near_identity

    def build_map(self, shape):
        self.convolution = keras.layers.Conv2D(
            filters=1,
            kernel_size=self.kernel_size,
            padding="same",
            data_format="channels_last",
            use_bias=self.near_identity,
            activation="sigmoid",
            **_gate_initializers(self.near_identity),
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.convolution.build((*shape[:-1], 2))

    def call_map(self, maps, training):
        average = mean_in_float32(maps, -1)  # (N, H, W, 1)
        maximum = ops.max(maps, axis=-1, keepdims=True)  # (N, H, W, 1)
        pooled = ops.concatenate([ops.cast(average, maps.dtype), maximum], axis=-1)  # (N, H, W, 2)
        return self.convolution(pooled) * maps  # Eq. 9 and 10

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "near_identity": self.near_identity,
        }


@keras.saving.register_keras_serializable(package="drcls")
class CBAM(FeatureMapLayer):
    """Convolutional block attention module: channel attention, then spatial attention.

    It lets a network stress the features and the places of a lesion without any lesion annotation, at the
    price of `2 C^2 / r` weights. The order is the paper's: channels first (Eq. 7-8), then places (Eq. 9-10).

    Args:
        reduction_ratio: Positive integer, see `ChannelAttention`. Defaults to `16`.
        kernel_size: Positive odd integer, see `SpatialAttention`. Defaults to `7`.
        near_identity: Whether both gates start at 0.9, so that the layer starts as a scaling by 0.81. Random
            gates silence random channels and places of a pretrained backbone. Defaults to `False`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`: Keras' setting.

    Call arguments:
        inputs: Float tensor of rank 4, any values.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second as `data_format` says; height and width
        may be unknown, channels may not.

    Output shape:
        Same as the input.

    Raises:
        ValueError: As `ChannelAttention` and `SpatialAttention` do.

    Example:

    >>> import numpy as np
    >>> from drcls.layers import CBAM
    >>> features = np.ones((1, 7, 7, 4), "float32")
    >>> CBAM(reduction_ratio=2)(features).shape == (1, 7, 7, 4)
    True
    >>> round(float(np.max(CBAM(reduction_ratio=2, near_identity=True)(features))), 4)
    0.81

    Reference:

    - [Woo et al., 2018](https://arxiv.org/abs/1807.06521)
    - Section 2.3.2 of [CheXNet with CBAM, 2026](https://doi.org/10.3389/fmed.2026.1732109)
    """

    def __init__(self, reduction_ratio=16, kernel_size=7, near_identity=False, **kwargs):
        super().__init__(**kwargs)
        self.channel_attention = ChannelAttention(
            reduction_ratio,
            near_identity,
            data_format="channels_last",
            dtype=self.dtype_policy,
            name="channel_attention",
        )
        self.spatial_attention = SpatialAttention(
            kernel_size,
            near_identity,
            data_format="channels_last",
            dtype=self.dtype_policy,
            name="spatial_attention",
        )
        self.reduction_ratio = self.channel_attention.reduction_ratio
        self.kernel_size = self.spatial_attention.kernel_size
        self.near_identity = near_identity

    def build_map(self, shape):
        self.channel_attention.build(shape)
        self.spatial_attention.build(shape)

    def call_map(self, maps, training):
        return self.spatial_attention(self.channel_attention(maps))

    def get_config(self):
        return {
            **super().get_config(),
            "reduction_ratio": self.reduction_ratio,
            "kernel_size": self.kernel_size,
            "near_identity": self.near_identity,
        }
