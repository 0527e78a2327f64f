"""drcls.data.image_files.tiff: strips and tags must fit what the file holds."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from drcls.data.image_files import ImageFileError, decode_file
from tests.data.image_files.samples import picture, written


@pytest.mark.parametrize("rows_per_strip, height", [(0, 96), (1, 2**16 - 1), (16, 0)])
def test_impossible_strips_of_a_tiff_are_refused(rows_per_strip, height):
    data = written(picture(), "TIFF", compression="tiff_lzw", tiffinfo={278: 16})
    with pytest.raises(ImageFileError):
        decode_file(with_tiff_tag(with_tiff_tag(data, 278, rows_per_strip), 257, height))


COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "packbits")


def with_tiff_tag(data, tag, value):
    """Change the value of a tag that holds one number."""
    data = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 4)
    for place in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, place)[0] == tag:
            struct.pack_into("<H", data, place + 8, value)
    return bytes(data)


@pytest.mark.parametrize("compression", [None, *COMPRESSIONS])
@pytest.mark.parametrize(
    "tag, value", [*((256, n) for n in (60, 118, 122, 300)), *((257, n) for n in (60, 95, 97, 200))]
)
@pytest.mark.parametrize("rows_per_strip", [16, 1000])
def test_a_tiff_header_that_lies_is_refused(tag, value, compression, rows_per_strip):
    options = {"compression": compression, "tiffinfo": {278: rows_per_strip}}
    data = written(picture(), "TIFF", **options)
    np.testing.assert_array_equal(decode_file(data), picture())
    data = with_tiff_tag(data, tag, value)
    with pytest.raises(ImageFileError, match="truncated or damaged"):
        decode_file(data)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
@pytest.mark.parametrize("size", [(9, 11), (120, 96), (700, 300)])
def test_a_whole_tiff_is_counted_right_whatever_it_holds(compression, mode, size):
    """The LZW table is filled, cleared and left half full: noise, a ramp and one colour."""
    for kind in (picture, lambda *_: np.full((96, 120, 3), 7, np.uint8)):
        image = Image.fromarray(kind()).resize(size).convert(mode)
        for info in (
            ({}, {278: 16}, {317: 2}) if compression != "packbits" and mode != "1" else ({}, {278: 16})
        ):
            buffer = io.BytesIO()
            image.save(buffer, "TIFF", compression=compression, tiffinfo=info)
            np.testing.assert_array_equal(decode_file(buffer.getvalue()), np.array(image.convert("RGB")))


@pytest.mark.parametrize("tag", [256, 258, 262, 273, 279])
def test_a_tiff_tag_without_a_value_is_damage(tag):
    data = bytearray(written(picture(), "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    places = [start + 2 + 12 * number for number in range(entries)]
    place = next(place for place in places if struct.unpack_from("<H", data, place) == (tag,))
    struct.pack_into("<I", data, place + 4, 0)
    with pytest.raises(ImageFileError):
        decode_file(bytes(data))


def test_a_tag_directory_that_names_more_than_there_is_is_refused():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for number in range(20):
        tags[50000 + number] = b"x" * 5000
        tags.tagtype[50000 + number] = 7
    data = bytearray(written(picture(), "TIFF", tiffinfo=tags))
    decode_file(bytes(data))
    (start,) = struct.unpack_from("<I", data, 4)
    number = struct.unpack_from("<H", data, start)[0]
    for place in range(start + 2, start + 2 + 12 * number, 12):
        if struct.unpack_from("<H", data, place)[0] >= 50000:
            struct.pack_into("<II", data, place + 4, len(data) // 3, 8)
    with pytest.raises(ImageFileError, match="more bytes than the file has"):
        decode_file(bytes(data))
