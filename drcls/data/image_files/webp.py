"""WebP: one still picture without transparency."""

import struct

import cv2
import numpy as np

from drcls.data.image_files.errors import damaged, no_alpha_expected, one_picture_expected

ALPHA, ANIMATION = 0x10, 0x02
SHORTEST = 32  # bytes that OpenCV takes for a WebP
END = 8  # bytes; writers pad a picture with up to two


def begins(data):
    """Return whether the bytes begin as a WebP file does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read_size(data):
    """Return width and height from the header alone; errors as `drcls.data.image_files.read_header`."""
    if len(data) < 30 or int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise damaged("a WebP file that ends early")
    kind = data[12:16]
    if kind == b"VP8X":
        if data[20] & ANIMATION:
            raise one_picture_expected("an animated WebP")
        if data[20] & ALPHA:
            raise no_alpha_expected()
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        if bits >> 28 & 1:
            raise no_alpha_expected()
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise damaged("a WebP file without picture")


def decode(data):
    """Decode to uint8 (H, W, 3), upright.

    WebP has no checksums, and libwebp is content with any bytes that last for all pixels. In a whole picture the last
    pixels need the last bytes; where a picture can be decoded without them, bytes before have been changed. Most
    changes are found so, a few changed bits of a lossless picture are not.

    Raises:
        ImageFileError: where libwebp refuses it, or does not need its end.
    """
    image = _decode(data)
    if image is None:
        raise damaged("the header is right, the pixels are not")
    shorter = _without_end(data)
    if len(shorter) >= SHORTEST and _decode(shorter) is not None:
        raise damaged("a WebP with more bytes than its pixels need")
    return image


def _decode(data):
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise damaged(error.err) from error


def _without_end(data):
    """Return a WebP of the picture alone, the last bytes of which are missing."""
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        content = data[place + 8 : place + 8 + length]
        if kind in (b"VP8 ", b"VP8L"):
            content = content[: max(0, length - END)]
            chunk = struct.pack("<4sI", kind, len(content)) + content + bytes(len(content) % 2)
            return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
        place += 8 + length + length % 2
    raise damaged("a WebP file without picture")
