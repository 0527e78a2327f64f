"""The tag directory of TIFF, which EXIF and multi-picture JPEG files use too, read in bounded time and memory."""

import struct

from drcls.data.image_files.errors import damaged

ORIENTATION = 0x0112
MAX_ENTRIES = 512
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def read_directory(data, start=None):
    """Read a directory of a TIFF structure.

    Args:
        data: bytes that begin with the TIFF header.
        start: int, where it begins; None: the first one.

    Returns:
        dict, tag -> (type, count, bytes of the value); str, the byte order "<" or ">"; int, where the next
        directory begins, 0 for none.

    Raises:
        ImageFileError: where it is no such directory, has more than 512 entries or one of them twice, or names more
            bytes than there are.
    """
    order = ORDERS.get(bytes(data[:4]))
    if order is None or len(data) < 8:
        raise damaged("no TIFF directory")
    try:
        start = struct.unpack_from(f"{order}I", data, 4)[0] if start is None else start
        (number,) = struct.unpack_from(f"{order}H", data, start)
        if number > MAX_ENTRIES:
            raise damaged(f"a TIFF directory of {number} entries; at most {MAX_ENTRIES} are read")
        entries, left = {}, len(data)
        for place in range(start + 2, start + 2 + 12 * number, 12):
            tag, kind, count = struct.unpack_from(f"{order}HHI", data, place)
            size = SIZES.get(kind, 1) * count
            left -= size
            if left < 0 or tag in entries:
                raise damaged("a TIFF directory that names a tag twice, or more bytes than the file has")
            value = place + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, place + 8)[0]
            entries[tag] = (kind, count, bytes(data[value : value + size]))
        (following,) = struct.unpack_from(f"{order}I", data, start + 2 + 12 * number)
    except struct.error as error:
        raise damaged("a TIFF directory that ends early") from error
    return entries, order, following


def numbers(entry, order):
    """Return the whole numbers of a directory entry, tuple of int.

    Raises:
        ImageFileError: where it holds none, or fewer than it says.
    """
    kind, count, value = entry
    letter = {1: "B", 3: "H", 4: "I"}.get(kind)
    if letter is None or count == 0 or len(value) != SIZES[kind] * count:
        raise damaged("a TIFF tag without its numbers")
    return struct.unpack(f"{order}{count}{letter}", value)
