"""The quality gate: is this a fundus photograph that can be graded? Every criterion is a number with limits.

The limits were set on synthetic photographs and the shape of real ones (see `LIMITS`), not validated on a camera:
a clinic compares them with its own photographs first, on the drift page. A model of other images is served without
the gate, and everything then says that no quality check was made.
"""

from dataclasses import asdict, dataclass

import cv2
import numpy as np

GATES = ("fundus", "none")
SIDE = 256
BACKGROUND = 20

# name: (what a failure means, unit of the value, lowest, highest)
LIMITS = {
    "field": ("not a fundus: no bright field on a dark surround", "share of the image", 0.30, None),
    "roundness": ("field cut off", "field / its enclosing circle", 0.70, None),
    "red_over_green": ("not a fundus: not red", "ratio of mean red to mean green", 1.15, None),
    "green_over_blue": ("not a fundus: blue", "ratio of mean green to mean blue", 1.0, None),
    "brightness": ("too dark or too bright", "mean in the field, 0..255", 35, 180),
    "detail": ("out of focus", "fine detail / brightness of the green channel", 0.03, None),
}


@dataclass(frozen=True)
class Criterion:
    """One measured criterion.

    Args:
        name: str, key of `LIMITS`.
        value: float.
        lowest, highest: float or None, the limits.
        passed: bool.
        failure: str, what a value outside the limits means.
        unit: str, what is measured.
    """

    name: str
    value: float
    lowest: float | None
    highest: float | None
    passed: bool
    failure: str
    unit: str


def assess(image, gate="fundus"):
    """Measure a photograph against every criterion of a gate.

    Measured on a copy whose shorter side is at most 256 pixels, so that the resolution of the camera does not
    matter.

    Args:
        image: uint8 (H, W, 3), RGB.
        gate: one of `GATES`.

    Returns:
        list of dict, one for each of `LIMITS`, with the fields of `Criterion`; empty where the gate is "none".
    """
    if gate == "none":
        return []
    values = measure(image)
    criteria = []
    for name, (failure, unit, lowest, highest) in LIMITS.items():
        value = round(float(values[name]), 4)
        passed = (lowest is None or value >= lowest) and (highest is None or value <= highest)
        criteria.append(asdict(Criterion(name, value, lowest, highest, passed, failure, unit)))
    return criteria


def is_gradable(criteria):
    """Whether all criteria passed; where none was measured, nothing is refused."""
    return all(criterion["passed"] for criterion in criteria)


def measure(image):
    """Return dict, name of a criterion -> float; see `LIMITS` for what each one is."""
    image = _reduced(image)
    field = _field(image)
    if not field.any():
        return dict.fromkeys(LIMITS, 0.0)
    means = cv2.mean(image, field.astype(np.uint8))[:3]
    red, green, blue = (max(channel, 1.0) for channel in means)
    return {
        "field": field.mean(),
        "roundness": _roundness(field),
        "red_over_green": red / green,
        "green_over_blue": green / blue,
        "brightness": np.mean(means),
        "detail": _detail(image[..., 1].astype(np.float32), field) / green,
    }


def _reduced(image):
    height, width = image.shape[:2]
    scale = SIDE / min(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _field(image):
    """Find the largest bright piece, the dark parts inside it included: uint8 (H, W, 3) -> bool (H, W).

    What is black inside the field, a pupil that was missed or a shadow, is part of the eye's brightness.
    """
    red, green, blue = cv2.split(cv2.GaussianBlur(image, (0, 0), 1.5))
    bright = cv2.max(cv2.max(red, green), blue) > BACKGROUND
    number, pieces, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8))
    if number < 2:
        return bright
    largest = pieces == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    return cv2.drawContours(largest.astype(np.uint8), [_outline(largest)], -1, 1, cv2.FILLED) > 0


def _outline(field):
    contours, _ = cv2.findContours(field.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(contours, key=len)


def _roundness(field):
    """Area of the field over that of its smallest enclosing circle: disc 1, square 0.64, half disc 0.5."""
    outline = _outline(field)
    _, radius = cv2.minEnclosingCircle(outline)
    return cv2.contourArea(outline) / (np.pi * radius**2) if radius > 0 else 0.0


def _detail(green, field):
    """Standard deviation, inside the field, of what a Gaussian of two pixels removes."""
    inside = cv2.erode(field.astype(np.uint8), np.ones((15, 15), np.uint8), borderValue=0) > 0
    if not inside.any():
        return 0.0
    return (green - cv2.GaussianBlur(green, (0, 0), 2))[inside].std()
