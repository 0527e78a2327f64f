"""Tell an image that may be trained on from a file that only looks like one."""

import io
from pathlib import PurePosixPath

from PIL import Image

from drcls.data.image_ops import decode_image

FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
MIN_SIDE = 8
MAX_PIXELS = 2**26


class RejectedImageError(ValueError):
    """A file cannot be used; the message is the reason, without the name of the file."""


def decode_verified(data, name):
    """Decode an image after its header has been checked.

    The header is read first and alone, so that a decompression bomb is never decoded; then the pixels, once.

    Args:
        data: bytes of the file.
        name: its name, whose ending must tell the truth.

    Returns:
        uint8 array (H, W, 3), RGB.

    Raises:
        RejectedImageError: The file is empty, no image, truncated, named after another format, CMYK, of more
            than 8 bits a channel, has an alpha channel (even an opaque one), is below 8 x 8 or above
            2^26 pixels.
    """
    if not data:
        raise RejectedImageError("empty file")
    _check_header(data, name)
    try:
        return decode_image(data)
    except ValueError as error:
        raise RejectedImageError("truncated or damaged: the header is right, the pixels are not") from error


def _check_header(data, name):
    try:
        with Image.open(io.BytesIO(data), formats=sorted(set(FORMAT_OF_SUFFIX.values()))) as image:
            reason = _reason_to_reject(image, PurePosixPath(name).suffix)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RejectedImageError(f"decompression bomb: more than {MAX_PIXELS} pixels") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise RejectedImageError("not an image of a known format") from error
    if reason:
        raise RejectedImageError(reason)


def _reason_to_reject(image, suffix):
    """Return why the header says that the image cannot be used, or None."""
    width, height = image.size
    # A camera's JPEG with a preview after it is called MPO.
    found = "JPEG" if image.format == "MPO" else image.format
    if FORMAT_OF_SUFFIX.get(suffix.lower()) != found:
        return f"wrongly named: {suffix or 'no ending'}, but the bytes are {found}"
    if width * height > MAX_PIXELS:
        return f"decompression bomb: {width} x {height} pixels, at most {MAX_PIXELS} expected"
    if min(width, height) < MIN_SIDE:
        return f"too small: {width} x {height} pixels, at least {MIN_SIDE} x {MIN_SIDE} expected"
    if image.mode.startswith("I") or any(";16" in str(tile.args) for tile in image.tile):
        return "16 bits a channel, 8 expected"
    if image.has_transparency_data:
        return f"has an alpha channel ({image.mode}), RGB or grey expected"
    if image.mode not in ("RGB", "L", "P", "1"):
        return f"colours are {image.mode}, RGB or grey expected"
    return None
