"""TIFF: one page, uncompressed or losslessly compressed, whose strips or tiles hold what its size asks for."""

from dataclasses import dataclass

from drcls.data.image_files import tags
from drcls.data.image_files.errors import (
    ImageFileError,
    colours_expected,
    damaged,
    eight_bits_expected,
    one_picture_expected,
)
from drcls.data.image_files.unpacked import unpacked_size
from drcls.data.image_files.with_pillow import decode_with_pillow

WIDTH, HEIGHT, BITS, COMPRESSION, COLOURS, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, CHANNELS, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
NONE = 1
# Pillow reads these directories too, where it turns an image upright.
INNER = (0x8769, 0x8825, 0xA005)
# JPEG inside TIFF is not among them: its damage could not be told.
LOSSLESS = {NONE: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
GREY_RGB_PALETTE = (0, 1, 2, 3)
MAX_TILE_SIDE = 8192


def begins(data):
    """Return whether the bytes begin as a TIFF file does."""
    return data[:4] in tags.ORDERS


@dataclass(frozen=True)
class Layout:
    """Where the pixels of a TIFF lie.

    Args:
        width, height: int.
        compression: int, key of `LOSSLESS`.
        pieces: list of (offset, size) in bytes, of the strips or tiles.
        rows: list of int, rows that each piece must hold.
        row_bytes: int, of a piece.
    """

    width: int
    height: int
    compression: int
    pieces: list
    rows: list
    row_bytes: int


def read_size(data):
    """Return width and height from the tags alone; errors as `drcls.data.image_files.read_header`."""
    layout = _read_layout(data)
    return layout.width, layout.height


def decode(data):
    """Decode to uint8 (H, W, 3), upright; errors as `drcls.data.image_files.decode_file`."""
    _check_pieces(data, _read_layout(data))
    return decode_with_pillow(data, "TIFF")


def _read_layout(data):
    entries, order, following = tags.read_directory(data)

    def read(tag, *default):
        return tags.numbers(entries[tag], order) if tag in entries or not default else default

    try:
        _check_inner(data, entries, order)
        width, height, compression = read(WIDTH)[0], read(HEIGHT)[0], read(COMPRESSION, NONE)[0]
        bits, channels, colours = read(BITS, 1), read(CHANNELS, 1)[0], read(COLOURS)[0]
        if following:
            raise one_picture_expected("a TIFF of several pages")
        if compression not in LOSSLESS:
            raise ImageFileError(f"a TIFF of compression {compression}, one of {LOSSLESS} expected")
        if max(bits) > 8:
            raise eight_bits_expected(max(bits))
        if colours not in GREY_RGB_PALETTE:
            raise colours_expected(f"TIFF kind {colours}")
        if compression != NONE and read(FILL_ORDER, 1)[0] != 1:
            raise ImageFileError("a compressed TIFF whose bits are turned round (fill order 2)")
        planes = channels if read(PLANAR, 1)[0] == 2 else 1
        bits = sum(bits) if len(bits) > 1 else bits[0] * channels
        return _read_pieces(read, width, height, bits // planes, planes, compression)
    except (LookupError, ArithmeticError) as error:
        raise damaged(f"a TIFF without what its pixels need ({error})") from error


def _check_inner(data, entries, order, depth=2):
    for tag in set(INNER) & set(entries) if depth else ():
        inside, _, _ = tags.read_directory(data, tags.numbers(entries[tag], order)[0])
        _check_inner(data, inside, order, depth - 1)


def _read_pieces(read, width, height, bits, planes, compression):
    """Find the strips or tiles of an image of `bits` a pixel in each of its planes, and check their number."""
    if read(TILE_WIDTH, 0)[0]:
        columns, full_rows = read(TILE_WIDTH)[0], read(TILE_HEIGHT)[0]
        if max(columns, full_rows) > MAX_TILE_SIDE:
            raise damaged(
                f"TIFF tiles of {columns} x {full_rows}; at most {MAX_TILE_SIDE} x {MAX_TILE_SIDE} are read"
            )
        offsets, sizes = read(TILE_OFFSETS), read(TILE_BYTES)
    else:
        columns, full_rows = width, min(height, read(ROWS_PER_STRIP, height)[0])
        offsets, sizes = read(STRIP_OFFSETS), read(STRIP_BYTES)
    expected = planes * -(-width // columns) * -(-height // full_rows)
    if len(offsets) != expected or len(sizes) != expected:
        raise damaged(f"a TIFF of {len(offsets)} pieces, {expected} expected for its size")
    rows = [full_rows] * expected
    if not read(TILE_WIDTH, 0)[0]:
        rows = [min(full_rows, height - first) for first in range(0, height, full_rows)] * planes
    pieces = list(zip(offsets, sizes, strict=True))
    return Layout(width, height, compression, pieces, rows, -(-columns * bits // 8))


def _check_pieces(data, layout):
    """Refuse strips or tiles that hold fewer or more pixels than announced, before libtiff takes what it needs."""
    for (offset, size), rows in zip(layout.pieces, layout.rows, strict=True):
        piece, needed = data[offset : offset + size], rows * layout.row_bytes
        found = len(piece) if layout.compression == NONE else unpacked_size(piece, layout.compression, needed)
        if found != needed:
            more = f"more than {needed}" if found > needed else found
            raise damaged(f"a TIFF with a piece of {more} bytes of pixels, {needed} expected for its size")
