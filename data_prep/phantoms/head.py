"""Draws one synthetic MR slice of a head and the mask of its tumour.

Everything is placed in head coordinates, as complex numbers x + iy: the skull runs about the unit circle, x
points to the patient's left, which is right in the picture, y points down, to the back of the head. The picture
is drawn two or three times too large and averaged down. Layers are float32 (S, S), S the side of that
large canvas, and say how much of each point they cover, 0..1.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.phantoms.clouds import clouds

CLASSES = ["glioma", "meningioma", "notumor", "pituitary"]
MIN_SIZE = 32

BRAIN = 0.83  # radius where the brain ends
SELLA = 0.05j  # where the pituitary gland lies

# How bright each tissue is, 0..1. Contrast agent makes a tumour bright in T1; oedema is dark in T1 and bright
# in the others.
SEQUENCES = [
    {"scalp": 0.80, "csf": 0.08, "grey": 0.38, "white": 0.50, "oedema": 0.24, "tumour": 0.84},
    {"scalp": 0.62, "csf": 0.88, "grey": 0.50, "white": 0.34, "oedema": 0.72, "tumour": 0.66},
    {"scalp": 0.50, "csf": 0.06, "grey": 0.48, "white": 0.40, "oedema": 0.70, "tumour": 0.74},
]


@dataclass(frozen=True)
class Head:
    """What all slices of one patient share.

    Args:
        shape: seed of the outline, the folds and the place of a tumour.
        sequence: index into `SEQUENCES`.
        width: of the skull, in its lengths.
        age: 0 (full brain, slender ventricles) to 1 (shrunken brain, wide ventricles).
    """

    shape: int
    sequence: int
    width: float
    age: float

    @classmethod
    def random(cls, rng):
        """Return a head drawn from `rng`."""
        sequence = rng.choice(len(SEQUENCES), p=(0.6, 0.2, 0.2))
        return cls(
            int(rng.integers(2**32)), int(sequence), float(rng.uniform(0.78, 0.9)), float(rng.random())
        )


def draw_slice(label, rng, size, head=None):
    """Draw a synthetic axial MR slice.

    - `glioma`: irregular and uneven inside one hemisphere, often dark in its middle, in a halo of oedema.
    - `meningioma`: round, even, sharp and bright, seated on the dura or on the falx.
    - `pituitary`: small and bright, in the midline below the ventricles.
    - `notumor`: none of them.

    Bright vessels, choroid plexus, spots in the white matter and a bias field are in every class, to be
    confused with tumours. The same state of `rng` gives the same head and scanner in every class, so a picture
    can be compared with its healthy twin.

    Args:
        label: 0..3, index into `CLASSES`.
        rng: numpy Generator; children are spawned from it.
        size: side of the image in pixels, at least 32.
        head: `Head` of the patient; drawn from `rng` when None.

    Returns:
        image: uint8 (size, size, 3), grey.
        mask: uint8 (size, size), 255 on the tumour and its oedema; all zero for `notumor`, never for the
            others.

    Raises:
        ValueError: for a label outside 0..3 or a size below 32.
    """
    if label not in range(len(CLASSES)):
        raise ValueError(f"label must be 0..{len(CLASSES) - 1} ({', '.join(CLASSES)}), got {label!r}")
    if size < MIN_SIZE:
        raise ValueError(f"size must be at least {MIN_SIZE} pixels for lesions to be visible, got {size}")
    head_rng, slice_rng, tumour_rng, scanner_rng = rng.spawn(4)
    head = head or Head.random(head_rng)
    factor = 3 if size <= 128 else 2
    points = _place_head(head, size * factor, scanner_rng)
    tissue = SEQUENCES[head.sequence]

    image = _draw_brain(points, head, tissue, slice_rng)
    oedema, tumour, brightness = _draw_tumour(CLASSES[label], points, head, tissue, tumour_rng)
    _paint(image, oedema, tissue["oedema"])
    _paint(image, tumour, brightness)
    _draw_skull(image, points, tissue, slice_rng)

    mask = cv2.resize(np.maximum(oedema, tumour), (size, size), interpolation=cv2.INTER_AREA)
    return _scan(image, size, factor, scanner_rng), np.where(mask > 0.4, 255, 0).astype(np.uint8)


# --- The healthy head


def _place_head(head, side, rng):
    """Return the head coordinates of every canvas pixel, complex64 (S, S): no two slices lie alike."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    points = axis[None, :] + 1j * axis[:, None] - complex(*rng.normal(0, 0.02, 2))
    points = points * np.exp(1j * rng.normal(0, 0.06)) / rng.uniform(0.88, 0.96)
    points = points.real / head.width + 1j * points.imag
    outline = np.random.default_rng(head.shape)
    turn = np.angle(points)
    bumps = sum(outline.normal(0, 0.012) * np.cos(k * turn + outline.uniform(0, 7)) for k in (2, 3, 4))
    return (points * (1 + bumps)).astype(np.complex64)


