"""drcls.data.image_ops: the operations against their definitions and against independent implementations."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter as scipy_gaussian_filter

from drcls.data import image_ops

PLAIN = {"crop": "none", "size": 32, "filter": "none", "clahe": False}


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@st.composite
def images(draw):
    height, width = draw(st.integers(8, 60)), draw(st.integers(8, 60))
    image = noise(height, width, draw(st.integers(0, 99)))
    surround = draw(st.integers(0, 20))
    image[:surround] = draw(st.integers(0, 30))
    return image


def test_read_image_is_rgb(tmp_path):
    image = np.zeros((10, 20, 3), np.uint8)
    image[..., 0] = 200
    cv2.imwrite(str(tmp_path / "red.png"), image[..., ::-1])
    read = image_ops.read_image(tmp_path / "red.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, image)


def test_grey_file_becomes_three_equal_channels(tmp_path):
    grey = noise(9, 9)[..., 0]
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(
        image_ops.read_image(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, 2)
    )


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"], ids=["empty", "text", "signature"])
def test_unreadable_file_is_named(tmp_path, data):
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="broken.png"):
        image_ops.read_image(path)


def test_half_a_prepared_image_is_named_and_not_filled_with_grey(tmp_path):
    whole = cv2.imencode(".jpg", noise(96, 96))[1].tobytes()
    path = tmp_path / "half.jpg"
    path.write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    with pytest.raises(ValueError, match="half.jpg: not a readable image .* truncated or damaged"):
        image_ops.read_image(path)


def test_crop_border_finds_the_disc():
    image = np.zeros((200, 280, 3), np.uint8)
    cv2.circle(image, (160, 100), 60, (200, 90, 40), -1)
    image[3, 3] = 255  # a hot pixel in the surround
    image[190:] += 8  # noise below the threshold
    cropped = image_ops.crop_border(image)
    assert abs(cropped.shape[0] - 121) <= 2 and abs(cropped.shape[1] - 121) <= 2
    assert (cropped.max(axis=2) > 10).mean() > 0.7


def test_crop_border_leaves_a_dark_image_alone():
    image = np.full((20, 30, 3), 5, np.uint8)
    assert image_ops.crop_border(image) is image


@settings(deadline=None, max_examples=40)
@given(images())
def test_crops_never_enlarge_and_are_parts_of_the_image(image):
    for crop in (image_ops.crop_border, image_ops.crop_centre):
        cropped = crop(image)
        assert cropped.shape[0] <= image.shape[0] and cropped.shape[1] <= image.shape[1]
        assert np.shares_memory(cropped, image)
    assert image_ops.crop_centre(image).shape[:2] == (min(image.shape[:2]),) * 2


def test_crop_centre_takes_the_middle():
    image = noise(10, 21)
    np.testing.assert_array_equal(image_ops.crop_centre(image), image[:, 5:15])


def test_resize_averages_when_it_shrinks():
    image = noise(64, 64)
    expected = image.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(image_ops.resize(image, 32) - expected).max() <= 0.5
    assert image_ops.resize(image, 64) is image
    assert image_ops.resize(noise(20, 90), 32).shape == (32, 32, 3)


def test_gaussian_filter_agrees_with_scipy():
    image = noise(40, 40)
    expected = scipy_gaussian_filter(image.astype(float), (1, 1, 0), mode="mirror")
    assert np.abs(image_ops.gaussian_filter(image) - expected)[6:-6, 6:-6].max() <= 2


def test_ben_graham_is_the_published_formula():
    image = noise(120, 120)
    local = scipy_gaussian_filter(image.astype(float), (2, 2, 0), mode="mirror")
    expected = np.clip(4.0 * image - 4 * local + 128, 0, 255)
    assert np.abs(image_ops.ben_graham(image) - expected)[12:-12, 12:-12].mean() < 2
    np.testing.assert_array_equal(image_ops.ben_graham(np.full((40, 40, 3), 77, np.uint8)), 128)


def test_clahe_raises_contrast_and_keeps_grey_grey():
    ramp = np.linspace(100, 140, 64).astype(np.uint8)
    image = np.repeat(np.tile(ramp, (64, 1))[..., None], 3, axis=2)
    equalised = image_ops.clahe(image)
    assert equalised.std() > 1.2 * image.std()
    assert np.ptp(equalised.astype(int), axis=2).max() <= 2


@pytest.mark.parametrize("crop", image_ops.CROPS)
@pytest.mark.parametrize("filter_", image_ops.FILTERS)
@pytest.mark.parametrize("clahe", [False, True])
def test_prepare_image_is_square_uint8_and_leaves_its_input(crop, filter_, clahe):
    image = noise(50, 70)
    before = image.copy()
    prepared = image_ops.prepare_image(image, {"crop": crop, "size": 32, "filter": filter_, "clahe": clahe})
    assert prepared.shape == (32, 32, 3) and prepared.dtype == np.uint8
    np.testing.assert_array_equal(image, before)


def test_prepare_image_composes_in_the_documented_order():
    image = noise(50, 70)
    expected = image_ops.clahe(image_ops.ben_graham(image_ops.resize(image_ops.crop_centre(image), 32)))
    options = {"crop": "centre", "size": 32, "filter": "ben_graham", "clahe": True}
    np.testing.assert_array_equal(image_ops.prepare_image(image, options), expected)


def test_prepare_image_without_effect_returns_the_image_itself():
    image = noise(32, 32)
    assert image_ops.prepare_image(image, PLAIN) is image


@pytest.mark.parametrize(
    "change",
    [{"crop": "left"}, {"filter": "sobel"}, {"size": 4}, {"size": 32.0}, {"clahe": 1}, {"sharpen": True}],
)
def test_unknown_options_are_refused(change):
    with pytest.raises(ValueError, match="expected"):
        image_ops.prepare_image(noise(32, 32), PLAIN | change)
