"""drcls.data.image_files.jpeg: half a file is refused however it is closed, and black is no damage."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from drcls.data.image_files import ImageFileError, decode_file
from tests.data.image_files.samples import KINDS, picture, with_frame_size, written


@pytest.mark.parametrize("kind", ["baseline", "progressive", "restart markers", "no subsampling"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_half_a_jpeg_is_refused_however_it_is_closed(kind, share):
    name, options = KINDS[kind]
    data = written(picture(1, (400, 400)), name, quality=95, **options)
    cut = int(share * len(data))
    for damage in (data[:cut], data[:cut] + b"\xff\xd9", data[:cut] + bytes(400) + data[cut + 400 :],
                   data[:cut] + data[cut + 400 :]):  # fmt: skip
        with pytest.raises(ImageFileError, match="truncated or damaged"):
            decode_file(damage)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"subsampling": 0}, {"progressive": True}])
def test_zeros_that_decode_to_as_many_blocks_are_found(options):
    """Four hundred zeros are four blocks of this picture, so the decoder misses nothing and has nothing left."""
    image = picture(3, (200, 200))
    image[cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 90, 1, -1) == 0] = 0
    for colours in (image, image[..., 1]):
        data = written(colours, "JPEG", **options)
        assert decode_file(data).shape == (200, 200, 3)
        for cut in range(1200, len(data) - 600, 150):
            with pytest.raises(ImageFileError, match="truncated or damaged"):
                decode_file(data[:cut] + bytes(400) + data[cut + 400 :])


@pytest.mark.parametrize(
    "options", [{}, {"optimize": True}, {"progressive": True}, {"progressive": True, "quality": 98}]
)
def test_a_black_surround_is_no_damage(options):
    image = np.zeros((800, 800, 3), np.uint8)
    image[350:450, 350:450] = picture(4, (100, 100))
    for colours in (image, image[..., 1], np.zeros((800, 800), np.uint8), np.full((800, 800), 128, np.uint8)):
        assert decode_file(written(colours, "JPEG", **options)).shape == (800, 800, 3)


def test_a_progressive_jpeg_without_its_last_scans_is_refused():
    data = written(picture(), "JPEG", progressive=True)
    scans = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    for place in scans[1:]:
        with pytest.raises(ImageFileError, match="truncated or damaged"):
            decode_file(data[:place] + b"\xff\xd9")


@pytest.mark.parametrize("wide", [False, True])
def test_a_jpeg_without_quantisation_is_refused(wide):
    data = written(picture(), "JPEG")
    place = data.index(b"\xff\xdb")
    steps = bytes([1] * 63 + [0])
    table = b"\x10" + b"".join(bytes([0, step]) for step in steps) if wide else b"\0" + steps
    segment = b"\xff\xdb" + struct.pack(">H", 2 + len(table)) + table
    with pytest.raises(ImageFileError, match="quantisation is zero or cut"):
        decode_file(data[:place] + segment + data[place:])


@pytest.mark.parametrize("width, height", [(120, 140), (120, 60), (160, 96), (60, 96), (240, 192)])
def test_a_jpeg_header_that_lies_is_refused(width, height):
    with pytest.raises(ImageFileError, match="truncated or damaged"):
        decode_file(with_frame_size(written(picture(), "JPEG"), width, height))


def multi_picture(kind):
    """Write a JPEG with another one after it, of this type in the MPEntry of its index."""
    first, second = written(picture(0), "JPEG"), written(picture(1), "JPEG")
    entry = struct.pack("<IIIHH", 0x20030000, len(first), 0, 0, 0) + struct.pack(
        "<IIIHH", kind, len(second), 8, 0, 0
    )
    index = struct.pack(
        "<4sIHHHI4sHHIII", b"II*\0", 8, 2, 0xB001, 4, 1, b"\2\0\0\0", 0xB002, 7, len(entry), 38, 0
    )
    content = b"MPF\0" + index + entry
    return first[:2] + b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content + first[2:] + second


def test_a_preview_after_a_picture_is_no_second_picture():
    assert Image.open(io.BytesIO(multi_picture(0x010001))).n_frames == 2
    np.testing.assert_array_equal(
        decode_file(multi_picture(0x010001)), decode_file(written(picture(0), "JPEG"))
    )
    for panorama in (0x020001, 0x020002, 0x020003):
        with pytest.raises(ImageFileError, match="several pictures in one file"):
            decode_file(multi_picture(panorama))
