"""WebP: one still picture without transparency."""

import cv2
import numpy as np

from drcls.data.image_files.errors import damaged, no_alpha_expected, one_picture_expected

ALPHA, ANIMATION = 0x10, 0x02


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

    Raises:
        ImageFileError: where libwebp refuses it.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise damaged(error.err) from error
    if image is None:
        raise damaged("the header is right, the pixels are not")
    return image
