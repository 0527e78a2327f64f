"""Synthetic photographs of eyes, and the bytes that somebody sends."""

import cv2
import numpy as np

from data_prep.phantoms.eye import Eye
from data_prep.phantoms.retina import draw_fundus


def draw(seed, size=160):
    """Draw a photograph: uint8 (size, size, 3)."""
    rng = np.random.default_rng(seed)
    return draw_fundus(seed % 5, rng, size, Eye("left", 0.5, seed, seed % 3))[0]


def encode(image, suffix=".png"):
    return cv2.imencode(suffix, image[..., ::-1])[1].tobytes()
