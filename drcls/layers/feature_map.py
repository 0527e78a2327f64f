"""What every layer on convolutional feature maps asks of its input's shape."""

import keras


def feature_map_channels(layer, input_shape):
    """Return the number of channels of a channels-last feature map.

    The layers of this package reduce and pool over fixed axes, so another layout would be computed
    without complaint and wrongly: it is refused here, before any weight is made.

    Args:
        layer: Layer being built; its class and name stand in the error.
        input_shape: Static shape `(batch, height, width, channels)`, `None` where unknown.

    Returns:
        Integer, the size of the last axis.

    Raises:
        ValueError: If Keras is set to channels-first, the rank is not 4, or the last axis is unknown.
    """
    who = f"{type(layer).__name__} '{layer.name}'"
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            f"{who} works on channels-last feature maps only. "
            f"Received: keras.config.image_data_format()={keras.config.image_data_format()!r}"
        )
    if len(input_shape) != 4:
        raise ValueError(
            f"{who} expects a feature map of shape (batch, height, width, channels). "
            f"Received: input_shape={input_shape}"
        )
    if input_shape[-1] is None:
        raise ValueError(f"{who} needs a known number of channels. Received: input_shape={input_shape}")
    return input_shape[-1]
