"""BMP: uncompressed pictures, as long as their header says."""

import struct

from drcls.data.image_files.errors import ImageFileError, damaged
from drcls.data.image_files.with_pillow import decode_with_pillow

UNCOMPRESSED = (0, 3)  # plain, and with a mask for each channel


def begins(data):
    """Return whether the bytes begin as a BMP file does."""
    return data[:2] == b"BM"


def read_size(data):
    """Return width and height from the header alone; errors as `drcls.data.image_files.read_header`."""
    if len(data) < 54:
        raise damaged("a BMP file that ends early")
    (file_size,) = struct.unpack_from("<I", data, 2)
    begin, length, width, height, _, bits, compression, pixels = struct.unpack_from("<IIiiHHII", data, 10)
    if length < 40:
        raise ImageFileError(f"a BMP header of {length} bytes; at least 40 expected")
    if compression not in UNCOMPRESSED:
        raise ImageFileError(f"a BMP of compression {compression}, an uncompressed one expected")
    width, height = abs(width), abs(height)
    needed = height * ((width * bits + 31) // 32 * 4)
    # Writers add up to three bytes, and may leave the size of the pixels out: that of the file tells it too.
    pixels = pixels or (file_size - begin if file_size else needed)
    if begin + needed > len(data) or not needed <= pixels <= needed + 3:
        raise damaged("a BMP whose header does not fit its pixels")
    return width, height


def decode(data):
    """Decode to uint8 (H, W, 3); errors as `drcls.data.image_files.decode_file`."""
    return decode_with_pillow(data, "BMP")
