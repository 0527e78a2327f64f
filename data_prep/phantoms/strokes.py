"""Strokes with fractions of a pixel, on layers uint8 (S, S), and the random lines that they follow.

Points are complex numbers x + iy, here in pixels.
"""

import cv2
import numpy as np

SHIFT = 4  # OpenCV takes coordinates as whole numbers of 1 / 2**SHIFT pixel


def _fixed(points):
    """Return complex pixels as OpenCV's fixed-point coordinates, int32 (N, 2)."""
    return np.rint(np.atleast_1d(points).view(np.float64) * 2**SHIFT).astype(np.int32).reshape(-1, 2)


def disc(layer, centre, radius, value):
    """Fill a circle, in place."""
    cv2.circle(
        layer, _fixed(centre)[0].tolist(), round(radius * 2**SHIFT), value, cv2.FILLED, cv2.LINE_AA, SHIFT
    )


def ellipse(layer, centre, width, height, value, degrees=0.0):
    """Fill an ellipse with these half axes, turned clockwise, in place."""
    axes = round(width * 2**SHIFT), round(height * 2**SHIFT)
    middle = _fixed(centre)[0].tolist()
    cv2.ellipse(layer, middle, axes, degrees, 0, 360, value, cv2.FILLED, cv2.LINE_AA, SHIFT)


def blot(layer, centre, radius, value, rng):
    """Fill an irregular blob of about this radius, in place."""
    corners = centre + radius * rng.uniform(0.75, 1.3, 10) * np.exp(2j * np.pi * np.arange(10) / 10)
    cv2.fillPoly(layer, [_fixed(corners)], value, cv2.LINE_AA, SHIFT)


def line(layer, points, width, value):
    """Draw an open line of this width, in place."""
    cv2.polylines(layer, [_fixed(points)], False, round(value), max(1, round(width)), cv2.LINE_AA, SHIFT)


def random_walk(start, angle, steps, length, turn, rng):
    """Return a wandering line, complex (steps,), whose heading changes by N(0, turn) radians a step."""
    headings = angle + np.cumsum(rng.normal(0, turn, steps))
    return start + length * (np.cumsum(np.exp(1j * headings)) - np.exp(1j * headings[0]))


def scatter(sigma, rng, count=None):
    """Return normally distributed shifts, complex (count,), or one where `count` is None."""
    return rng.normal(0, sigma, count) + 1j * rng.normal(0, sigma, count)
