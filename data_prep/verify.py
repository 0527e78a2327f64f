"""Tell an image that may be trained on from a file that only looks like one."""

from pathlib import PurePosixPath

from drcls.data.image_files import FORMATS, ImageFileError, decode_file

FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}


class RejectedImageError(ValueError):
    """A file cannot be used; the message is the reason, without the name of the file."""


def decode_verified(data, name):
    """Decode an image after its header has been checked.

    Args:
        data: bytes of the file.
        name: its name, whose ending must tell the truth.

    Returns:
        uint8 array (H, W, 3), RGB.

    Raises:
        RejectedImageError: The file is named after another format, or `drcls.data.image_files.decode_file`
            refuses it.
    """
    suffix = PurePosixPath(name).suffix
    found = next((kind for kind, module in FORMATS.items() if module.begins(data)), None)
    if found is None and suffix.lower() not in FORMAT_OF_SUFFIX:
        raise RejectedImageError(
            f"{suffix or 'no ending'}: not a format that is read, one of {', '.join(FORMATS)}"
        )
    if found and FORMAT_OF_SUFFIX.get(suffix.lower()) != found:
        raise RejectedImageError(f"wrongly named: {suffix or 'no ending'}, but the bytes are {found}")
    try:
        return decode_file(data)
    except ImageFileError as error:
        raise RejectedImageError(str(error)) from error
