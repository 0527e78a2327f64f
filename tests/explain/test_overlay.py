import matplotlib
import numpy as np
import pytest

from drcls.explain import overlay

IMAGE = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype("uint8")
HEAT = np.linspace(0, 1, 35, dtype="float32").reshape(5, 7)


def test_blend_by_hand():
    blended = overlay(IMAGE, HEAT, alpha=0.25)
    assert blended.shape == (5, 7, 3) and blended.dtype == np.uint8
    for row, column in [(0, 0), (2, 3), (4, 6)]:
        colour = 255 * np.array(matplotlib.colormaps["viridis"](float(HEAT[row, column]))[:3])
        expected = np.rint(0.75 * IMAGE[row, column] + 0.25 * colour)
        np.testing.assert_array_equal(blended[row, column], expected)


def test_opacity_ends():
    np.testing.assert_array_equal(overlay(IMAGE, HEAT, alpha=0), IMAGE)
    opaque = overlay(IMAGE, HEAT, alpha=1, colour_map="gray")
    np.testing.assert_array_equal(opaque, overlay(255 - IMAGE, HEAT, alpha=1, colour_map="gray"))
    assert (np.diff(opaque[..., 0].ravel().astype(int)) > 0).all()


def test_float_image_on_the_same_scale_gives_the_same():
    np.testing.assert_array_equal(overlay(IMAGE.astype("float32"), HEAT), overlay(IMAGE, HEAT))


def test_inputs_are_left_as_they_were():
    image, heat = IMAGE.copy(), HEAT.copy()
    overlay(image, heat)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(heat, HEAT)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"heat_map": HEAT[:4]}, r"received \(5, 7, 3\) and \(4, 7\)"),
        ({"image": IMAGE[..., 0]}, r"received \(5, 7\)"),
        ({"image": IMAGE[..., :2]}, r"received \(5, 7, 2\)"),
        ({"heat_map": 2 * HEAT}, r"0\.\.1; received 0\.0\.\.2\.0"),
        ({"heat_map": np.full((5, 7), np.nan)}, "nan"),
        ({"alpha": 1.5}, "alpha must lie in 0..1; received 1.5"),
        ({"colour_map": "rainbows"}, "'rainbows' is unknown"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        overlay(**{"image": IMAGE, "heat_map": HEAT, **arguments})


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_four_channels_are_shown_as_colour(channels):
    image = np.random.default_rng(1).integers(0, 256, (5, 7, channels)).astype("uint8")
    shown = np.broadcast_to(image[..., :3], (5, 7, 3))
    np.testing.assert_array_equal(overlay(image, HEAT), overlay(shown, HEAT))


@pytest.mark.parametrize("dtype", [int, bool, "uint8"])
def test_a_map_of_zeros_and_ones_is_the_same_in_every_dtype(dtype):
    image, heat_map = np.full((2, 2, 3), 100, "uint8"), np.array([[1, 0], [0, 1]])
    np.testing.assert_array_equal(
        overlay(image, heat_map.astype(dtype)), overlay(image, heat_map.astype("float32"))
    )


@pytest.mark.parametrize("value", [300.0, -100.0, np.nan])
def test_an_image_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="an image lies in 0..255"):
        overlay(np.full((2, 2, 3), value), np.zeros((2, 2)))
