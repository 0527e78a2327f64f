"""What is done to a fundus photograph before a network sees it, as pure functions.

The same functions prepare a data set and treat the image that is to be predicted: `prepare_image` with the
`preparation` options that `dataset.json` records reproduces, from the source file, the image the network was
trained on. Images are uint8 RGB of shape (H, W, 3), values 0..255.
"""

from pathlib import Path

import cv2
import numpy as np

from drcls.data.image_files import ImageFileError, decode_file

CROPS = ("none", "border", "centre")
FILTERS = ("none", "gaussian", "ben_graham")


def decode_image(data, name="image"):
    """Decode the bytes of an image file, whole: a disk can damage what was verified when it was prepared.

    Args:
        data: bytes of a file that `drcls.data.image_files.decode_file` reads.
        name: what to call the file in the error.

    Returns:
        uint8 array (H, W, 3), RGB, turned upright as its EXIF orientation says; a grey image has three equal
        channels.

    Raises:
        ValueError: The bytes are not a whole image.
    """
    try:
        return decode_file(data, min_side=1)
    except ImageFileError as error:
        raise ValueError(f"{name}: not a readable image ({len(data)} bytes), {error}") from error


def read_image(path):
    """Read an image file as uint8 RGB (H, W, 3); see `decode_image`."""
    return decode_image(Path(path).read_bytes(), name=str(path))


def crop_border(image, threshold=10, min_share=0.01):
    """Cut away the dark surround of the fundus.

    Keeps the bounding box of the rows and columns in which at least `min_share` of the pixels are brighter
    than `threshold` in some channel, so that hot pixels and compression noise in the surround do not count.

    Args:
        image: uint8 array (H, W, 3).
        threshold: brightness in 0..255 up to which a pixel is surround.
        min_share: share of bright pixels, in 0..1, from which a row or column belongs to the fundus.

    Returns:
        uint8 array (h, w, 3), h <= H, w <= W; the image itself where nothing is brighter than the threshold.
    """
    bright = image.max(axis=2) > threshold
    rows = np.flatnonzero(bright.mean(axis=1) >= min_share)
    columns = np.flatnonzero(bright.mean(axis=0) >= min_share)
    if not bright.any() or not len(rows) or not len(columns):
        return image
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def crop_centre(image):
    """Cut out the largest centred square: uint8 (H, W, 3) -> uint8 (S, S, 3) with S = min(H, W)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def resize(image, size):
    """Resize to a square of `size` pixels: uint8 (H, W, 3) -> uint8 (size, size, 3).

    The aspect ratio is not kept (as in the public 224 px copy of APTOS 2019): crop first where that matters.
    Pixels are averaged when shrinking, interpolated linearly when enlarging.
    """
    if image.shape[:2] == (size, size):
        return image
    shrinks = image.shape[0] >= size and image.shape[1] >= size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def gaussian_filter(image, sigma=1.0):
    """Smooth with an isotropic Gaussian of `sigma` pixels, to remove noise: uint8 (H, W, 3) -> same."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def ben_graham(image, sigma=None, weight=4.0):
    """Subtract the local average, which takes uneven light away and leaves vessels and lesions on grey.

    `weight * image - weight * blurred + 128`, clipped to 0..255.

    Args:
        image: uint8 array (H, W, 3).
        sigma: of the local average in pixels; None for a thirtieth of half the width, the published scale.
        weight: contrast.

    Returns:
        uint8 array (H, W, 3).

    Reference:
        B. Graham, "Kaggle diabetic retinopathy detection competition report", 2015.
    """
    sigma = image.shape[1] / 60 if sigma is None else sigma
    return cv2.addWeighted(image, weight, cv2.GaussianBlur(image, (0, 0), sigma), -weight, 128)


def clahe(image, clip_limit=2.0, tile=8):
    """Equalise contrast locally (CLAHE) in the lightness channel, which leaves the hue alone.

    Args:
        image: uint8 array (H, W, 3).
        clip_limit: bound on the contrast gain of one grey level.
        tile: number of tiles along each side.

    Returns:
        uint8 array (H, W, 3).
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clip_limit, (tile, tile)).apply(np.ascontiguousarray(lab[..., 0]))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def check_options(options):
    """Return `options` when they are complete and known.

    Raises:
        ValueError: A key is missing or unknown, or a value is not one of those that `prepare_image` knows.
    """
    expected = {"crop", "size", "filter", "clahe"}
    if set(options) != expected:
        raise ValueError(f"preparation options {sorted(options)} received, {sorted(expected)} expected")
    if options["crop"] not in CROPS or options["filter"] not in FILTERS:
        raise ValueError(f"{options} received, crop of {CROPS} and filter of {FILTERS} expected")
    if type(options["size"]) is not int or options["size"] < 8 or type(options["clahe"]) is not bool:
        raise ValueError(f"{options} received, size of at least 8 and clahe of True or False expected")
    return options


def prepare_image(image, options):
    """Crop, resize, filter and equalise, in this order.

    Args:
        image: uint8 array (H, W, 3).
        options: dict, `crop` of "none", "border", "centre"; `size` in pixels; `filter` of "none",
            "gaussian", "ben_graham"; `clahe` of True, False. `dataset.json` holds it as `preparation`.

    Returns:
        uint8 array (size, size, 3); the very same object where no option changes the image.

    Raises:
        ValueError: The options are not complete and known.
    """
    check_options(options)
    if options["crop"] == "border":
        image = crop_border(image)
    elif options["crop"] == "centre":
        image = crop_centre(image)
    image = resize(image, options["size"])
    if options["filter"] == "gaussian":
        image = gaussian_filter(image)
    elif options["filter"] == "ben_graham":
        image = ben_graham(image)
    return clahe(image) if options["clahe"] else image