def _inside(distance, edge=0.02):
    """Return a layer that covers the points of negative distance, with an edge of this softness."""
    return np.clip(0.5 - distance / edge, 0, 1).astype(np.float32)


def _spot(points, centre, width, height, edge=0.02):
    """Return a layer that covers an upright ellipse with these half axes."""
    apart = points - np.complex64(centre)
    return _inside((np.hypot(apart.real / width, apart.imag / height) - 1) * min(width, height), edge)


def _paint(image, layer, brightness):
    """Cover `image` (S, S), in place, with a brightness: fully where `layer` is 1."""
    image += layer * (brightness - image)


def _draw_brain(points, head, tissue, rng):
    """Return the healthy brain in its fluid, float32 (S, S) in 0..1: cortex, white matter, ventricles."""
    side, radius = len(points), abs(points)
    image = np.full((side, side), tissue["csf"], np.float32)
    folds = _folds(points, head, rng)
    shrunk = BRAIN - 0.02 - 0.03 * head.age
    _paint(image, _inside(radius - shrunk + (0.015 + 0.025 * head.age) * folds), tissue["grey"])
    _paint(image, _inside(radius - 0.68 + 0.10 * folds, 0.05), tissue["white"])
    fissure = abs(points.real) - 0.008 - 0.012 * head.age
    _paint(image, 0.7 * _inside(fissure, 0.03) * _inside(0.3 - abs(points.imag)), tissue["csf"])
    for x in (-1, 1):  # basal ganglia
        _paint(image, 0.7 * _spot(points, x * 0.27 + 0.02j, 0.11, 0.19, 0.06), tissue["grey"])
    _draw_ventricles(image, points, head, tissue, rng)
    for _ in range(rng.poisson(1.5)):  # spots in the white matter, as age brings them
        centre = rng.uniform(0.3, 0.55) * np.exp(1j * rng.uniform(0, 2 * np.pi))
        layer = 0.7 * _spot(points, centre, *rng.uniform(0.02, 0.06, 2), 0.04)
        _paint(image, layer, tissue["oedema"])
    return image + 0.025 * clouds(side, 12, rng) + 0.02 * clouds(side, 48, rng)


def _folds(points, head, rng):
    """Return the folds of the cortex, float32 (S, S) in about -1..1, alike in all slices of a patient."""
    own = np.random.default_rng([head.shape, 1])
    radius, turn, folds = abs(points), np.angle(points), 0
    for waves in (9, 14, 19, 26):
        bend = own.uniform(0, 7) + rng.normal(0, 0.5) + own.normal(0, 6) * radius
        folds = folds + own.uniform(0.2, 0.5) * np.sin(waves * turn + bend)
    return folds.astype(np.float32)


def _draw_ventricles(image, points, head, tissue, rng):
    """Paint two curved horns in front and two behind, the third ventricle, and plexus in them, in place."""
    wide = (0.035 + 0.05 * head.age) * rng.uniform(0.8, 1.2)
    for x in (-1, 1):
        long = rng.uniform(0.16, 0.24)
        for y in (-1, 1):
            centre, lean = x * (0.10 + 0.04 * (y > 0)) + y * 0.18j, 0.4 * x * y
            turned = (points - np.complex64(centre)) * np.exp(1j * lean) + np.complex64(centre)
            _paint(image, _spot(turned, centre, wide, long, 0.03), tissue["csf"])
        if rng.random() < 0.6:
            _paint(image, _spot(points, x * 0.13 + 0.27j, 0.03, 0.04), 0.9 * tissue["tumour"])
    _paint(image, _spot(points, 0.08j, 0.016 + 0.02 * head.age, 0.1), tissue["csf"])
    if rng.random() < 0.5:  # vessels below the brain, about where a pituitary tumour would lie
        for _ in range(rng.integers(1, 4)):
            centre = SELLA + complex(rng.normal(0, 0.09), rng.normal(0.05, 0.07))
            _paint(image, _spot(points, centre, *rng.uniform(0.02, 0.04, 2)), 0.95 * tissue["tumour"])


