"""drcls.data.image_files.png: every kind is read, and checksums, lengths and text are checked first."""

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from drcls.data.image_files import ImageFileError, decode_file
from tests.data.image_files.samples import chunk, picture, png_of, written


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("mode", ["1", "P", "L", "RGB"])
@pytest.mark.parametrize("sides", [(8, 9), (33, 10), (61, 8)])
def test_png_of_every_kind(mode, interlaced, sides):
    image = Image.fromarray(picture(3, sides)).convert(mode)
    if interlaced:  # Pillow writes none; OpenCV neither
        raw = interlace(np.asarray(image.convert("RGB")))
        data = png_of(sides[1], sides[0], raw, interlaced=1)
    else:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        data = buffer.getvalue()
    np.testing.assert_array_equal(decode_file(data), np.asarray(image.convert("RGB")))


def interlace(image):
    """Write the seven passes of Adam7 as the PNG specification lists them, each row unfiltered."""
    starts = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    passes = [image[row::row_step, column::column_step] for row, column, row_step, column_step in starts]
    return b"".join(b"\0" + line.tobytes() for part in passes if part.size for line in part)


@pytest.mark.parametrize("width, height", [(120, 97), (120, 95), (121, 96), (119, 96), (96, 120)])
def test_a_png_header_that_lies_is_refused(width, height):
    raw = b"".join(b"\0" + row.tobytes() for row in picture())
    np.testing.assert_array_equal(decode_file(png_of(120, 96, raw)), picture())
    with pytest.raises(ImageFileError, match="than its header announces"):
        decode_file(png_of(width, height, raw))


def test_a_damaged_png_is_refused_by_its_checksums():
    data = written(picture(), "PNG")
    cut = len(data) // 2
    with pytest.raises(ImageFileError, match="checksum"):
        decode_file(data[:cut] + bytes(40) + data[cut + 40 :])
    raw = b"".join(b"\0" + row.tobytes() for row in picture())
    packed = bytearray(zlib.compress(raw))
    packed[-1] ^= 1
    with pytest.raises(ImageFileError, match="inflated"):
        decode_file(data[:33] + chunk(b"IDAT", bytes(packed)) + chunk(b"IEND", b""))


def test_text_that_inflates_to_much_never_reaches_a_decoder(monkeypatch):
    raw = b"".join(b"\0" + row.tobytes() for row in picture())
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26)))
    given_on, decode = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: given_on.append(data) or decode(data, flags))
    np.testing.assert_array_equal(decode_file(png_of(120, 96, raw, more=bomb)), picture())
    assert b"zTXt" not in given_on[0].tobytes()
