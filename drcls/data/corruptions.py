"""What may be wrong with a test image: eight corruptions of five severities.

After Hendrycks and Dietterich (2019), whose severities 1-5 are meant to be told apart at a glance; the amounts
are chosen here for stained cells. Blur and occlusion follow the size of the image; noise and JPEG's blocks of 8
pixels do not, so a small image suffers more from them than a large one of the same cell. Overlays are pictures that
the project draws and injects in no training set.
"""

import cv2
import numpy as np

from drcls.data.overlays import TEST_OVERLAYS, draw_overlay

SEVERITIES = (1, 2, 3, 4, 5)

# Amounts by severity.
BLUR = (0.006, 0.010, 0.015, 0.022, 0.030)  # standard deviation, in image widths
NOISE = (6, 12, 20, 30, 45)  # standard deviation, in grey levels
BRIGHTNESS = (15, 30, 45, 65, 90)  # grey levels added or taken away
CONTRAST = (0.8, 0.65, 0.5, 0.35, 0.2)  # factor about the mean
JPEG = (40, 25, 15, 10, 5)  # quality
OVERLAY = (0.15, 0.25, 0.35, 0.45, 0.55)  # opacity of the unrelated picture
STAIN = (0.1, 0.2, 0.3, 0.45, 0.6)  # largest relative change of a channel's optical density
OCCLUSION = (0.04, 0.08, 0.14, 0.22, 0.32)  # share of the area


def corrupt(image, name, severity, rng):
    """Corrupt one image.

    Args:
        image: uint8 (H, W, 3), RGB.
        name: one of `CORRUPTIONS`.
        severity: 1..5.
        rng: numpy.random.Generator; the same state gives the same image.

    Returns:
        uint8 (H, W, 3), a new array.

    Raises:
        ValueError: on another image, name or severity.
    """
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"image must be uint8 (H, W, 3); received {getattr(image, 'dtype', type(image))} {np.shape(image)}"
        )
    if name not in CORRUPTIONS:
        raise ValueError(f"corruption must be one of {list(CORRUPTIONS)}; received {name!r}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be one of {SEVERITIES}; received {severity!r}")
    function, amounts = CORRUPTIONS[name]
    return function(np.ascontiguousarray(image), amounts[severity - 1], rng)


def corrupt_all(images, name, severity, seed):
    """Corrupt every image with randomness of its own: uint8 (N, H, W, 3) -> uint8 (N, H, W, 3)."""
    rngs = (np.random.default_rng([seed, severity, row]) for row in range(len(images)))
    return np.stack([corrupt(image, name, severity, rng) for image, rng in zip(images, rngs, strict=True)])


def _rounded(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _blur(image, amount, rng):
    """Out of focus: a Gaussian."""
    return cv2.GaussianBlur(image, (0, 0), amount * image.shape[1])


def _noise(image, amount, rng):
    """A sensor in the dark: independent Gaussian noise in every channel."""
    return _rounded(image + rng.normal(0, amount, image.shape))


def _brightness(image, amount, rng):
    """Another lamp: lighter or darker, by chance."""
    return _rounded(image.astype(np.float32) + amount * rng.choice([-1, 1]))


def _contrast(image, amount, rng):
    """Fainter: towards the mean colour."""
    mean = image.mean(axis=(0, 1))
    return _rounded(mean + amount * (image - mean))


def _jpeg(image, amount, rng):
    """Stored badly."""
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, amount])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)


def _overlay(image, amount, rng):
    """One of the unrelated pictures shines through."""
    over = draw_overlay(TEST_OVERLAYS[rng.integers(len(TEST_OVERLAYS))], *image.shape[:2])
    return cv2.addWeighted(image, 1 - amount, over, amount, 0)


def _stain(image, amount, rng):
    """Another laboratory: more or less dye, channel by channel, in optical density (Beer and Lambert)."""
    density = -np.log((image.astype(np.float32) + 1) / 256)
    factors = 1 + amount * rng.choice([-1, 1], 3) * rng.uniform(0.5, 1, 3)
    return _rounded(256 * np.exp(-density * factors) - 1)


def _occlusion(image, amount, rng):
    """A grey square at a random place hides a part."""
    height, width = image.shape[:2]
    side = min(height, width, max(1, round(np.sqrt(amount * height * width))))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    covered = image.copy()
    covered[top : top + side, left : left + side] = 128
    return covered


CORRUPTIONS = {
    "blur": (_blur, BLUR),
    "noise": (_noise, NOISE),
    "brightness": (_brightness, BRIGHTNESS),
    "contrast": (_contrast, CONTRAST),
    "jpeg": (_jpeg, JPEG),
    "overlay": (_overlay, OVERLAY),
    "stain": (_stain, STAIN),
    "occlusion": (_occlusion, OCCLUSION),
}