def _draw_skull(image, points, tissue, rng):
    """Paint what surrounds the brain, in place: dura with its sinus, bone, scalp, air."""
    radius = abs(points)
    _paint(image, _inside(0.85 - radius), 0.05)
    scalp = tissue["scalp"] * (1 + 0.15 * clouds(len(points), 8, rng))
    _paint(image, _inside(0.92 - radius), np.clip(scalp, 0, 1))
    _paint(image, _spot(points, 0.83j, *rng.uniform(0.03, 0.06, 2)), 0.9 * tissue["tumour"])
    if rng.random() < 0.4:  # a marrow or muscle that lights up beside the brain
        centre = 0.84 * np.exp(1j * rng.uniform(0, 2 * np.pi))
        _paint(image, _spot(points, centre, *rng.uniform(0.03, 0.08, 2)), 0.9 * tissue["tumour"])
    _paint(image, _inside(1 - radius), 0)


# --- Tumours


def _draw_tumour(name, points, head, tissue, rng):
    """Draw the tumour of a class.

    Returns:
        oedema, tumour: layers, float32 (S, S) each.
        brightness: of the tumour, a number or float32 (S, S).
    """
    own = np.random.default_rng([head.shape, 2])
    nothing = np.zeros(points.shape, np.float32)
    # The slices of a patient cut one tumour at several heights.
    cut = rng.uniform(0.75, 1.05)
    if name == "glioma":
        return _glioma(points, tissue, own, cut, rng)
    if name == "meningioma":
        return nothing, *_meningioma(points, tissue, own, cut, rng)
    if name == "pituitary":
        return nothing, *_pituitary(points, tissue, own, cut, rng)
    return nothing, nothing, 0


def _glioma(points, tissue, own, cut, rng):
    """An irregular mass in the white matter of one hemisphere, in a halo that has no edge."""
    side = len(points)
    centre = own.choice((-1, 1)) * own.uniform(0.26, 0.5) + 1j * own.uniform(-0.45, 0.45)
    radius = cut * own.uniform(0.15, 0.3)
    apart = points - np.complex64(centre)
    ragged = abs(apart) * np.exp(0.22 * clouds(side, 9, rng) + 0.12 * clouds(side, 20, rng))
    brain = _inside(abs(points) - BRAIN + 0.05)
    halo = 0.85 * _inside(ragged - radius * own.uniform(1.3, 1.9), 0.14) * brain
    core = own.uniform(0.6, 1.0) * _inside(ragged - radius, 0.05) * brain
    rim = _inside(abs(ragged - 0.8 * radius) - 0.28 * radius, 0.06)
    dark = own.uniform(0.1, 0.75) * tissue["tumour"]
    brightness = dark + rim * (own.uniform(0.7, 1.05) * tissue["tumour"] - dark)
    return halo, core, brightness * (1 + 0.15 * clouds(side, 16, rng))


def _meningioma(points, tissue, own, cut, rng):
    """A round mass whose flat side lies on the dura, or on the falx in the midline."""
    radius = cut * own.uniform(0.15, 0.28)
    if own.random() < 0.2:
        centre = own.choice((-1, 1)) * 0.6 * radius + own.choice((-1, 1)) * 1j * own.uniform(0.4, 0.65)
    else:
        centre = (BRAIN - 0.55 * radius) * np.exp(1j * own.uniform(0, 2 * np.pi))
    centre += complex(*rng.normal(0, 0.01, 2))
    layer = _spot(points, centre, radius, radius * own.uniform(0.85, 1.15))
    return layer * _inside(abs(points) - BRAIN), own.uniform(0.8, 1.08) * tissue["tumour"]


def _pituitary(points, tissue, own, cut, rng):
    """A small mass in the midline, about the sella."""
    centre = SELLA + complex(own.normal(0, 0.02), own.uniform(0.02, 0.14)) + complex(*rng.normal(0, 0.01, 2))
    width, height = cut * own.uniform(0.08, 0.15), cut * own.uniform(0.08, 0.14)
    return _spot(points, centre, width, height), own.uniform(0.8, 1.08) * tissue["tumour"]


# --- The scanner


def _scan(image, size, factor, rng):
    """Light the slice unevenly, as a coil does, average it down and add noise; uint8 (size, size, 3)."""
    bias = 1 + 0.12 * clouds(len(image), 3, rng)
    lit = cv2.resize(np.clip(image, 0, None) * bias, (size, size), interpolation=cv2.INTER_AREA)
    lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.3, 0.6)) ** rng.uniform(0.85, 1.15)
    noise = rng.normal(0, rng.uniform(0.01, 0.035), (2, size, size))
    # The magnitude of a signal with noise in both channels (Rice): air is dark, never negative.
    grey = np.hypot(lit * rng.uniform(0.85, 1.1) + noise[0], noise[1])
    return np.repeat(np.clip(255 * grey, 0, 255).round().astype(np.uint8)[..., None], 3, axis=2)
