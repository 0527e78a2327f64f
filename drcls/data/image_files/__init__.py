"""From the bytes of an image file to pixels, for files that nobody has checked.

A file is read whole or refused, and its header is checked before a decoder sees it. A file of at most 30 MB takes
at most 1 GiB of memory, and no more than 2 CPU seconds for each megapixel, whatever is in it.
"""

from dataclasses import dataclass

from drcls.data.image_files import bmp, jpeg, png, tiff, webp
from drcls.data.image_files.errors import ImageFileError, damaged

FORMATS = {"JPEG": jpeg, "PNG": png, "BMP": bmp, "TIFF": tiff, "WEBP": webp}
# Endings of images that are not read: where files are looked for, they are to be listed and not left out in silence.
UNREAD_ENDINGS = frozenset(".avif .gif .heic .heif .jp2 .jxl .pbm .pgm .ppm .psd .svg .svs .tga".split())  # noqa: SIM905
MIN_SIDE = 8
MAX_PIXELS = 2**26

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MIN_SIDE",
    "UNREAD_ENDINGS",
    "Header",
    "ImageFileError",
    "check_size",
    "damaged",
    "decode_file",
    "read_header",
]


@dataclass(frozen=True)
class Header:
    """What an image file says of itself.

    Args:
        format: str, key of `FORMATS`, by the content; the name of a file proves nothing.
        width, height: int, as stored, before the EXIF orientation is applied.
    """

    format: str
    width: int
    height: int


def read_header(data, formats=tuple(FORMATS), min_side=MIN_SIDE, max_pixels=MAX_PIXELS):
    """Read format and size of an image file and check whatever can be checked without decoding its pixels.

    Args:
        data: bytes.
        formats: names out of `FORMATS` that are accepted.
        min_side: int, least width and height.
        max_pixels: int, most pixels.

    Returns:
        `Header`.

    Raises:
        ImageFileError: The file is empty, of no accepted format, truncated, animated, of several pages or frames,
            of more than 8 bits a channel, with an alpha channel (even an opaque one), of other colours than RGB
            or grey, too small or too large, or would take a decoder too long.
    """
    if not data:
        raise ImageFileError("empty file")
    data = bytes(data)
    name = next((name for name in formats if FORMATS[name].begins(data)), None)
    if name is None:
        raise ImageFileError(f"not an image of a known format, one of {', '.join(formats)} expected")
    width, height = FORMATS[name].read_size(data)
    check_size(width, height, min_side, max_pixels)
    return Header(name, width, height)


def check_size(width, height, min_side=MIN_SIDE, max_pixels=MAX_PIXELS):
    """Refuse an image of too many pixels or too few: an `ImageFileError` names its size and the limit."""
    if width * height > max_pixels:
        raise ImageFileError(f"decompression bomb: {width} x {height} pixels, at most {max_pixels} expected")
    if min(width, height) < min_side:
        raise ImageFileError(
            f"too small: {width} x {height} pixels, at least {min_side} x {min_side} expected"
        )


def decode_file(data, formats=tuple(FORMATS), min_side=MIN_SIDE, max_pixels=MAX_PIXELS):
    """Decode an image file whole, or refuse it.

    Args:
        data, formats, min_side, max_pixels: as for `read_header`.

    Returns:
        uint8 (H, W, 3), RGB, upright as the EXIF orientation says; a grey image has three equal channels.

    Raises:
        ImageFileError: as `read_header`, and where a decoder reports an error or a warning: missing or surplus
            pixels, wrong checksums. Bytes after the end of the image are no damage.
    """
    header = read_header(data, formats, min_side, max_pixels)
    image = FORMATS[header.format].decode(bytes(data))
    if sorted(image.shape[:2]) != sorted((header.height, header.width)):
        raise damaged(
            f"{image.shape[1]} x {image.shape[0]} pixels, {header.width} x {header.height} announced"
        )
    return image
