"""From the bytes somebody sent to pixels: the content decides what a file is, never its name.

Only pixels are kept: what is stored is written anew, so EXIF, patient names in DICOM headers and anything hidden
in a file end here.
"""

import contextlib
import io
import struct
import threading

import cv2
import numpy as np
from PIL import Image

from drcls.data.image_ops import decode_image, prepare_image

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 40_000_000
MIN_SIDE = 32
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
def opened_picture(data):
    """Yield what `read_picture` returns, once the photographs of other threads leave room for it."""
    with _budget.take(count_pixels(data)):
        yield read_picture(data)


def read_picture(data):
    """Decode JPEG, PNG or, where pydicom is installed, DICOM, after its header has been checked.

    Args:
        data: bytes.

    Returns:
        uint8 (H, W, 3), RGB, upright.

    Raises:
        RefusedImageError: on anything else, a damaged file, or too many bytes or pixels.
    """
    count_pixels(data)
    if _is_dicom(data):
        return _read_dicom(data, _dicom_pixels)
    with _refusing_damage(), Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as picture:
        # OpenCV fills the rest of a cut JPEG with grey and says nothing.
        picture.load()
    try:
        return decode_image(data)
    except ValueError as error:
        raise RefusedImageError("The file is damaged: the header is right, the pixels are not.") from error


def count_pixels(data):
    """Return the pixels of a photograph, from its header alone, where nothing there forbids to decode it.

    Raises:
        RefusedImageError: as `read_picture`.
    """
    if not data:
        raise RefusedImageError("The file is empty.")
    if len(data) > MAX_BYTES:
        raise RefusedImageError(f"The file has {len(data)} bytes; at most {MAX_BYTES} are taken.")
    if _is_dicom(data):
        return _read_dicom(data, lambda dataset: int(dataset.Columns) * int(dataset.Rows))
    with _refusing_damage(), Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as header:
        _check_size(*header.size)
        deep = any(";16" in str(tile.args) for tile in header.tile)
        if deep or header.mode not in ("RGB", "L", "P", "1") or header.has_transparency_data:
            raise RefusedImageError(
                f"The colours are {header.mode}{' of 16 bits' if deep else ''}; 8 bits a channel, RGB or grey, "
                "without an alpha channel are expected."
            )
        return header.width * header.height


def encode_png(image):
    """Encode uint8 (H, W, 3), RGB, as PNG, quickly rather than small."""
    return cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def view(image, preparation):
    """Return the photograph for the eye, cropped as the network sees it: uint8 (512, 512, 3)."""
    return prepare_image(image, preparation | {"size": VIEW_SIDE, "filter": "none", "clahe": False})


@contextlib.contextmanager
def _refusing_damage():
    try:
        yield
    except RefusedImageError:
        raise
    except Image.DecompressionBombError as error:
        raise RefusedImageError(f"The photograph has more than {MAX_PIXELS} pixels.") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise RefusedImageError("The file is no whole JPEG or PNG photograph, and no DICOM file.") from error


def _check_size(width, height):
    if width * height > MAX_PIXELS:
        raise RefusedImageError(
            f"The photograph has {width} x {height} pixels; at most {MAX_PIXELS} are taken."
        )
    if min(width, height) < MIN_SIDE:
        raise RefusedImageError(
            f"The photograph has {width} x {height} pixels; at least {MIN_SIDE} x {MIN_SIDE} are expected."
        )


def _is_dicom(data):
    return data[128:132] == b"DICM"


def _read_dicom(data, read):
    """Return what `read` makes of the data set."""
    try:
        import pydicom  # the extra `dicom`
    except ImportError as error:
        raise RefusedImageError("DICOM files are not read here: pydicom is not installed.") from error
    try:
        return read(_open_dicom(data))
    except RefusedImageError:
        raise
    # What pydicom raises on damaged files is any of these.
    except (
        pydicom.errors.InvalidDicomError,
        pydicom.errors.BytesLengthException,
        Image.DecompressionBombError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
        OSError,
        RuntimeError,
        EOFError,
        struct.error,
    ) as error:
        raise RefusedImageError(
            f"The DICOM file holds no photograph that can be read: {str(error)[:200]}"
        ) from error


def _open_dicom(data):
    """Return the data set, nothing of it decompressed; refuse what would grow too large or is no plain photograph."""
    from pydicom import dcmread, uid
    from pydicom.encaps import get_frame
    from pydicom.filereader import read_dataset

    # A deflated data set is inflated whole, whatever its size, before its first element can be read.
    meta = read_dataset(io.BytesIO(data[132:]), False, True, stop_when=lambda tag, *_: tag.group != 2)
    plain = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
    syntax = uid.UID(meta.get("TransferSyntaxUID", ""))
    if syntax not in (*plain, uid.JPEGBaseline8Bit, uid.JPEG2000, uid.JPEG2000Lossless):
        raise RefusedImageError(
            f"The DICOM file is of transfer syntax {syntax.name[:80]!r}; uncompressed, JPEG or JPEG 2000 is expected."
        )
    dataset = dcmread(io.BytesIO(data))
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise RefusedImageError("The DICOM file holds several frames; one photograph is expected.")
    _check_size(int(dataset.Columns), int(dataset.Rows))
    samples, bits, colours = dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.PhotometricInterpretation
    if samples not in (1, 3) or bits not in (8, 16):
        raise RefusedImageError(
            f"The DICOM file holds {samples} samples of {bits} bits a pixel; 1 or 3 of 8 or 16 are expected."
        )
    if samples == 1 and colours not in ("MONOCHROME1", "MONOCHROME2"):
        raise RefusedImageError(
            f"The DICOM file's colours are {colours[:40]}; RGB, YBR or MONOCHROME is expected."
        )
    if syntax not in plain:
        # The size that the data set names says nothing of the picture inside it.
        frame = io.BytesIO(get_frame(dataset.PixelData, 0, number_of_frames=1))
        with Image.open(frame, formats=["JPEG", "JPEG2000"]) as inside:
            _check_size(*inside.size)
    return dataset


def _dicom_pixels(dataset):
    """Return the pixels of a DICOM data set, grey or colour: uint8 (H, W, 3), RGB."""
    from pydicom.pixels import apply_voi_lut, pixel_array

    # pydicom turns YBR into RGB itself.
    pixels = pixel_array(dataset)
    if pixels.ndim == 2:
        pixels = apply_voi_lut(pixels, dataset).astype(np.float64)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            pixels = pixels.max() - pixels
        span = pixels.max() - pixels.min()
        pixels = np.rint(255 * (pixels - pixels.min()) / (span or 1)).astype(np.uint8)
        return np.repeat(pixels[..., None], 3, axis=2)
    if pixels.dtype != np.uint8:
        raise RefusedImageError(
            f"The DICOM file holds colours of {pixels.dtype}; 8 bits a channel are expected."
        )
    return np.ascontiguousarray(pixels)
