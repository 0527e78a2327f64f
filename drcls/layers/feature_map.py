"""What every layer on convolutional feature maps shares: where the channels are, and a check of the shape."""

from numbers import Integral, Real

import keras
from keras import ops

FORMATS = ("channels_last", "channels_first")


class FeatureMapLayer(keras.layers.Layer):
    """Base class of the layers on feature maps: a subclass computes on channels-last maps alone.

    A subclass defines `build_map(shape)`, `call_map(maps, training)` and, where its output has another shape than
    its input, `map_output_shape(shape)`. Channels-first maps are transposed before and after `call_map`.

    Args:
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`:
            `keras.config.image_data_format()`.

    Raises:
        ValueError: If `data_format` is something else; on building, if the rank of the input is not 4 or the
            number of its channels is unknown.
    """

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        data_format = keras.config.image_data_format() if data_format is None else data_format
        if data_format not in FORMATS:
            raise ValueError(
                f"data_format must be None or one of {list(FORMATS)}. Received: {data_format=!r}"
            )
        self.data_format = data_format

    def build(self, input_shape):
        first = self.data_format == "channels_first"
        order = "batch, channels, height, width" if first else "batch, height, width, channels"
        who = f"{type(self).__name__} '{self.name}'"
        if len(input_shape) != 4:
            raise ValueError(
                f"{who} expects a feature map of shape ({order}). Received: input_shape={input_shape}"
            )
        channels = input_shape[1 if first else -1]
        if channels is None:
            raise ValueError(f"{who} needs a known number of channels. Received: input_shape={input_shape}")
        self.build_map(self._channels_last_shape(input_shape))
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1 if first else -1: channels})

    def build_map(self, shape):
        """Make the weights for maps of static shape (batch, height, width, channels), None where unknown."""

    def call(self, inputs, training=False):
        inputs = as_floats(inputs, self.compute_dtype)
        if 0 in inputs.shape:  # Keras refuses the maximum of nothing
            return ops.zeros(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)
        if self.data_format == "channels_last":
            return self.call_map(inputs, training)
        maps = self.call_map(ops.transpose(inputs, (0, 2, 3, 1)), training)
        return ops.transpose(maps, (0, 3, 1, 2))

    def call_map(self, maps, training):
        """Return what the layer makes of channels-last maps."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = self.map_output_shape(self._channels_last_shape(input_shape))
        if self.data_format == "channels_first":
            return (batch, channels, height, width)
        return (batch, height, width, channels)

    def map_output_shape(self, shape):
        """Return the channels-last shape of the output."""
        return shape

    def _channels_last_shape(self, shape):
        if self.data_format == "channels_first":
            batch, channels, height, width = shape
            return (batch, height, width, channels)
        return tuple(shape)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


def as_floats(inputs, dtype):
    """Cast integers: Keras casts none, and what a layer multiplies by would be cut down to them."""
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype)):
        return inputs
    return ops.cast(inputs, dtype)


def positive_integer(name, value):
    """Return a positive integer of any kind as an int, which can be saved, or raise a ValueError."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}")
    return int(value)


def number_below(name, value, limit, expected):
    """Return a number of 0 or more and below a limit as a float, or raise a ValueError that says what is expected."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value < limit:
        raise ValueError(f"{name} must be {expected}. Received: {name}={value!r}")
    return float(value)


def seed_as_int(seed):
    """Return a seed of NumPy as Keras takes it."""
    return int(seed) if isinstance(seed, Integral) else seed


def hidden_units(channels, reduction_ratio):
    """Return the units of a perceptron that narrows the channels; a ratio that leaves none is an error."""
    if reduction_ratio > channels:
        raise ValueError(
            f"reduction_ratio must not exceed the number of channels ({channels}): it would leave no "
            f"hidden unit. Received: reduction_ratio={reduction_ratio}"
        )
    return channels // reduction_ratio


def mean_in_float32(maps, axis):
    """Return the mean over axes, which stay: the sum that a half-precision mean makes overflows at 65504."""
    wide = ops.cast(maps, keras.backend.result_type(maps.dtype, "float32"))
    return ops.mean(wide, axis=axis, keepdims=True)
