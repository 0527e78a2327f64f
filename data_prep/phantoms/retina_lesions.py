"""The lesions of each grade of diabetic retinopathy, as layers uint8 (S, S) of the large canvas of `retina.py`."""

import cv2
import numpy as np

from data_prep.phantoms.eye import OPTIC_DISC, OPTIC_DISC_RADIUS
from data_prep.phantoms.strokes import blot, disc, ellipse, line, random_walk, scatter

CLASSES = ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]


def draw_lesions(grade, view, rng):
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
        disc(blood, view.pixels(place), radius, int(rng.integers(210, 256)))


def _haemorrhages(blood, view, count, rng, quadrant=None):
    """Blots, and flames along the nerve fibres that leave the optic disc, drawn into `blood` in place."""
    for place in _places(view, count, rng, quadrant):
        size, density = rng.uniform(0.035, 0.07), int(rng.integers(185, 250))
        centre = view.pixels(place)
        if rng.random() < 0.35:
            length, width = view.length(2.0 * size, smallest=2.0), view.length(0.5 * size, smallest=0.75)
            outwards = np.angle(centre - view.pixels(OPTIC_DISC), deg=True)
            ellipse(blood, centre, length, width, density, outwards)
        else:
            blot(blood, centre, view.length(size, smallest=1.1), density, rng)


def _exudates(pale, view, clusters, rng):
    """Clusters of small sharp yellow grains, some in a ring, drawn into `pale` in place."""
    for centre in 0.75 * _places(view, clusters, rng):
        spread, ring, grains = rng.uniform(0.06, 0.15), rng.random() < 0.4, rng.integers(8, 22)
        reach = rng.normal(1, 0.12, grains) if ring else np.sqrt(rng.random(grains))
        for place in centre + spread * reach * np.exp(2j * np.pi * rng.random(grains)):
            if view.sees(place):
                radius = view.length(rng.uniform(0.008, 0.022), smallest=0.75)
                blot(pale, view.pixels(place), radius, int(rng.integers(170, 235)), rng)


def _new_vessels(blood, view, rng):
    """A lace of fine, curling vessels on the optic disc, and often a second one elsewhere, in place."""
    roots = [OPTIC_DISC + scatter(0.05, rng), *_places(view, rng.integers(0, 2), rng)]
    for root in roots:
        step = rng.uniform(0.018, 0.028)
        for angle in rng.uniform(0, 2 * np.pi, rng.integers(14, 24)):
            curl = random_walk(root, angle, 16, step, 0.55, rng)
            line(blood, view.pixels(curl), view.length(0.010, smallest=0.45), 225)


def _vitreous_haemorrhage(blood, view, rng):
    """A large pool of blood in front of the retina, level at its top, drawn into `blood` in place."""
    centre = view.pixels(complex(rng.uniform(-0.45, 0.35), rng.uniform(0.15, 0.5)))
    width, height = view.length(rng.uniform(0.2, 0.4)), view.length(rng.uniform(0.12, 0.3))
    pool = np.zeros_like(blood)
    ellipse(pool, centre, width, height, int(rng.integers(180, 240)))
    pool[: int(centre.imag - 0.3 * height)] = 0
    np.maximum(blood, cv2.GaussianBlur(pool, (0, 0), 0.02 * view.radius + 0.5), out=blood)
