"""PNG: every chunk and the size of the inflated data are checked, before the decoder sees what it needs of them."""

import struct
import zlib

import cv2
import numpy as np

from drcls.data.image_files.errors import (
    ImageFileError,
    colours_expected,
    damaged,
    eight_bits_expected,
    no_alpha_expected,
    one_picture_expected,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 100_000
# Text, profiles and times are left out: a few bytes of them can inflate to gigabytes.
FOR_THE_DECODER = {b"IHDR", b"PLTE", b"IDAT", b"eXIf", b"IEND"}
GREY, RGB, PALETTE = 0, 2, 3
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1}
# Adam7: first column and row of each pass, and the steps between its columns and rows.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
PIECE = 2**16


def begins(data):
    """Return whether the bytes begin as a PNG file does."""
    return data[:8] == SIGNATURE


def read_size(data):
    """Return width and height from the chunks alone; errors as `drcls.data.image_files.read_header`."""
    for number, (kind, content, _) in enumerate(_chunks(data)):
        if (number == 0) != (kind == b"IHDR"):
            raise damaged("a PNG whose header is not its first chunk")
        if kind == b"IHDR":
            width, height, _ = _read_ihdr(content)
        elif kind == b"tRNS":
            raise no_alpha_expected()
        elif kind == b"acTL" and content[:4] != b"\0\0\0\1":
            raise one_picture_expected("an animated PNG")
    return width, height


def decode(data):
    """Decode to uint8 (H, W, 3), upright.

    Raises:
        ImageFileError: where the pixels are not exactly those that the header announces.
    """
    parts, packed = [SIGNATURE], []
    for kind, content, whole in _chunks(data, checked=True):
        if kind == b"IHDR":
            _, _, expected = _read_ihdr(content)
        if kind == b"IDAT":
            packed.append(content)
        if kind in FOR_THE_DECODER:
            parts.append(whole)
    _check_pixels(packed, expected)
    try:
        image = cv2.imdecode(np.frombuffer(b"".join(parts), np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise damaged(error.err) from error
    if image is None:
        raise damaged("the header is right, the pixels are not")
    return image


def _chunks(data, checked=False):
    """Yield kind, content and all bytes of each chunk up to the last; what follows is ignored.

    The checksums are computed unless they have been checked before.
    """
    view, place = memoryview(data), len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if len(data) < place + 12:
            raise damaged("a PNG that ends early")
        length, kind = struct.unpack_from(">I4s", data, place)
        if length > len(data) - place - 12:
            raise damaged(f"a PNG chunk of {length} bytes, more than the file has")
        content = view[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, place + 8 + length)
        if not checked and zlib.crc32(content, zlib.crc32(kind)) != checksum:
            raise damaged("a PNG chunk whose checksum is wrong")
        yield kind, content, view[place : place + 12 + length]
        if kind == b"IEND":
            return
        place += 12 + length
    raise ImageFileError(f"a PNG of more than {MAX_CHUNKS} chunks")


def _read_ihdr(content):
    """Return width, height, and how many bytes the pixels inflate to."""
    if len(content) != 13:
        raise damaged("a PNG header of another length")
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content)
    if bits == 16:
        raise eight_bits_expected(bits)
    if colour in (4, 6):
        raise no_alpha_expected()
    if colour not in CHANNELS:
        raise colours_expected(f"kind {colour}")
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = [
        ((width - x + dx - 1) // dx, (height - y + dy - 1) // dy) for x, y, dx, dy in passes if width > x
    ]
    expected = sum(rows * (1 + (columns * bits * CHANNELS[colour] + 7) // 8) for columns, rows in sizes)
    return width, height, expected


def _check_pixels(packed, expected):
    """Inflate piece by piece, keeping nothing; refuse more or fewer bytes than expected."""
    inflater, found = zlib.decompressobj(), 0
    try:
        for piece in (
            chunk[start : start + PIECE] for chunk in packed for start in range(0, len(chunk), PIECE)
        ):
            if inflater.eof:
                raise damaged("a PNG with bytes after its pixels")
            while len(piece) and not inflater.eof and found <= expected:
                found += len(inflater.decompress(piece, 16 * PIECE))
                piece = inflater.unconsumed_tail
            if found > expected or inflater.unused_data:
                raise damaged("a PNG with more pixels than its header announces")
        found += len(inflater.flush())
    except zlib.error as error:
        raise damaged(f"a PNG whose pixels cannot be inflated ({error})") from error
    if not inflater.eof or found != expected:
        raise damaged("a PNG with fewer pixels than its header announces")
