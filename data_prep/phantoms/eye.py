"""An eye, and how one photograph of it maps eye coordinates to pixels.

Eye coordinates are complex numbers x + iy: the field of view is the unit disc, x points to the nose (so the optic
disc lies at x > 0 and a left eye is a mirrored right eye), y points down.
"""

from dataclasses import dataclass

import numpy as np

OPTIC_DISC = 0.50 + 0.02j  # centre, in radii of the field of view
OPTIC_DISC_RADIUS = 0.155
MACULA = -0.12 + 0.06j
MARGIN = 0.08  # of the field of view, where nothing is placed, in radii

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
