"""Pictures as files of every kind, whole or with a header that lies."""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

from drcls.data.image_files.png import SIGNATURE

SIDES = (96, 120)


def picture(seed=0, sides=SIDES):
    """Return structure at all scales, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    scales = [rng.normal(0, 160 / n, (n, n, 3)) for n in (4, 8, 16, 32)]
    layers = [cv2.resize(scale, sides[::-1], interpolation=cv2.INTER_CUBIC) for scale in scales]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def written(image, name, **options):
    """Return the bytes that Pillow writes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, name, **options)
    return buffer.getvalue()


def chunk(kind, content, length=None):
    """Return a PNG chunk; `length` is what it says of its length."""
    length = len(content) if length is None else length
    return struct.pack(">I", length) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width, height, raw, bits=8, colour=2, interlaced=0, more=b""):
    """Return a PNG whose header announces one size and whose pixels are `raw`."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    return SIGNATURE + header + more + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def with_frame_size(jpeg, width, height):
    """Return a baseline JPEG whose frame header announces another size."""
    place = jpeg.index(b"\xff\xc0")
    return jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :]


KINDS = {
    "baseline": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "restart markers": ("JPEG", {"restart_marker_blocks": 3}),
    "no subsampling": ("JPEG", {"subsampling": 0}),
    "PNG": ("PNG", {}),
    "BMP": ("BMP", {}),
    "plain TIFF": ("TIFF", {}),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate TIFF": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
}
