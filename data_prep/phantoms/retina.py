"""Draws one synthetic fundus photograph and the mask of its lesions.

Everything is placed in the eye coordinates of `eye.py`. The picture is drawn two or three times too large and
averaged down, which is what makes thin vessels and small lesions look photographed. Layers are drawn as uint8
(S, S), S the side of that large canvas.
"""

import cv2
import numpy as np

from data_prep.phantoms.clouds import clouds
from data_prep.phantoms.eye import CAMERAS, MACULA, OPTIC_DISC, OPTIC_DISC_RADIUS, Eye, View
from data_prep.phantoms.retina_lesions import CLASSES, draw_lesions
from data_prep.phantoms.strokes import disc, ellipse, line, random_walk, scatter

MIN_SIZE = 32

# Colours are red, green, blue in 0..1; BLOOD is the share of each that a layer of blood takes away.
FAIR, DARK = np.float32([0.90, 0.52, 0.26]), np.float32([0.66, 0.33, 0.17])
BLOOD = (0.45, 0.85, 0.75)
EXUDATE = (1.0, 0.93, 0.55)


def draw_fundus(grade, rng, size, eye=None):
    """Draw a synthetic fundus photograph of the given grade of diabetic retinopathy.

    The lesions follow the international five-grade scale as the introduction of the CheXNet-CBAM paper
    (Frontiers in Medicine 2026, doi 10.3389/fmed.2026.1732109) tells it: 0 none; 1 microaneurysms only; 2 also
    haemorrhages and hard exudates; 3 many haemorrhages in all four quadrants; 4 new vessels, often with bleeding
    into the vitreous. Vessel crossings, drusen, dust and uneven light are in every grade, to be confused with
    lesions. The same state of `rng` gives the same eye and camera at every grade, so a picture can be compared
    with its lesion-free twin.

    Args:
        grade: 0..4, index into `CLASSES`.
        rng: numpy Generator; children are spawned from it.
        size: side of the image in pixels, at least 32.
        eye: `Eye` to photograph; drawn from `rng` when None.

    Returns:
        image: uint8 (size, size, 3), RGB, black outside the field of view.
        mask: uint8 (size, size), 255 on lesions and 0 elsewhere; all zero for grade 0, never for the others.

    Raises:
        ValueError: for a grade outside 0..4 or a size below 32.
    """
    if grade not in range(len(CLASSES)):
        raise ValueError(f"grade must be 0..{len(CLASSES) - 1} ({', '.join(CLASSES)}), got {grade!r}")
    if size < MIN_SIZE:
        raise ValueError(f"size must be at least {MIN_SIZE} pixels for lesions to be visible, got {size}")
    eye_rng, retina_rng, lesion_rng, camera_rng = rng.spawn(4)
    eye = eye or Eye.random(eye_rng)
    view = _point_camera(eye, size, camera_rng)
    blood, pale = draw_lesions(grade, view, lesion_rng)

    retina = _draw_retina(eye, view, retina_rng)
    _absorb(retina, cv2.GaussianBlur(blood, (0, 0), 0.2 * view.factor), BLOOD)
    _paint(retina, cv2.GaussianBlur(pale, (0, 0), 0.2 * view.factor), EXUDATE)
    image, field = _photograph(retina, CAMERAS[eye.camera], view, size, camera_rng)

    lesions = ((blood > 60) | (pale > 60)).astype(np.uint8) * 255
    covered = cv2.resize(lesions, (size, size), interpolation=cv2.INTER_AREA)
    return image, np.where((covered > 63) & (field > 0.5), 255, 0).astype(np.uint8)


# --- The healthy eye


def _point_camera(eye, size, rng):
    """Return the `View` of one photograph: no two are centred alike."""
    camera = CAMERAS[eye.camera]
    factor = 3 if size <= 128 else 2
    gaze = complex(*rng.uniform(-0.07, 0.07, 2))
    radius = camera["radius"] * size * factor
    return View(size * factor, factor, radius, camera["flat"], eye.side == "left", gaze)


