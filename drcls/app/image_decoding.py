"""From the bytes somebody sent to pixels: the content decides what a file is, never its name.

Only pixels are kept: what is stored is written anew, so EXIF, patient names in DICOM headers and anything hidden
in a file end here.
"""

import contextlib
import threading
from functools import partial

import cv2

from drcls.data import dicom
from drcls.data.image_files import ImageFileError, decode_file, read_header
from drcls.data.image_ops import prepare_image

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 40_000_000
MIN_SIDE = 32
FORMATS = ("JPEG", "PNG")
VIEW_SIDE = 512
# Of all photographs in work at once: else as many of the largest as there are threads would fill the memory.
MAX_PIXELS_AT_ONCE = 4 * MAX_PIXELS


class RefusedImageError(ValueError):
    """The bytes cannot be taken for a photograph; the message tells the sender why."""


class PixelBudget:
    """Lets threads work on so many pixels at once; who brings more than is left waits.

    Args:
        pixels: int, at least as many as one photograph may have.
    """

    def __init__(self, pixels):
        self._left, self._changed = pixels, threading.Condition()

    @contextlib.contextmanager
    def take(self, pixels):
        """Hold `pixels` of the budget inside the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= pixels)
            self._left -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._left += pixels
                self._changed.notify_all()


_budget = PixelBudget(MAX_PIXELS_AT_ONCE)


@contextlib.contextmanager
def opened_image(data):
    """Yield what `read_image` returns, once the photographs of other threads leave room for it."""
    num_pixels, decode = _open(data)
    with _budget.take(num_pixels):
        yield _or_refused(decode)


def read_image(data):
    """Decode JPEG, PNG or, where pydicom is installed, DICOM, after its header has been checked.

    Args:
        data: bytes.

    Returns:
        uint8 (H, W, 3), RGB, upright.

    Raises:
        RefusedImageError: on anything else, a damaged file, or too many bytes or pixels.
    """
    return _or_refused(_open(data)[1])


def _open(data):
    """Return the number of pixels and a function that decodes them, from the header alone."""
    if len(data) > MAX_BYTES:
        raise RefusedImageError(f"The file has {len(data)} bytes; at most {MAX_BYTES} are taken.")
    limits = {"min_side": MIN_SIDE, "max_pixels": MAX_PIXELS}
    if dicom.begins(data):
        dataset = _or_refused(partial(dicom.open_dicom, data, **limits))
        return dataset.Rows * dataset.Columns, partial(dicom.decode_dicom, dataset)
    header = _or_refused(partial(read_header, data, FORMATS, **limits))
    return header.width * header.height, partial(decode_file, data, FORMATS, **limits)


def recorded_eye(data):
    """Return the eye that a file says it shows, "left" or "right"; None where it says nothing, as all but DICOM do.

    Raises:
        RefusedImageError: on a damaged header.
    """
    return _or_refused(partial(dicom.recorded_eye, data)) if dicom.begins(data) else None


def _or_refused(read):
    try:
        return read()
    except ImageFileError as error:
        raise RefusedImageError(f"The file is refused: {error}.") from error


def encode_png(image):
    """Encode uint8 (H, W, 3), RGB, as PNG, quickly rather than small."""
    return cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def view(image, preparation):
    """Return the photograph for the eye, cropped as the network sees it: uint8 (512, 512, 3)."""
    return prepare_image(image, preparation | {"size": VIEW_SIDE, "filter": "none", "clahe": False})
