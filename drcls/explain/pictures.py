"""Picture files as a model takes them: found in folders, read, brought to its size and its number of channels."""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from drcls.data import dicom
from drcls.data.image_files import (
    MAX_PIXELS,
    MIN_SIDE,
    UNREAD_ENDINGS,
    ImageFileError,
    check_size,
    decode_file,
)
from drcls.data.image_ops import prepare_image

ENDINGS = frozenset(
    ".bmp .dcm .dib .dicom .jfif .jpe .jpeg .jpg .png .tif .tiff .webp".split()  # noqa: SIM905 - a list to read
)
FOUND_ENDINGS = ENDINGS | UNREAD_ENDINGS


@dataclass(frozen=True)
class Picture:
    """One file, read for one model.

    Args:
        file: Path.
        shown: uint8 (h, w, channels), as prepared, at its own size.
        network_input: uint8 (H, W, channels), at the model's size.
    """

    file: Path
    shown: np.ndarray
    network_input: np.ndarray


def find_pictures(paths):
    """Find the picture files among files and folders, in folders within them too, symlinked ones included.

    Args:
        paths: a path, or list of paths. A file that is named is taken whatever its ending; in folders those with the
            ending of a picture are, hidden ones left out.

    Returns:
        (list of Path, each file once, in the order of the paths and of the names within a folder, those of formats
        that are not read included;
        Path, the innermost folder that holds them all).

    Raises:
        FileNotFoundError: where a path does not exist, or there is no picture.
    """
    paths = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
    files = [file for path in paths for file in (_inside(path) if path.is_dir() else [path])]
    files = list({file.absolute(): file for file in files}.values())
    if not files:
        raise FileNotFoundError(
            f"no picture in {', '.join(map(str, paths))}; expected files that end in {', '.join(sorted(ENDINGS))}"
        )
    folders = [path if path.is_dir() else path.parent for path in paths]
    return files, Path(os.path.commonpath([plain_path(folder) for folder in folders]))


def plain_path(path):
    """Return an absolute Path without `..`, by which a result would leave its folder; symlinks stay as they are."""
    return Path(os.path.normpath(path.absolute()))


def read_picture(file, model, preparation=None):
    """Read a file for a model.

    Args:
        file: path.
        model: `keras.Model` from images (N, H, W, channels) of 1, 3 or 4 channels; H and W may be open.
        preparation: dict, options of `prepare_image` that the training images were prepared with, or None.

    Returns:
        `Picture`.

    Raises:
        ValueError: where the file is not a whole picture, or has no fourth channel for a model that takes four.
    """
    height, width, channels = model.input_shape[1:]
    if channels not in (1, 3, 4):
        raise ValueError(
            f"model {model.name!r} takes images of {channels} channels; expected 1, 3 or 4 for picture files"
        )
    try:
        data = Path(file).read_bytes()
        shown = _four_channels(data) if channels == 4 else _three_channels(data)
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    except ImageFileError as error:
        raise ValueError(f"{file}: {error}") from error
    if preparation is not None:
        shown = prepare_image(shown, preparation)
    if channels == 1:
        shown = cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)[..., None]
    size = (height or shown.shape[0], width or shown.shape[1])
    return Picture(Path(file), shown, resize_to(shown, size))


def resize_to(image, size):
    """Resize: uint8 (h, w, channels) -> uint8 (*size, channels), averaged when shrinking."""
    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, size[::-1], interpolation=how).reshape(*size, image.shape[2])


def _inside(folder):
    """List the pictures in a folder; a symlink to a folder above is not followed round and round."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        pictures = [name for name in names if not name.startswith(".")]
        found += [
            Path(place) / name for name in sorted(pictures) if Path(name).suffix.lower() in FOUND_ENDINGS
        ]
    return found


def _three_channels(data):
    if dicom.begins(data):
        return dicom.decode_dicom(dicom.open_dicom(data, MIN_SIDE, MAX_PIXELS))
    return decode_file(data)


def _four_channels(data):
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "TIFF"]) as image:
            check_size(*image.size)
            if image.mode != "RGBA":
                raise ImageFileError(
                    f"holds {image.mode} pixels; the model takes 4 channels of 8 bits, RGB and one more"
                )
            if getattr(image, "n_frames", 1) > 1:
                raise ImageFileError("holds several pictures, one expected")
            return np.array(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError as error:
        raise ImageFileError(f"not read: {error}") from error
    except (UnidentifiedImageError, SyntaxError, EOFError, ValueError, OSError) as error:
        raise ImageFileError(f"not a whole PNG or TIFF image ({error})") from error
