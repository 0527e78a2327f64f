"""How many bytes the compressed pieces of a TIFF unpack to, counted without unpacking them into memory.

libtiff stops where it has enough pixels, and so a header that announces too few of them is not noticed there.
"""

import zlib

import numpy as np

from drcls.data.image_files.errors import damaged

LZW, PACKBITS = 5, 32773
PIECE = 2**20
CLEAR, END, FIRST_ENTRY, LAST_ENTRY = 256, 257, 258, 4095
# Codes after a clear code until the next one must have come: the table has no more places.
MAX_CODES = LAST_ENTRY - FIRST_ENTRY + 2
# Writers clear the table where it is full, of some thousand bytes at least; each clear code costs us time.
BYTES_BETWEEN_CLEARS = 512


def unpacked_size(piece, compression, most):
    """Return how many bytes a strip or tile unpacks to.

    Args:
        piece: bytes.
        compression: int, LZW (5), PackBits (32773), else deflate.
        most: int; counting ends beyond it.

    Raises:
        ImageFileError: where it is longer than that many bytes can be, or cannot be unpacked.
    """
    if len(piece) > 2 * most + 1024:  # LZW takes up to 12 bits for a byte, PackBits two bytes
        raise damaged(f"a TIFF whose {most} bytes of pixels are packed into {len(piece)}")
    if compression == LZW:
        return _lzw_size(piece, most)
    return _packbits_size(piece, most) if compression == PACKBITS else _deflate_size(piece, most)


def _deflate_size(piece, most):
    inflater, found = zlib.decompressobj(), 0
    try:
        while not inflater.eof and found <= most:
            content = inflater.decompress(piece, PIECE)
            if not content and not inflater.unconsumed_tail:
                break
            found, piece = found + len(content), inflater.unconsumed_tail
        return found
    except zlib.error as error:
        raise damaged(f"a TIFF whose pixels cannot be inflated ({error})") from error


def _packbits_size(piece, most):
    place = found = 0
    while place < len(piece) and found <= most:
        number = piece[place]
        if number < 128:
            found += min(number + 1, len(piece) - place - 1)
            place += number + 2
        else:
            found += 257 - number if number > 128 else 0
            place += 2 if number > 128 else 1
    return found


def _lzw_size(piece, most):
    """Follow the codes: each but the first after a clear code makes an entry, one byte longer than the code before."""
    if piece[:1] == b"\0" and len(piece) > 1 and piece[1] & 1:
        raise damaged("a TIFF with the LZW of before 1988, whose bits are turned round")
    bits, widths = np.frombuffer(piece + bytes(4), np.uint8), _code_widths()
    starts = np.concatenate([[0], np.cumsum(widths)])
    place = found = 0
    for _ in range(16 + most // BYTES_BETWEEN_CLEARS):
        begins = place + starts[:-1]
        begins = begins[begins + widths <= 8 * len(piece)]
        codes = _read_codes(bits, begins, widths[: len(begins)])
        ends = np.flatnonzero((codes == CLEAR) | (codes == END))
        size = int(ends[0]) if len(ends) else len(codes)
        found += _lengths(codes[:size].tolist())
        if not len(ends) and len(codes) == MAX_CODES:
            raise damaged("a TIFF whose LZW table overflows")
        if not len(ends) or codes[size] == END or found > most:
            return found
        place += int(starts[size + 1])
    raise damaged("a TIFF whose LZW table is cleared too often")


def _code_widths():
    """Return how many bits each code after a clear code has: one more, as soon as the table has one place left."""
    entries = FIRST_ENTRY + np.maximum(np.arange(MAX_CODES) - 1, 0)
    return 9 + (entries >= 511) + (entries >= 1023) + (entries >= 2047)


def _read_codes(data, begins, widths):
    """Read big-endian numbers of `widths` bits at the bits `begins`."""
    first = begins // 8
    three = (data[first].astype(np.int64) << 16) | (data[first + 1].astype(np.int64) << 8) | data[first + 2]
    return (three >> (24 - begins % 8 - widths)) & ((1 << widths) - 1)


def _lengths(codes):
    """Return the sum of the lengths of what the codes between two clear codes stand for."""
    lengths, total = [], 0
    for code in codes:
        if code < CLEAR:
            length = 1
        elif code - FIRST_ENTRY < len(lengths):
            length = lengths[code - FIRST_ENTRY] + 1
        else:
            raise damaged("a TIFF with an LZW code that stands for nothing")
        lengths.append(length)
        total += length
    return total
