"""TIFF: one page, uncompressed or losslessly compressed, whose strips or tiles are as many as its size asks for.

A compressed strip may hold more pixels than a header announces that lies about the width; that is not noticed.
"""

from drcls.data.image_files import tags
from drcls.data.image_files.errors import (
    ImageFileError,
    colours_expected,
    damaged,
    eight_bits_expected,
    one_picture_expected,
)
from drcls.data.image_files.with_pillow import decode_with_pillow

WIDTH, HEIGHT, BITS, COMPRESSION, COLOURS = 256, 257, 258, 259, 262
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


def read_size(data):
    """Return width and height from the tags alone; errors as `drcls.data.image_files.read_header`."""
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
        planes = channels if read(PLANAR, 1)[0] == 2 else 1
        _check_pieces(read, width, height, sum(bits) // planes, planes, compression)
    except (LookupError, ArithmeticError) as error:
        raise damaged(f"a TIFF without what its pixels need ({error})") from error
    return width, height


def _check_inner(data, entries, order, depth=2):
    for tag in set(INNER) & set(entries) if depth else ():
        inside, _, _ = tags.read_directory(data, tags.numbers(entries[tag], order)[0])
        _check_inner(data, inside, order, depth - 1)


def _check_pieces(read, width, height, bits, planes, compression):
    """Check number and bytes of the strips or tiles of an image of `bits` a pixel in each of its planes."""
    if read(TILE_WIDTH, 0)[0]:
        columns, rows = read(TILE_WIDTH)[0], read(TILE_HEIGHT)[0]
        if max(columns, rows) > MAX_TILE_SIDE:
            raise damaged(
                f"TIFF tiles of {columns} x {rows}; at most {MAX_TILE_SIDE} x {MAX_TILE_SIDE} are read"
            )
        offsets, sizes = read(TILE_OFFSETS), read(TILE_BYTES)
    else:
        columns, rows = width, min(height, read(ROWS_PER_STRIP, height)[0])
        offsets, sizes = read(STRIP_OFFSETS), read(STRIP_BYTES)
    expected = planes * -(-width // columns) * -(-height // rows)
    if len(offsets) != expected or len(sizes) != expected:
        raise damaged(f"a TIFF of {len(offsets)} pieces, {expected} expected for its size")
    needed = planes * height * -(-width * bits // 8)
    if compression == NONE and not needed <= sum(sizes) <= needed + max(sizes) * -(-width // columns) * 2:
        raise damaged(f"a TIFF of {sum(sizes)} bytes of pixels, {needed} expected for its size")


def decode(data):
    """Decode to uint8 (H, W, 3), upright; errors as `drcls.data.image_files.decode_file`."""
    return decode_with_pillow(data, "TIFF")
