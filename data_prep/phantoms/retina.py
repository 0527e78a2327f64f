"""Draws one synthetic fundus photograph and the mask of its lesions.

Everything is placed in eye coordinates, as complex numbers x + iy: the field of view is the unit disc, x
points to the nose (so the optic disc lies at x > 0 and a left eye is a mirrored right eye), y points down. The
picture is drawn two or three times too large and averaged down, which is what makes thin vessels and small
lesions look photographed. Layers are drawn as uint8 (S, S), S the side of that large canvas.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.phantoms.clouds import clouds

CLASSES = ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]
MIN_SIZE = 32

OPTIC_DISC = 0.50 + 0.02j  # centre, in radii of the field of view
OPTIC_DISC_RADIUS = 0.155
MACULA = -0.12 + 0.06j
MARGIN = 0.08  # of the field of view, where nothing is placed, in radii

# Colours are red, green, blue in 0..1; BLOOD is the share of each that a layer of blood takes away.
FAIR, DARK = np.float32([0.90, 0.52, 0.26]), np.float32([0.66, 0.33, 0.17])
BLOOD = (0.45, 0.85, 0.75)
EXUDATE = (1.0, 0.93, 0.55)

# radius: of the field of view, in image widths; flat: where the frame cuts it above and below, in radii;
# white: gain of red, green, blue; blur: in pixels of the finished image; noise: standard deviation.
CAMERAS = [
    {"radius": 0.485, "flat": 1.00, "white": (1.00, 1.00, 1.00), "blur": 0.35, "noise": 0.008},
    {"radius": 0.500, "flat": 0.86, "white": (1.04, 0.96, 0.80), "blur": 0.45, "noise": 0.011},
    {"radius": 0.470, "flat": 0.94, "white": (0.94, 1.04, 1.15), "blur": 0.30, "noise": 0.014},
]


@dataclass(frozen=True)
class Eye:
    """What all photographs of one eye share.

    Args:
        side: "right" or "left".
        pigment: 0 (fair fundus, orange) to 1 (dark fundus, brown).
        vessels: seed of the vessel tree.
        camera: index into `CAMERAS`.
    """

    side: str
    pigment: float
    vessels: int
    camera: int

    @classmethod
    def random(cls, rng):
        """Return an eye drawn from `rng`."""
        side = "right" if rng.random() < 0.5 else "left"
        return cls(side, float(rng.random()), int(rng.integers(2**32)), int(rng.integers(len(CAMERAS))))


@dataclass(frozen=True)
class View:
    """How one photograph maps eye coordinates to the pixels of the large canvas.

    Args:
        size: side of the canvas in pixels.
        factor: canvas pixels per pixel of the finished image.
        radius: of the field of view, canvas pixels.
        flat: half height of the field of view, in radii.
        mirrored: whether it is a left eye.
        gaze: where the eye looked, as a shift of the retina in radii (complex).
    """

    size: int
    factor: int
    radius: float
    flat: float
    mirrored: bool
    gaze: complex

    @property
    def middle(self):
        """The centre of the canvas, complex pixels."""
        return (self.size / 2 - 0.5) * (1 + 1j)

    def field(self, points):
        """Map eye coordinates to radii around the middle of the field of view."""
        return (-np.conj(points) if self.mirrored else points) + self.gaze

    def pixels(self, points):
        """Map eye coordinates to canvas pixels, complex as well."""
        return self.middle + self.radius * self.field(points)

    def length(self, radii, smallest=0.0):
        """Map a length in radii to canvas pixels, never below `smallest` pixels of the finished image."""
        return max(radii * self.radius, smallest * self.factor)

    def sees(self, point):
        """Tell whether a point of the eye lies in the photographed field, `MARGIN` radii from its edge."""
        seen = self.field(point)
        return abs(seen) < 1 - MARGIN and abs(seen.imag) < self.flat - MARGIN


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
    blood, pale = _draw_lesions(grade, view, lesion_rng)

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
        _ellipse(layer, view.pixels(OPTIC_DISC), tilt * height, height, opacity)
        _paint(retina, cv2.GaussianBlur(layer, (0, 0), 0.02 * view.radius + 0.5), colour)


def _draw_vessels(eye, view):
    """Return the vessel tree as the density of its blood, uint8 (S, S)."""
    layer = np.zeros((view.size, view.size), np.uint8)
    for points, start, end, density in _grow_vessels(np.random.default_rng(eye.vessels)):
        pixels = view.pixels(points)
        for i in range(0, len(pixels) - 1, 6):  # six steps at a time, each run thinner than the one before
            width = start + (end - start) * i / len(pixels)
            _line(layer, pixels[i : i + 7], view.length(width, smallest=0.35), density)
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
    a, b, c = (bend.real + up * 1j * bend.imag + _scatter(0.07, rng) for bend in bends)
    t = np.linspace(0, 1, 24)
    curve = (1 - t) ** 3 * OPTIC_DISC + 3 * t * (1 - t) ** 2 * a + 3 * t**2 * (1 - t) * b + t**3 * c
    return curve + np.cumsum(_scatter(0.006, rng, 24))


def _branch(parent, at, width, density, rng, depth=2):
    """Return the branch that leaves `parent` at index `at`, and its own branches."""
    turn = rng.choice((-1, 1)) * rng.uniform(0.4, 1.0)
    points = _random_walk(parent[at], np.angle(parent[at] - parent[at - 1]) + turn, 12, 0.045, 0.17, rng)
    close = np.flatnonzero(abs(points - MACULA) < 0.16)  # the fovea has no vessels
    points = points[: close[0]] if len(close) else points
    if len(points) < 4:
        return []
    branches = [(points, width, 0.5 * width, 0.9 * density)]
    if depth > 1:
        for i in rng.integers(3, len(points), rng.integers(0, 3)):
            branches += _branch(points, i, 0.7 * width, 0.9 * density, rng, depth - 1)
    return branches


def _random_walk(start, angle, steps, length, turn, rng):
    """Return a wandering line, complex (steps,), whose heading changes by N(0, turn) radians a step."""
    headings = angle + np.cumsum(rng.normal(0, turn, steps))
    return start + length * (np.cumsum(np.exp(1j * headings)) - np.exp(1j * headings[0]))


def _scatter(sigma, rng, count=None):
    """Return normally distributed shifts, complex (count,), or one where `count` is None."""
    return rng.normal(0, sigma, count) + 1j * rng.normal(0, sigma, count)


def _draw_drusen(view, rng):
    """Return soft pale speckles near the macula in one eye of four, uint8 (S, S): they resemble exudates."""
    layer = np.zeros((view.size, view.size), np.uint8)
    if rng.random() < 0.25:
        for centre in MACULA + _scatter(0.22, rng, rng.integers(3, 12)):
            _disc(layer, view.pixels(centre), view.length(rng.uniform(0.012, 0.025), smallest=0.5), 110)
    return cv2.GaussianBlur(layer, (0, 0), 0.5 * view.factor)


# --- Lesions


def _draw_lesions(grade, view, rng):
    """Draw the lesions of a grade.

    Returns:
        blood, pale: density of the red and of the yellow-white lesions, uint8 (S, S) each.
    """
    blood, pale = np.zeros((2, view.size, view.size), np.uint8)
    if CLASSES[grade] == "Mild":
        _microaneurysms(blood, view, rng.integers(2, 13), rng)
    elif CLASSES[grade] == "Moderate":
        _microaneurysms(blood, view, rng.integers(4, 13), rng)
        _haemorrhages(blood, view, rng.integers(2, 13), rng)
        if rng.random() < 0.85:
            _exudates(pale, view, rng.integers(1, 4), rng)
    elif CLASSES[grade] == "Severe":
        _microaneurysms(blood, view, rng.integers(6, 15), rng)
        for quadrant in range(4):
            _haemorrhages(blood, view, rng.integers(4, 10), rng, quadrant)
        if rng.random() < 0.6:
            _exudates(pale, view, rng.integers(1, 4), rng)
    elif CLASSES[grade] == "Proliferate_DR":
        _microaneurysms(blood, view, rng.integers(2, 10), rng)
        _haemorrhages(blood, view, rng.integers(2, 12), rng)
        if rng.random() < 0.4:
            _exudates(pale, view, rng.integers(1, 3), rng)
        _new_vessels(blood, view, rng)
        if rng.random() < 0.65:
            _vitreous_haemorrhage(blood, view, rng)
    return blood, pale


def _places(view, count, rng, quadrant=None):
    """Return `count` random points of the photographed retina, complex (count,), off the optic disc.

    `quadrant` 0..3 keeps them to one quarter of the field.
    """
    places = []
    while len(places) < count:
        turns = rng.random() if quadrant is None else (quadrant + rng.random()) / 4
        place = 0.92 * np.sqrt(rng.random()) * np.exp(2j * np.pi * turns)
        if view.sees(place) and abs(place - OPTIC_DISC) > 1.4 * OPTIC_DISC_RADIUS:
            places.append(place)
    return np.array(places)


def _microaneurysms(blood, view, count, rng):
    """Small sharp red dots, drawn into `blood` in place."""
    for place in _places(view, count, rng):
        radius = view.length(rng.uniform(0.014, 0.022), smallest=0.9)
        _disc(blood, view.pixels(place), radius, int(rng.integers(210, 256)))


def _haemorrhages(blood, view, count, rng, quadrant=None):
    """Blots, and flames along the nerve fibres that leave the optic disc, drawn into `blood` in place."""
    for place in _places(view, count, rng, quadrant):
        size, density = rng.uniform(0.035, 0.07), int(rng.integers(185, 250))
        centre = view.pixels(place)
        if rng.random() < 0.35:
            length, width = view.length(2.0 * size, smallest=2.0), view.length(0.5 * size, smallest=0.75)
            outwards = np.angle(centre - view.pixels(OPTIC_DISC), deg=True)
            _ellipse(blood, centre, length, width, density, outwards)
        else:
            _blot(blood, centre, view.length(size, smallest=1.1), density, rng)


def _exudates(pale, view, clusters, rng):
    """Clusters of small sharp yellow grains, some in a ring, drawn into `pale` in place."""
    for centre in 0.75 * _places(view, clusters, rng):
        spread, ring, grains = rng.uniform(0.06, 0.15), rng.random() < 0.4, rng.integers(8, 22)
        reach = rng.normal(1, 0.12, grains) if ring else np.sqrt(rng.random(grains))
        for place in centre + spread * reach * np.exp(2j * np.pi * rng.random(grains)):
            if view.sees(place):
                radius = view.length(rng.uniform(0.008, 0.022), smallest=0.75)
                _blot(pale, view.pixels(place), radius, int(rng.integers(170, 235)), rng)


def _new_vessels(blood, view, rng):
    """A lace of fine, curling vessels on the optic disc, and often a second one elsewhere, in place."""
    roots = [OPTIC_DISC + _scatter(0.05, rng), *_places(view, rng.integers(0, 2), rng)]
    for root in roots:
        step = rng.uniform(0.018, 0.028)
        for angle in rng.uniform(0, 2 * np.pi, rng.integers(14, 24)):
            line = _random_walk(root, angle, 16, step, 0.55, rng)
            _line(blood, view.pixels(line), view.length(0.010, smallest=0.45), 225)


def _vitreous_haemorrhage(blood, view, rng):
    """A large pool of blood in front of the retina, level at its top, drawn into `blood` in place."""
    centre = view.pixels(complex(rng.uniform(-0.45, 0.35), rng.uniform(0.15, 0.5)))
    width, height = view.length(rng.uniform(0.2, 0.4)), view.length(rng.uniform(0.12, 0.3))
    pool = np.zeros_like(blood)
    _ellipse(pool, centre, width, height, int(rng.integers(180, 240)))
    pool[: int(centre.imag - 0.3 * height)] = 0
    np.maximum(blood, cv2.GaussianBlur(pool, (0, 0), 0.02 * view.radius + 0.5), out=blood)


# --- The camera


def _photograph(retina, camera, view, size, rng):
    """Light the retina (3, S, S) unevenly, average it down, blur it, add noise, cut the field of view.

    Returns:
        image: uint8 (size, size, 3).
        field: float32 (size, size), 1 inside the field of view and 0 outside.
    """
    light = 0.58 + 0.42 * _glow(view, _scatter(0.25, rng), rng.uniform(0.6, 1.0))
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
    for place in _scatter(0.45, rng, rng.poisson(1.5)):
        _disc(layer, view.pixels(place), view.length(rng.uniform(0.015, 0.03), smallest=0.75), 255)
    return cv2.GaussianBlur(layer, (0, 0), 0.6 * view.factor).astype(np.float32) / 255


def _field_of_view(view, size):
    """Return the round aperture, cut flat above and below, float32 (size, size) in 0..1."""
    layer = np.zeros((view.size, view.size), np.uint8)
    _disc(layer, view.middle, view.radius - view.factor, 255)
    cut = round(view.size / 2 - view.flat * view.radius)
    if cut > 0:
        layer[:cut] = layer[view.size - cut :] = 0
    return cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


# --- Strokes with fractions of a pixel

SHIFT = 4  # OpenCV takes coordinates as whole numbers of 1 / 2**SHIFT pixel


def _fixed(points):
    """Return complex pixels as OpenCV's fixed-point coordinates, int32 (N, 2)."""
    return np.rint(np.atleast_1d(points).view(np.float64) * 2**SHIFT).astype(np.int32).reshape(-1, 2)


def _disc(layer, centre, radius, value):
    """Fill a circle, in place."""
    cv2.circle(
        layer, _fixed(centre)[0].tolist(), round(radius * 2**SHIFT), value, cv2.FILLED, cv2.LINE_AA, SHIFT
    )


def _ellipse(layer, centre, width, height, value, degrees=0.0):
    """Fill an ellipse with these half axes, turned clockwise, in place."""
    axes = round(width * 2**SHIFT), round(height * 2**SHIFT)
    middle = _fixed(centre)[0].tolist()
    cv2.ellipse(layer, middle, axes, degrees, 0, 360, value, cv2.FILLED, cv2.LINE_AA, SHIFT)


def _blot(layer, centre, radius, value, rng):
    """Fill an irregular blob of about this radius, in place."""
    corners = centre + radius * rng.uniform(0.75, 1.3, 10) * np.exp(2j * np.pi * np.arange(10) / 10)
    cv2.fillPoly(layer, [_fixed(corners)], value, cv2.LINE_AA, SHIFT)


def _line(layer, points, width, value):
    """Draw an open line of this width, in place."""
    cv2.polylines(layer, [_fixed(points)], False, round(value), max(1, round(width)), cv2.LINE_AA, SHIFT)
