"""What BMP and TIFF share: Pillow decodes them, and fails where OpenCV fills with grey."""

import io

import numpy as np
from PIL import Image, ImageOps

from drcls.data.image_files.errors import colours_expected, damaged, no_alpha_expected


def decode_with_pillow(data, name):
    """Decode a file whose header has been checked: bytes -> uint8 (H, W, 3), upright.

    Args:
        data: bytes.
        name: str, what Pillow calls the format.

    Raises:
        ImageFileError: where Pillow refuses it, or its colours are neither RGB nor grey.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[name]) as image:
            if image.has_transparency_data:
                raise no_alpha_expected()
            if image.mode not in ("RGB", "L", "P", "1"):
                raise colours_expected(image.mode)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # a copy would be hundreds of megabytes
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except (OSError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError) as error:
        raise damaged(f"Pillow cannot decode the {name} ({error})") from error