def _draw_retina(eye, view, rng):
    """Return the lesion-free retina, float32 (3, S, S) in 0..1: background, macula, disc, vessels, drusen."""
    texture = 1 + 0.05 * clouds(view.size, 6, rng) + 0.04 * clouds(view.size, 24, rng)
    colour = FAIR + np.float32(eye.pigment) * (DARK - FAIR)
    retina = texture * colour[:, None, None]
    _absorb(retina, 255 * _glow(view, MACULA, 0.16), (0.36, 0.48, 0.48))
    _draw_optic_disc(retina, view, rng)
    _absorb(retina, cv2.GaussianBlur(_draw_vessels(eye, view), (0, 0), 0.3 * view.factor), BLOOD)
    _paint(retina, _draw_drusen(view, rng), (0.95, 0.80, 0.45))
    return retina


def _absorb(planes, layer, shares):
    """Take light away from `planes` (3, S, S), in place: these shares of each colour where `layer` is 255."""
    for plane, share in zip(planes, shares, strict=True):
        plane *= 1 - np.float32(share / 255) * layer


def _paint(planes, layer, colour):
    """Cover `planes` (3, S, S), in place, with a colour: fully where `layer` is 255."""
    opacity = layer * np.float32(1 / 255)
    for plane, value in zip(planes, colour, strict=True):
        plane += opacity * (np.float32(value) - plane)


def _glow(view, centre, sigma):
    """Return a Gaussian bump of height 1, float32 (S, S), around a point in eye coordinates."""
    centre, sigma, axis = view.pixels(centre), sigma * view.radius, np.arange(view.size, dtype=np.float32)
    down, across = (np.exp(-0.5 * ((axis - at) / sigma) ** 2) for at in (centre.imag, centre.real))
    return np.outer(down, across)


def _draw_optic_disc(retina, view, rng):
    """Paint the pale optic disc with its brighter cup into `retina` (3, S, S), in place."""
    radius, cup, tilt = (
        OPTIC_DISC_RADIUS * rng.uniform(0.9, 1.1),
        rng.uniform(0.4, 0.6),
        rng.uniform(0.85, 1.0),
    )
    for scale, colour, opacity in ((1.0, (0.98, 0.74, 0.45), 215), (cup, (1.0, 0.92, 0.72), 200)):
        layer = np.zeros((view.size, view.size), np.uint8)
        height = view.length(radius * scale)
        ellipse(layer, view.pixels(OPTIC_DISC), tilt * height, height, opacity)
        _paint(retina, cv2.GaussianBlur(layer, (0, 0), 0.02 * view.radius + 0.5), colour)


def _draw_vessels(eye, view):
    """Return the vessel tree as the density of its blood, uint8 (S, S)."""
    layer = np.zeros((view.size, view.size), np.uint8)
    for points, start, end, density in _grow_vessels(np.random.default_rng(eye.vessels)):
        pixels = view.pixels(points)
        for i in range(0, len(pixels) - 1, 6):  # six steps at a time, each run thinner than the one before
            width = start + (end - start) * i / len(pixels)
            line(layer, pixels[i : i + 7], view.length(width, smallest=0.35), density)
    return layer


def _grow_vessels(rng):
    """Grow four arcades, each an artery and a vein, out of the optic disc.

    Returns:
        list of (points (N,) complex, width at the start, width at the end, density 0..255).
    """
    vessels = []
    for up in (-1, 1):
        for temporal in (True, False):
            for width, density in ((0.020, 125), (0.028, 175)):  # arteries are thinner and lighter than veins
                arc = _arcade(up, temporal, rng)
                vessels.append((arc, width, 0.4 * width, density))
                for i in rng.integers(4, len(arc) - 3, 4 if temporal else 2):
                    vessels += _branch(arc, i, 0.55 * width, density, rng)
    return vessels


