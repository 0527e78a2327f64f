"""drcls.data.image_files.webp: a whole file is accepted, and half a one is not."""

import struct

import cv2
import numpy as np
import pytest

from drcls.data.image_files import ImageFileError, decode_file
from tests.data.image_files.samples import picture, written


def webps(image):
    """Write all kinds of WebP."""
    for options in ({"quality": 1}, {"quality": 80, "method": 6}, {"quality": 100}, {"lossless": True}):
        yield written(image, "WEBP", **options)
    yield cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 90])[1].tobytes()


def test_a_whole_webp_is_accepted_however_little_its_end_holds():
    surround = picture()
    surround[48:] = 0
    flat = np.full((300, 400, 3), 255, np.uint8)
    for image in (picture(), picture(1, (9, 300)), surround, flat, flat[:8, :8]):
        for data in webps(image):
            assert decode_file(data).shape == image.shape


def test_a_webp_with_zeros_in_its_middle_is_refused():
    image, size = picture(0, (300, 400)), 400
    for data in list(webps(image))[1:]:
        for place in range(len(data) // 4, len(data) - 1000, len(data) // 7):
            with pytest.raises(ImageFileError, match="truncated or damaged"):
                decode_file(data[:place] + bytes(size) + data[place + size :])


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_half_a_webp_whose_lengths_are_mended_is_refused(share):
    for data in webps(picture()):
        content = data[20 : 20 + int(share * (len(data) - 20)) // 2 * 2]
        chunk = data[12:16] + struct.pack("<I", len(content)) + content
        with pytest.raises(ImageFileError, match="truncated or damaged"):
            decode_file(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk)
