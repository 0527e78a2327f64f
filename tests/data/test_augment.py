"""The augmenter against results computed by hand, ImageDataGenerator and tensorflow-addons."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

from drcls.data import Augmenter
from drcls.data.augment import NO_CHANGE

FILL_MODES = ["nearest", "constant", "reflect", "wrap"]
PAPER = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
}
TFA = Path(__file__).parents[1] / "reference" / "tfa_0_23.json"

pytestmark = pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")


def rgb(rows):
    """A float32 image whose three channels are the given rows."""
    return np.repeat(np.asarray(rows, np.float32)[..., None], 3, axis=2)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)


def checkerboard(height, width):
    """Squares of one pixel: the content on which a misplaced reading costs most."""
    return rgb(np.indices((height, width)).sum(0) % 2 * 255)


def legacy_generator(**arguments):
    return ImageDataGenerator(data_format="channels_last", **arguments)


# By hand


@pytest.mark.parametrize(
    ("fill_mode", "expected"),
    [
        ("nearest", [20, 30, 40, 40]),
        ("constant", [20, 30, 40, 7]),
        ("reflect", [20, 30, 40, 40]),
        ("wrap", [20, 30, 40, 20]),
    ],
)
def test_shift_by_one_pixel(fill_mode, expected):
    image = rgb([[10, 20, 30, 40]] * 3)
    moved = Augmenter(fill_mode=fill_mode, cval=7).apply(image, {"tx": 1})
    np.testing.assert_array_equal(moved, rgb([expected] * 3))


def test_reflection_repeats_the_edge_pixel_once():
    moved = Augmenter(fill_mode="reflect").apply(rgb([[10, 20, 30, 40]]), {"tx": 3})
    np.testing.assert_array_equal(moved, rgb([[40, 40, 30, 20]]))


def test_shift_by_half_a_pixel_averages_two():
    moved = Augmenter().apply(rgb([[10], [20], [40]]), {"ty": 0.5})
    np.testing.assert_allclose(moved, rgb([[15], [30], [40]]), atol=1e-4)


def test_quarter_turn_is_counter_clockwise():
    image = noise(5, 5)
    np.testing.assert_allclose(Augmenter().apply(image, {"theta": 90}), np.rot90(image), atol=1e-3)


def test_half_turn_is_about_the_centre_of_an_image_that_is_not_square():
    image = noise(4, 7)
    np.testing.assert_allclose(Augmenter().apply(image, {"theta": 180}), image[::-1, ::-1], atol=1e-3)
    legacy = Augmenter(legacy=True).apply(image, {"theta": 180})
    assert np.abs(legacy - image[::-1, ::-1]).max() > 1


def test_flips():
    image, augmenter = noise(4, 7), Augmenter()
    np.testing.assert_array_equal(augmenter.apply(image, {"flip_horizontal": True}), image[:, ::-1])
    np.testing.assert_array_equal(augmenter.apply(image, {"flip_vertical": True}), image[::-1])


def test_flip_follows_the_shift():
    image = rgb([[10, 20, 30, 40]])
    moved = Augmenter().apply(image, {"tx": 1, "flip_horizontal": True})
    np.testing.assert_array_equal(moved, rgb([[40, 40, 30, 20]]))


def test_shear_turns_the_vertical_axis_by_degrees():
    x, y = np.meshgrid(np.arange(21.0), np.arange(21.0))
    sheared = Augmenter().apply(rgb(x), {"shear": 30})[..., 0]
    expected = x - 0.5 * (y - 10)
    inside = (expected >= 0) & (expected <= 20)
    np.testing.assert_allclose(sheared[inside], expected[inside], atol=1e-4)


def test_a_shear_range_of_a_fifth_moves_no_pixel_by_half_a_pixel():
    x = np.meshgrid(np.arange(224.0), np.arange(224.0))[0]
    sheared = Augmenter().apply(rgb(x), {"shear": 0.2})[..., 0]
    assert 0.3 < np.abs(sheared - x).max() < 0.4


def test_zoom_factor_below_one_enlarges_its_own_axis():
    x = np.meshgrid(np.arange(9.0), np.arange(5.0))[0]
    augmenter = Augmenter()
    np.testing.assert_allclose(augmenter.apply(rgb(x), {"zx": 0.5})[..., 0], 4 + (x - 4) / 2, atol=1e-4)
    np.testing.assert_allclose(augmenter.apply(rgb(x), {"zy": 0.5})[..., 0], x, atol=1e-4)


def test_channel_shift_is_cut_at_the_range_of_the_image():
    image = np.array([[[10, 20, 30], [40, 100, 90]]], np.uint8)
    shifted = Augmenter().apply(image, {"channel_shift_intensity": 11.6})
    np.testing.assert_array_equal(shifted, [[[22, 32, 42], [52, 100, 100]]])


def test_brightness_multiplies_and_truncates_bytes():
    image = np.array([[[0, 3, 255], [101, 128, 200]]], np.uint8)
    bright = Augmenter().apply(image, {"brightness": 1.5})
    np.testing.assert_array_equal(bright, [[[0, 4, 255], [151, 192, 255]]])
    np.testing.assert_allclose(
        Augmenter().apply(image.astype(np.float32), {"brightness": 1.5}), [[[0, 4.5, 255], [151.5, 192, 255]]]
    )


# What the arguments draw


@pytest.mark.parametrize(
    ("argument", "legacy", "moving"),
    [
        ("width_shift_range", False, "tx"),
        ("height_shift_range", False, "ty"),
        ("width_shift_range", True, "ty"),
        ("height_shift_range", True, "tx"),
    ],
)
def test_the_axis_that_a_shift_moves(argument, legacy, moving):
    drawn = Augmenter(**{argument: [0.25]}, legacy=legacy).draw((8, 20, 3), np.random.default_rng(0))
    length = 20 if argument == "width_shift_range" else 8
    assert abs(drawn[moving]) == length / 4
    assert drawn[{"tx": "ty", "ty": "tx"}[moving]] == 0


@pytest.mark.parametrize(
    ("amount", "pixels"),
    [(3, {-2, -1, 0, 1, 2}), ([5, 7], {-7, -5, 5, 7}), (np.array([0.5]), {-10, 10})],
)
def test_whole_numbers_and_lists_are_picked_from(amount, pixels):
    rng = np.random.default_rng(0)
    augmenter = Augmenter(width_shift_range=amount)
    assert {augmenter.draw((8, 20, 3), rng)["tx"] for _ in range(100)} == pixels


def test_draws_fill_their_ranges():
    augmenter = Augmenter(
        **PAPER, vertical_flip=True, brightness_range=(0.5, 2), channel_shift_range=9, legacy=False
    )
    rng = np.random.default_rng(0)
    drawn = [augmenter.draw((100, 200, 3), rng) for _ in range(2000)]
    limits = {
        "theta": (-40, 40),
        "tx": (-40, 40),
        "ty": (-20, 20),
        "shear": (-0.2, 0.2),
        "zx": (0.8, 1.2),
        "zy": (0.8, 1.2),
        "channel_shift_intensity": (-9, 9),
        "brightness": (0.5, 2),
    }
    for key, (lower, upper) in limits.items():
        values = [parameters[key] for parameters in drawn]
        slack = 0.01 * (upper - lower)
        assert lower <= min(values) < lower + slack, key
        assert upper - slack < max(values) <= upper, key
    for key in ("flip_horizontal", "flip_vertical"):
        assert 900 < sum(parameters[key] for parameters in drawn) < 1100
    assert any(parameters["zx"] != parameters["zy"] for parameters in drawn)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_without_arguments_an_image_is_copied(fill_mode, dtype):
    image = noise(5, 8).astype(dtype)
    copy = Augmenter(fill_mode=fill_mode)(image, np.random.default_rng(0))
    np.testing.assert_array_equal(copy, image)
    assert not np.shares_memory(copy, image)


def test_the_seed_decides():
    image, augmenter = noise(16, 16), Augmenter(**PAPER)
    first, again, other = (augmenter(image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1


def test_config_survives_json():
    augmenter = Augmenter(**PAPER | {"width_shift_range": np.arange(3)}, brightness_range=(0.5, 1))
    assert Augmenter(**json.loads(json.dumps(augmenter.config))) == augmenter


# Images in and out


@pytest.mark.parametrize(
    ("given_dtype", "rescale", "expected"),
    [
        (np.uint8, None, np.uint8),
        (np.float32, None, np.float32),
        (np.float64, None, np.float32),
        (np.uint8, 1 / 255, np.float32),
    ],
)
def test_dtypes(given_dtype, rescale, expected):
    augmenter = Augmenter(**PAPER, channel_shift_range=9, brightness_range=(0.5, 2), rescale=rescale)
    augmented = augmenter(noise(8, 9).astype(given_dtype), np.random.default_rng(0))
    assert augmented.dtype == expected
    assert augmented.shape == (8, 9, 3)


def test_rescale_comes_last_and_outside_apply():
    image, augmenter = noise(8, 9), Augmenter(rescale=1 / 255)
    np.testing.assert_allclose(augmenter(image, np.random.default_rng(0)), image / 255, rtol=1e-6)
    np.testing.assert_array_equal(augmenter.apply(image, {}), image)


def test_bytes_are_the_rounded_floats():
    image = noise(40, 40).astype(np.uint8)
    augmenter, rng = Augmenter(**PAPER), np.random.default_rng(0)
    for _ in range(10):
        drawn = augmenter.draw(image.shape, rng)
        exact = augmenter.apply(image.astype(np.float32), drawn)
        assert np.abs(augmenter.apply(image, drawn) - exact).max() < 0.51


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_views_and_read_only_images_are_accepted_and_left_alone(fill_mode):
    image = noise(12, 14)
    image.flags.writeable = False
    view, augmenter = image[::-1, 1::2], Augmenter(**PAPER, fill_mode=fill_mode)
    expected = augmenter(np.ascontiguousarray(view), np.random.default_rng(0))
    np.testing.assert_array_equal(augmenter(view, np.random.default_rng(0)), expected)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rotation_range": -40}, "rotation_range .* received -40"),
        ({"rotation_range": "40"}, "rotation_range .* received '40'"),
        ({"width_shift_range": -0.1}, "width_shift_range .* received -0.1"),
        ({"height_shift_range": []}, r"height_shift_range .* received \[\]"),
        ({"height_shift_range": "half"}, "height_shift_range .* received 'half'"),
        ({"shear_range": math.nan}, "shear_range .* received nan"),
        ({"zoom_range": -0.2}, "zoom_range .* received -0.2"),
        ({"zoom_range": 1.0}, "zoom_range .* received 1.0"),
        ({"zoom_range": (1.2, 0.8)}, r"zoom_range .* received \(1.2, 0.8\)"),
        ({"zoom_range": (0, 1)}, r"zoom_range .* received \(0, 1\)"),
        ({"brightness_range": 0.5}, "brightness_range .* received 0.5"),
        ({"brightness_range": (1, 2, 3)}, r"brightness_range .* received \(1, 2, 3\)"),
        ({"channel_shift_range": -1}, "channel_shift_range .* received -1"),
        ({"fill_mode": "mirror"}, "fill_mode .* nearest.* received 'mirror'"),
        ({"cval": 256}, "cval .* received 256"),
        ({"rescale": 0}, "rescale .* received 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Augmenter(**arguments)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8), np.uint8), r"received \(8, 8\)"),
        (np.zeros((8, 8, 1), np.uint8), r"received \(8, 8, 1\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"received \(2, 8, 8, 3\)"),
        (np.zeros((0, 8, 3), np.uint8), r"received \(0, 8, 3\)"),
        (np.zeros((8, 8, 3), np.int64), "received int64"),
        (np.zeros((8, 8, 3), bool), "received bool"),
    ],
)
def test_bad_images_are_named(image, message):
    with pytest.raises(ValueError, match=message):
        Augmenter()(image, np.random.default_rng(0))


def test_a_seed_is_not_a_generator():
    with pytest.raises(TypeError, match="rng .* received 7"):
        Augmenter()(noise(4, 4), 7)


def test_unknown_parameters_are_named():
    with pytest.raises(ValueError, match=r"received \['angle'\]"):
        Augmenter().apply(noise(4, 4), {"angle": 3})


# ImageDataGenerator

draws = st.fixed_dictionaries(
    {
        "theta": st.floats(-180, 180),
        "tx": st.floats(-30, 30),
        "ty": st.floats(-30, 30),
        "shear": st.floats(-40, 40),
        "zx": st.floats(0.5, 2),
        "zy": st.floats(0.5, 2),
        "flip_horizontal": st.booleans(),
        "flip_vertical": st.booleans(),
        "channel_shift_intensity": st.none() | st.floats(-60, 60),
    }
)


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect"])
@settings(max_examples=200, deadline=None, derandomize=True)
@given(parameters=draws, size=st.integers(2, 64), pattern=st.sampled_from([noise, checkerboard]))
def test_any_transform_of_a_square_image_is_the_generators(fill_mode, parameters, size, pattern):
    image = pattern(size, size)
    expected = legacy_generator(fill_mode=fill_mode).apply_transform(image, parameters)
    assert np.abs(Augmenter(fill_mode=fill_mode).apply(image, parameters) - expected).max() < 0.05


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(2, 64), width=st.integers(2, 64))
def test_one_seed_gives_the_generators_image(fill_mode, seed, height, width):
    """Draws and applies: axes, order of the draws, centre of images that are not square, every border."""
    arguments = PAPER | {
        "shear_range": 20,
        "vertical_flip": True,
        "channel_shift_range": 30,
        "fill_mode": fill_mode,
        "cval": 90,
    }
    image, generator = noise(height, width), legacy_generator(**arguments)
    augmenter = Augmenter(**arguments, legacy=True)
    drawn = augmenter.draw(image.shape, np.random.RandomState(seed))
    expected = generator.get_random_transform(image.shape, seed)
    assert drawn == expected
    assert np.abs(augmenter.apply(image, drawn) - generator.apply_transform(image, expected)).max() < 0.05


@pytest.mark.parametrize("amount", [0.3, 1.0, 12.5, 4, [1, 9], [0.1, 0.4]])
def test_one_seed_gives_the_generators_shift(amount):
    arguments = {"width_shift_range": amount, "height_shift_range": amount, "brightness_range": (0.5, 1.5)}
    generator, augmenter = legacy_generator(**arguments), Augmenter(**arguments, legacy=True)
    for seed in range(20):
        drawn = augmenter.draw((30, 50, 3), np.random.RandomState(seed))
        assert drawn == generator.get_random_transform((30, 50, 3), seed)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("pattern", [noise, checkerboard])
def test_the_papers_policy_at_its_size_is_the_generators(fill_mode, pattern):
    image, generator = pattern(224, 224), legacy_generator(**PAPER, fill_mode=fill_mode)
    augmenter, rng = Augmenter(**PAPER, fill_mode=fill_mode), np.random.default_rng(5)
    for _ in range(5):
        drawn = augmenter.draw(image.shape, rng)
        # One channel is enough: the generator transforms them one by one.
        expected = generator.apply_transform(image[..., :1], drawn)
        assert np.abs(augmenter.apply(image, drawn)[..., :1] - expected).max() < 0.02


@pytest.mark.parametrize("brightness", [0.0, 0.37, 1.0, 1.8])
def test_brightness_is_the_generators(brightness):
    image, parameters = noise(16, 16), {"brightness": brightness}
    expected = legacy_generator().apply_transform(image, parameters)
    np.testing.assert_array_equal(Augmenter(legacy=True).apply(image, parameters), expected)
    levels = image.astype(np.uint8)
    np.testing.assert_array_equal(Augmenter().apply(levels, parameters), expected)
    difference = Augmenter().apply(image, parameters) - expected
    assert difference.min() >= 0
    assert difference.max() <= 1 + brightness


# tensorflow-addons


def test_rotation_and_translation_are_those_of_tensorflow_addons():
    if not TFA.exists():
        pytest.skip(f"{TFA} is not there; tests/reference/build.sh writes it")
    reference = json.loads(TFA.read_text())["images"]
    image = np.asarray(reference["image"], np.float32)
    # Its constant border blends the last pixel into the constant, so only the two others are comparable.
    cases = [
        case
        for case in reference["cases"]
        if case["interpolation"] == "bilinear" and case["fill_mode"] in ("nearest", "reflect")
    ]
    assert len(cases) == 8
    for case in cases:
        if case["operation"] == "rotate":
            parameters = {"theta": math.degrees(case["angle"])}
        else:
            parameters = {"tx": -case["shift"][0], "ty": -case["shift"][1]}
        moved = Augmenter(fill_mode=case["fill_mode"]).apply(image, parameters)
        np.testing.assert_allclose(moved, case["image"], atol=0.01, err_msg=str(parameters))


def test_gaussian_noise_is_added_last_and_by_the_callers_generator():
    image = np.full((64, 64, 3), 100, np.uint8)
    augmenter = Augmenter(gaussian_noise=20)
    noisy = augmenter(image, np.random.default_rng(0))
    assert noisy.dtype == np.uint8 and 0 < noisy.std() < 20
    np.testing.assert_array_equal(noisy, augmenter(image, np.random.default_rng(0)))
    spread = [augmenter(image, np.random.default_rng(seed)).std() for seed in range(40)]
    assert max(spread) > 15 and min(spread) < 5
    assert augmenter(image.astype(np.float32), np.random.default_rng(0)).dtype == np.float32
    with pytest.raises(ValueError, match="gaussian_noise must be a finite number.*received -1"):
        Augmenter(gaussian_noise=-1)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    reach=st.sampled_from([0.1, 0.5, 2.0]),
    fill_mode=st.sampled_from(["nearest", "reflect"]),
    seed=st.integers(0, 2**16),
)
def test_padding_and_the_fourth_channel_change_no_pixel(height, width, reach, fill_mode, seed):
    rng = np.random.default_rng(seed)
    image = (255 * rng.random((height, width, 3))).astype(np.float32)
    augmenter = Augmenter(
        rotation_range=90 * reach,
        width_shift_range=reach * width,
        height_shift_range=reach * height,
        zoom_range=(0.5, 1 + reach),
        horizontal_flip=True,
        fill_mode=fill_mode,
    )
    draw = augmenter.draw(image.shape, rng)
    border = cv2.BORDER_REFLECT if fill_mode == "reflect" else cv2.BORDER_REPLICATE
    plain = cv2.warpAffine(
        image,
        augmenter._matrix(image.shape, NO_CHANGE | draw),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=border,
    )
    np.testing.assert_allclose(augmenter.apply(image, draw), plain, atol=0.05)