def _arcade(up, temporal, rng):
    """Return one main vessel, complex (24,): temporal ones bend around the macula, nasal ones run out."""
    bends = (
        [0.40 + 0.62j, -0.25 + 0.62j, -0.95 + 0.38j] if temporal else [0.55 + 0.3j, 0.7 + 0.45j, 0.95 + 0.75j]
    )
    a, b, c = (bend.real + up * 1j * bend.imag + scatter(0.07, rng) for bend in bends)
    t = np.linspace(0, 1, 24)
    curve = (1 - t) ** 3 * OPTIC_DISC + 3 * t * (1 - t) ** 2 * a + 3 * t**2 * (1 - t) * b + t**3 * c
    return curve + np.cumsum(scatter(0.006, rng, 24))


def _branch(parent, at, width, density, rng, depth=2):
    """Return the branch that leaves `parent` at index `at`, and its own branches."""
    turn = rng.choice((-1, 1)) * rng.uniform(0.4, 1.0)
    points = random_walk(parent[at], np.angle(parent[at] - parent[at - 1]) + turn, 12, 0.045, 0.17, rng)
    close = np.flatnonzero(abs(points - MACULA) < 0.16)  # the fovea has no vessels
    points = points[: close[0]] if len(close) else points
    if len(points) < 4:
        return []
    branches = [(points, width, 0.5 * width, 0.9 * density)]
    if depth > 1:
        for i in rng.integers(3, len(points), rng.integers(0, 3)):
            branches += _branch(points, i, 0.7 * width, 0.9 * density, rng, depth - 1)
    return branches


def _draw_drusen(view, rng):
    """Return soft pale speckles near the macula in one eye of four, uint8 (S, S): they resemble exudates."""
    layer = np.zeros((view.size, view.size), np.uint8)
    if rng.random() < 0.25:
        for centre in MACULA + scatter(0.22, rng, rng.integers(3, 12)):
            disc(layer, view.pixels(centre), view.length(rng.uniform(0.012, 0.025), smallest=0.5), 110)
    return cv2.GaussianBlur(layer, (0, 0), 0.5 * view.factor)


# --- The camera


def _photograph(retina, camera, view, size, rng):
    """Light the retina (3, S, S) unevenly, average it down, blur it, add noise, cut the field of view.

    Returns:
        image: uint8 (size, size, 3).
        field: float32 (size, size), 1 inside the field of view and 0 outside.
    """
    light = 0.58 + 0.42 * _glow(view, scatter(0.25, rng), rng.uniform(0.6, 1.0))
    lit = cv2.merge(list(retina * (light * (1 - 0.5 * _draw_dust(view, rng)))))
    image = cv2.resize(lit, (size, size), interpolation=cv2.INTER_AREA)
    image = cv2.GaussianBlur(image, (0, 0), camera["blur"] * rng.uniform(0.7, 1.4))
    image *= np.float32(camera["white"]) * np.float32(rng.uniform(0.9, 1.1))
    image += rng.normal(0, camera["noise"], image.shape).astype(np.float32)
    field = _field_of_view(view, size)
    return np.clip(255 * image * field[..., None], 0, 255).round().astype(np.uint8), field


def _draw_dust(view, rng):
    """Return the shadows of dust on the lens, float32 (S, S) in 0..1: dark like blood, but grey and soft."""
    layer = np.zeros((view.size, view.size), np.uint8)
    for place in scatter(0.45, rng, rng.poisson(1.5)):
        disc(layer, view.pixels(place), view.length(rng.uniform(0.015, 0.03), smallest=0.75), 255)
    return cv2.GaussianBlur(layer, (0, 0), 0.6 * view.factor).astype(np.float32) / 255


def _field_of_view(view, size):
    """Return the round aperture, cut flat above and below, float32 (size, size) in 0..1."""
    layer = np.zeros((view.size, view.size), np.uint8)
    disc(layer, view.middle, view.radius - view.factor, 255)
    cut = round(view.size / 2 - view.flat * view.radius)
    if cut > 0:
        layer[:cut] = layer[view.size - cut :] = 0
    return cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
