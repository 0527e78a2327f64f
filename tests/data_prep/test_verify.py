"""data_prep.verify: what is an image to train on, and what only looks like one."""

import io

import numpy as np
import pytest
from PIL import Image

from data_prep.verify import RejectedImageError, decode_verified
from tests.data_prep.imitations import bad_files, encode, picture, pil_bytes

BAD = bad_files()


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_rejected_with_its_reason(name):
    data, reason = BAD[name]
    with pytest.raises(RejectedImageError, match=reason):
        decode_verified(data, name)


@pytest.mark.parametrize("cut", [1, 2, 30, 200])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_every_truncation_is_rejected(suffix, cut):
    data = encode(picture(0), suffix)
    # The last twelve bytes of a PNG are an empty chunk; without some of them the pixels are still whole.
    with pytest.raises(RejectedImageError):
        decode_verified(data[: -(cut + 12)] if suffix == ".png" else data[:-cut], f"x{suffix}")


def test_no_ending_is_wrongly_named():
    with pytest.raises(RejectedImageError, match="no ending"):
        decode_verified(encode(picture(0)), "folder/x")


@pytest.mark.parametrize("name", ["x.png", "a/b.PNG"])
def test_good_png_is_decoded_as_it_is(name):
    np.testing.assert_array_equal(decode_verified(encode(picture(0)), name), picture(0))


@pytest.mark.parametrize("name", ["x.jpg", "x.jpeg", "x.JPG"])
def test_good_jpeg_is_decoded(name):
    data = encode(picture(0), ".jpg")
    expected = np.asarray(Image.open(io.BytesIO(data)), int)
    assert np.abs(decode_verified(data, name) - expected).max() <= 2


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_grey_and_palette_are_accepted_and_become_rgb(mode):
    image = Image.fromarray(picture(0)).convert(mode)
    decoded = decode_verified(pil_bytes(image, "PNG"), "x.png")
    np.testing.assert_array_equal(decoded, np.asarray(image.convert("RGB")))
