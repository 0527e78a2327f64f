"""JPEG: the markers are read first; then libjpeg-turbo decodes, and each of its warnings is damage.

OpenCV and Pillow use the same library and ignore its warnings: they fill what is missing with grey. Overwritten
data often decodes without a warning, to a block for each block that is lost; zeros, which lost parts of a disk read
as, are looked for.
"""

import itertools
import re

import numpy as np
import simplejpeg

from drcls.data.image_files import tags
from drcls.data.image_files.errors import (
    ImageFileError,
    colours_expected,
    damaged,
    eight_bits_expected,
    one_picture_expected,
)

# Every scan of a progressive file costs a pass over all its pixels; encoders write about ten.
MAX_SCANS = 64
MAX_SEGMENTS = 10_000
QUANTISATION, HUFFMAN_TABLES, START_OF_SCAN, END_OF_IMAGE, EXIF, MULTI_PICTURE = (
    0xDB,
    0xC4,
    0xDA,
    0xD9,
    0xE1,
    0xE2,
)
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
DECODED_FRAMES = {0xC0, 0xC1, 0xC2}
PROGRESSIVE = 0xC2
# More than two blocks of the commonest code, in bytes.
ZEROS = bytes(64)
ZERO_RUN = 0xF0  # every other symbol whose low bits are 0 ends a block
# In compressed data 0xff is followed by 0x00, and a restart marker belongs to its scan.
NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
EXIF_BEGINS = b"Exif\0\0"
MULTI_PICTURE_ENTRIES, MULTI_FRAME = 0xB002, 0x02


def begins(data):
    """Return whether the bytes begin as a JPEG file does."""
    return data[:3] == b"\xff\xd8\xff"


def read_size(data):
    """Return width and height from the markers alone; errors as `drcls.data.image_files.read_header`."""
    frame, size, num_scans, zero_codes, missing_bits = None, None, 0, {}, {}
    for marker, content, coded in _segments(data):
        if marker in FRAMES:
            if size is not None:
                raise damaged("a JPEG of two frame headers")
            frame, size = marker, _frame_size(marker, content)
        elif marker == QUANTISATION:
            _check_quantisation(content)
        elif marker == HUFFMAN_TABLES:
            zero_codes |= _zero_codes(content)
        elif marker == START_OF_SCAN:
            num_scans += 1
            if num_scans > MAX_SCANS:
                raise ImageFileError(f"a JPEG of more than {MAX_SCANS} scans, which take too long to decode")
            components, tables, first, last, bits = _read_scan(content)
            if frame == PROGRESSIVE:
                scanned = itertools.product(components, range(first, last + 1))
                missing_bits |= dict.fromkeys(scanned, bits)
            if data.find(ZEROS, *coded) >= 0 and not (frame == PROGRESSIVE and first == 0):
                _check_zeros([zero_codes.get(table) for table in tables])
        elif marker == MULTI_PICTURE and content[:4] == b"MPF\0":
            _check_one_picture(content[4:])
    if size is None or not num_scans:
        raise damaged("a JPEG without picture")
    if frame == PROGRESSIVE and (any(missing_bits.values()) or len(missing_bits) % 64):
        raise damaged("a progressive JPEG without its last scans")
    return size


def decode(data):
    """Decode to uint8 (H, W, 3), upright.

    Raises:
        ImageFileError: where libjpeg-turbo reports an error or a warning.
    """
    try:
        image = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError as error:
        raise damaged(str(error)) from error
    return _upright(image, _orientation(data))


def _segments(data):
    """Yield marker, content, and start and end of the coded data of each segment; what follows the end is ignored."""
    place = 2
    for _ in range(MAX_SEGMENTS):
        while data[place : place + 2] == b"\xff\xff":
            place += 1
        if len(data) < place + 2 or data[place] != 0xFF:
            raise damaged("no JPEG marker where one is expected")
        marker = data[place + 1]
        if marker == END_OF_IMAGE:
            return
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        end = following = place + 2 + length
        if length < 2 or end > len(data):
            raise damaged("a JPEG segment that is longer than the file")
        if marker == START_OF_SCAN:
            found = NEXT_MARKER.search(data, end)
            if found is None:
                raise damaged("a JPEG without its end")
            following = found.start()
        yield marker, data[place + 4 : end], (end, following)
        place = following
    raise ImageFileError(f"a JPEG of more than {MAX_SEGMENTS} segments")


def _check_quantisation(content):
    """Refuse a step of zero, which makes all coefficients zero."""
    while content:
        wide = content[0] >> 4
        steps = np.frombuffer(content[1 : 1 + (128 if wide else 64)], ">u2" if wide else "u1")
        if len(steps) != 64 or not steps.all():
            raise damaged("a JPEG whose quantisation is zero or cut")
        content = content[1 + steps.nbytes :]


def _zero_codes(content):
    """Return dict, class and number of a Huffman table -> the symbol whose code is all zeros: the first one."""
    codes = {}
    while len(content) > 17:
        codes[content[0]] = content[17]
        content = content[17 + sum(content[1:17]) :]
    return codes


def _read_scan(content):
    """Return components, their tables of AC codes, first and last coefficient, and how many bits are still to come."""
    number = content[0] if content else 0
    if len(content) != 4 + 2 * number or not number:
        raise damaged("a JPEG scan header of another length")
    components, tables = content[1 : 1 + 2 * number : 2], content[2 : 2 + 2 * number : 2]
    first, last, bits = content[-3:]
    return components, [0x10 | table & 0x0F for table in tables], first, min(last, 63), bits & 0x0F


def _check_zeros(symbols):
    """Refuse zeros in a scan where they mean coefficients: no picture has many blocks of equal ones only."""
    if any(symbol is None or symbol & 0x0F or symbol == ZERO_RUN for symbol in symbols):
        raise damaged("a JPEG part of which is overwritten by zeros")


def _frame_size(marker, content):
    if len(content) < 6:
        raise damaged("a JPEG frame header that ends early")
    if marker not in DECODED_FRAMES:
        raise ImageFileError(f"a JPEG of kind 0x{marker:x}, baseline or progressive expected")
    bits, num_channels = content[0], content[5]
    if bits != 8:
        raise eight_bits_expected(bits)
    if num_channels not in (1, 3):
        raise colours_expected("CMYK" if num_channels == 4 else f"{num_channels} channels")
    return int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big")


def _check_one_picture(content):
    """Refuse a panorama or a stereo pair; a camera's preview after its picture is no second picture."""
    entries, order, _ = tags.read_directory(content)
    value = entries.get(MULTI_PICTURE_ENTRIES, (7, 0, b""))[2]
    for place in range(0, len(value) - 15, 16):
        attribute = int.from_bytes(value[place : place + 4], "little" if order == "<" else "big")
        if attribute >> 16 & 0xFF == MULTI_FRAME:
            raise one_picture_expected("a JPEG of several frames")


def _orientation(data):
    if EXIF_BEGINS not in data:
        return 1
    for marker, content, _ in _segments(data):
        if marker == START_OF_SCAN:
            break
        if marker == EXIF and content[:6] == EXIF_BEGINS:
            try:
                entries, order, _ = tags.read_directory(content[6:])
                return tags.numbers(entries[tags.ORIENTATION], order)[0]
            except (ImageFileError, LookupError):  # cameras write broken EXIF beside whole pixels
                return 1
    return 1


def _upright(image, orientation):
    """Turn and mirror as the EXIF orientation 1..8 says: uint8 (H, W, 3) -> uint8 (H, W, 3) or (W, H, 3)."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
