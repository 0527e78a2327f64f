"""Draws one synthetic blood cell of a stained smear and the mask of its body.

Everything is placed in cell coordinates, as complex numbers x + iy: the cell in question lies about the middle,
the frame runs from -1 to 1. The picture is drawn two or three times too large and averaged down. Layers are
float32 (S, S), S the side of that large canvas, and say how much of each point they cover, 0..1; colours are
red, green, blue in 0..1.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.blood_cells import CLASSES
from data_prep.phantoms.clouds import clouds

MIN_SIZE = 32
SHIFT = 4  # fractional bits of OpenCV's coordinates

CHROMATIN = np.float32([0.27, 0.16, 0.45])
PLASMA = np.float32([0.98, 0.91, 0.79])
RED_CELL = np.float32([0.80, 0.68, 0.66])
# Gain of red, green, blue: the usual stain, one with more eosin, a bluer one.
STAINS = [(1.0, 1.0, 1.0), (1.02, 0.95, 0.92), (0.86, 0.90, 1.08)]
STAIN_SHARES = (0.7, 0.2, 0.1)


@dataclass(frozen=True)
class Kind:
    """How the cells of one class look.

    Args:
        radius: smallest and largest, in half frames.
        cytoplasm: its colour.
        lobes: how many lobes the nucleus may have; none: no nucleus.
        nucleus: radius of the nucleus (of all lobes together) in radii of the cell, smallest and largest.
        granules: how many there are, smallest and largest number.
        granule: their colour.
        granule_radius: in half frames.
    """

    radius: tuple
    cytoplasm: tuple
    lobes: tuple
    nucleus: tuple
    granules: tuple
    granule: tuple = (0, 0, 0)
    granule_radius: float = 0.02


KINDS = {
    "basophil": Kind(
        (0.42, 0.52), (0.70, 0.60, 0.78), (1, 2), (0.60, 0.78), (90, 150), (0.22, 0.10, 0.36), 0.030
    ),
    "eosinophil": Kind(
        (0.46, 0.60), (0.86, 0.70, 0.68), (2, 3), (0.55, 0.68), (130, 220), (0.80, 0.42, 0.36), 0.028
    ),
    "erythroblast": Kind((0.30, 0.44), (0.68, 0.64, 0.74), (1,), (0.45, 0.72), (0, 0)),
    "ig": Kind((0.50, 0.66), (0.74, 0.66, 0.80), (1,), (0.60, 0.76), (40, 140), (0.52, 0.28, 0.55), 0.014),
    "lymphocyte": Kind((0.33, 0.46), (0.62, 0.68, 0.86), (1,), (0.78, 0.92), (0, 4), (0.5, 0.3, 0.6), 0.016),
    "monocyte": Kind((0.52, 0.68), (0.66, 0.66, 0.78), (1, 2), (0.62, 0.78), (0, 30), (0.6, 0.4, 0.6), 0.010),
    "neutrophil": Kind(
        (0.42, 0.56), (0.90, 0.80, 0.80), (2, 3, 4, 5), (0.52, 0.66), (30, 110), (0.72, 0.54, 0.66), 0.012
    ),
    "platelet": Kind((0.12, 0.24), (0.72, 0.60, 0.76), (), (0, 0), (15, 40), (0.50, 0.26, 0.56), 0.020),
}


def draw_cell(label, rng, size):
    """Draw a synthetic blood cell among red cells, as a stained smear shows it.

    The classes are those of Acevedo et al. (2020) and look as textbooks tell: a basophil hides its nucleus
    under coarse dark granules, an eosinophil is full of orange ones, an erythroblast is small with a round dense
    nucleus, an immature granulocyte (ig) large with a large oval one, a lymphocyte is nearly all nucleus, a
    monocyte large and blue-grey with a folded nucleus and vacuoles, a neutrophil pale with two to five lobes,
    a platelet small and without a nucleus. Stains, focus and light differ from picture to picture.

    Args:
        label: 0..7, index into `CLASSES`.
        rng: numpy Generator; children are spawned from it.
        size: side of the image in pixels, at least 32.

    Returns:
        image: uint8 (size, size, 3), RGB.
        mask: uint8 (size, size), 255 on the cell.

    Raises:
        ValueError: for a label outside 0..7 or a size below 32.
    """
    if label not in range(len(CLASSES)):
        raise ValueError(f"label must be 0..{len(CLASSES) - 1} ({', '.join(CLASSES)}), got {label!r}")
    if size < MIN_SIZE:
        raise ValueError(f"size must be at least {MIN_SIZE} pixels for cells to be visible, got {size}")
    smear_rng, cell_rng, camera_rng = rng.spawn(3)
    name = CLASSES[label]
    side = size * (3 if size <= 128 else 2)
    kind = KINDS[name]
    centre = complex(*cell_rng.normal(0, 0.05, 2))
    radius = cell_rng.uniform(*kind.radius)
    image = _draw_smear(side, centre, radius, smear_rng)
    body = _blob(side, centre, radius, 0.07 if name != "platelet" else 0.18, cell_rng)
    _paint(image, body, _uneven(kind.cytoplasm, side, 0.10, cell_rng))
    if kind.lobes:
        nucleus = _draw_nucleus(side, centre, radius, name, kind, cell_rng) * body
        chromatin = _uneven(CHROMATIN * cell_rng.uniform(0.85, 1.2), side, 0.25, cell_rng, cells=24)
        _paint(image, nucleus, chromatin)
    _draw_granules(image, centre, radius, name, kind, body, cell_rng)
    mask = cv2.resize(body, (size, size), interpolation=cv2.INTER_AREA)
    return _photograph(image, size, camera_rng), np.where(mask > 0.5, 255, 0).astype(np.uint8)


# --- Layers


def _paint(image, layer, colour):
    """Cover `image` (S, S, 3), in place, with a colour: fully where `layer` is 1."""
    image += layer[..., None] * (colour - image)


def _uneven(colour, side, amount, rng, cells=10):
    """Return a colour that is a little lighter here and darker there, float32 (S, S, 3)."""
    return np.float32(colour) * (1 + amount * clouds(side, cells, rng))[..., None]


def _blob(side, centre, radius, ragged, rng, stretch=1.0):
    """Return a layer that covers a round shape with a wavy outline."""
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    waves = sum(rng.normal(0, ragged / k) * np.cos(k * turn + rng.uniform(0, 7)) for k in (2, 3, 5, 8))
    outline = np.exp(1j * turn) * radius * (1 + waves)
    outline = (outline.real * stretch + 1j * outline.imag / stretch) * np.exp(1j * rng.uniform(0, 2 * np.pi))
    return _filled(side, centre + outline)


def _filled(side, outline):
    """Return a layer that covers a polygon, complex (P,), float32 (side, side)."""
    layer = np.zeros((side, side), np.uint8)
    corners = np.stack([outline.real, outline.imag], axis=1)
    cv2.fillPoly(layer, [np.round((corners + 1) / 2 * side * 2**SHIFT).astype(np.int32)], 1, shift=SHIFT)
    return layer.astype(np.float32)


# --- The smear


def _draw_smear(side, centre, radius, rng):
    """Return plasma with red cells around the cell in question, float32 (S, S, 3)."""
    image = np.tile(PLASMA * rng.uniform(0.95, 1.02), (side, side, 1)).astype(np.float32)
    for _ in range(rng.integers(3, 9)):
        red_radius = rng.uniform(0.28, 0.36)
        place = rng.uniform(0.5, 1.3) * np.exp(1j * rng.uniform(0, 2 * np.pi))
        if abs(place - centre) < radius + 0.6 * red_radius:
            continue
        _paint(image, _blob(side, place, red_radius, 0.04, rng), RED_CELL * rng.normal(1, 0.03))
        _paint(image, 0.5 * _blob(side, place, 0.4 * red_radius, 0.08, rng), PLASMA)
    return image


# --- The cell


def _draw_nucleus(side, centre, radius, name, kind, rng):
    """Return the layer of the nucleus: round, folded, or lobes on a bow."""
    reach = radius * rng.uniform(*kind.nucleus)
    num_lobes = int(rng.choice(kind.lobes))
    if num_lobes == 1:
        shift = max(0.0, radius - reach) * rng.uniform(0, 0.8) * np.exp(1j * rng.uniform(0, 2 * np.pi))
        is_round = name in ("erythroblast", "lymphocyte")
        stretch = rng.uniform(1.0, 1.06) if is_round else rng.uniform(1.08, 1.3)
        layer = _blob(side, centre + shift, reach, 0.03 if is_round else 0.08, rng, stretch)
        if name == "monocyte" or (name == "ig" and rng.random() < 0.3):
            fold = centre + shift + reach * rng.uniform(0.8, 1.1) * np.exp(1j * rng.uniform(0, 2 * np.pi))
            layer = layer * (1 - _blob(side, fold, 0.42 * reach, 0.05, rng))
        return layer
    start, bow = rng.uniform(0, 2 * np.pi), rng.uniform(3.0, 4.4)
    places = centre + 0.62 * reach * np.exp(1j * (start + np.linspace(0, bow, num_lobes)))
    size = reach * {2: 0.62, 3: 0.52}.get(num_lobes, 0.42)
    lobes = [_blob(side, place, size * rng.uniform(0.9, 1.1), 0.06, rng) for place in places]
    arc = np.exp(1j * (start + np.linspace(0, bow, 24)))
    bridge = _filled(side, centre + reach * np.concatenate([0.72 * arc, 0.52 * arc[::-1]]))
    return np.maximum(np.max(lobes, axis=0), bridge)


def _draw_granules(image, centre, radius, name, kind, body, rng):
    """Paint granules, and a monocyte's vacuoles, in place."""
    # Granules under the nucleus hardly show; a basophil's lie on top of it.
    dark = (image.mean(axis=2) < 0.42) & (name != "basophil")
    number = int(rng.integers(kind.granules[0], kind.granules[1] + 1))
    layer = _dots(len(image), centre, radius, number, kind.granule_radius, rng)
    _paint(image, layer * body * np.where(dark, 0.15, 0.9), np.float32(kind.granule))
    if name == "monocyte":
        holes = _dots(len(image), centre, 0.9 * radius, int(rng.integers(0, 6)), 0.035, rng)
        _paint(image, 0.7 * holes * body, np.float32([0.92, 0.88, 0.92]))


