"""The shape that layers on feature maps ask for."""

import keras
import pytest

from drcls.layers import CBAM, ChannelAttention, DropBlock2D, SpatialAttention

LAYERS = [
    lambda: ChannelAttention(2),
    lambda: SpatialAttention(3),
    lambda: CBAM(2, 3),
    lambda: DropBlock2D(0.1, 3),
]


@pytest.mark.parametrize("make_layer", LAYERS)
def test_a_wrong_rank_is_refused(make_layer):
    with pytest.raises(ValueError, match=r"\(batch, height, width, channels\).*Received.*\(None, 5, 4\)"):
        make_layer()(keras.Input((5, 4)))


@pytest.mark.parametrize("make_layer", LAYERS)
def test_unknown_channels_are_refused(make_layer):
    with pytest.raises(ValueError, match="known number of channels"):
        make_layer()(keras.Input((5, 4, None)))


@pytest.mark.parametrize("make_layer", LAYERS)
def test_channels_first_is_refused(make_layer):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels-last feature maps only.*'channels_first'"):
            make_layer()(keras.Input((5, 5, 4)))
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("make_layer", LAYERS)
def test_unknown_places_stay_unknown(make_layer):
    assert make_layer()(keras.Input((None, None, 4))).shape == (None, None, None, 4)
    assert make_layer().compute_output_shape((2, None, 3, 4)) == (2, None, 3, 4)