def _dots(side, centre, radius, number, size, rng):
    """Return a layer of discs of about this size, spread evenly over a larger disc."""
    layer = np.zeros((side, side), np.uint8)
    places = centre + radius * np.sqrt(rng.random(number)) * np.exp(1j * rng.uniform(0, 2 * np.pi, number))
    for place, dot in zip(places, size * rng.uniform(0.7, 1.3, number), strict=True):
        middle = tuple(round((value + 1) / 2 * side * 2**SHIFT) for value in (place.real, place.imag))
        cv2.circle(layer, middle, round(dot / 2 * side * 2**SHIFT), 1, -1, cv2.LINE_8, SHIFT)
    return layer.astype(np.float32)


# --- The camera


def _photograph(image, size, rng):
    """Stain, light and average down the picture, blur it a little and add noise; uint8 (size, size, 3)."""
    stain = np.float32(STAINS[rng.choice(len(STAINS), p=STAIN_SHARES)]) * rng.normal(1, 0.02, 3)
    small = cv2.resize(np.clip(image, 0, 1), (size, size), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.3, 0.9)) * stain * rng.uniform(0.92, 1.03)
    small = small + rng.normal(0, rng.uniform(0.004, 0.015), small.shape)
    return np.clip(255 * small, 0, 255).round().astype(np.uint8)
