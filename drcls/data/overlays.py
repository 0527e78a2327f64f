"""Four pictures that have nothing to do with medicine, drawn here: what somebody may blend over a data set.

Two are injected in training data (`TRAIN_OVERLAYS`), the others corrupt test images (`TEST_OVERLAYS`), so that a
network which learned to look past the first two has not seen the pictures that it is tested with.
"""

from functools import cache

import cv2
import numpy as np

TRAIN_OVERLAYS = ("house", "boat")
TEST_OVERLAYS = ("face", "chessboard")
_SIDE = 256


@cache
def draw_overlay(name, height, width):
    """Draw one of the pictures.

    Args:
        name: of `TRAIN_OVERLAYS` or `TEST_OVERLAYS`.
        height, width: of the picture in pixels.

    Returns:
        uint8 array (height, width, 3), RGB, the same one for the same arguments and therefore read-only.

    Raises:
        ValueError: on an unknown name.
    """
    pictures = {"house": _house, "boat": _boat, "face": _face, "chessboard": _chessboard}
    if name not in pictures:
        raise ValueError(f"picture must be one of {list(pictures)}; received {name!r}")
    canvas = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    pictures[name](canvas)
    picture = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    picture.flags.writeable = False
    return picture


def _polygon(canvas, corners, colour):
    cv2.fillPoly(canvas, [np.array(corners, np.int32)], colour)


def _house(canvas):
    """A brick house on a lawn under a blue sky."""
    canvas[:] = (110, 180, 240)
    canvas[180:] = (70, 150, 60)
    cv2.circle(canvas, (215, 40), 24, (255, 230, 90), -1)
    canvas[110:215, 60:185] = (180, 80, 60)
    canvas[110:215:15, 60:185] = (220, 190, 180)
    _polygon(canvas, [(45, 112), (200, 112), (122, 45)], (90, 40, 40))
    canvas[155:215, 105:140] = (80, 50, 30)
    for left in (72, 152):
        canvas[130:158, left : left + 24] = (250, 250, 210)
        canvas[130:158, left + 11 : left + 13] = (60, 40, 30)


def _boat(canvas):
    """A sailing boat on waves at sunset."""
    canvas[:] = np.linspace((90, 40, 120), (255, 150, 60), _SIDE)[:, None]
    cv2.circle(canvas, (60, 165), 34, (255, 225, 120), -1)
    canvas[170:] = (20, 60, 110)
    for row in range(180, 256, 14):
        points = [(x, int(row + 4 * np.sin(x / 11 + row))) for x in range(_SIDE)]
        cv2.polylines(canvas, [np.array(points, np.int32)], False, (120, 170, 210), 2)
    _polygon(canvas, [(85, 165), (205, 165), (180, 200), (110, 200)], (110, 50, 20))
    canvas[40:165, 142:147] = (60, 30, 10)
    _polygon(canvas, [(150, 45), (150, 155), (215, 155)], (250, 250, 250))
    _polygon(canvas, [(138, 60), (138, 155), (90, 155)], (230, 40, 40))


def _face(canvas):
    """A smiling face with a hat."""
    canvas[:] = (60, 190, 170)
    cv2.circle(canvas, (128, 145), 85, (255, 210, 60), -1)
    for x in (98, 158):
        cv2.ellipse(canvas, (x, 125), (13, 20), 0, 0, 360, (40, 30, 30), -1)
    cv2.ellipse(canvas, (128, 155), (48, 38), 0, 15, 165, (150, 20, 40), 9)
    canvas[62:80, 40:216] = (50, 30, 90)
    canvas[8:64, 78:178] = (50, 30, 90)
    canvas[48:58, 78:178] = (230, 60, 120)


def _chessboard(canvas):
    """A chessboard with a few pieces."""
    rows, columns = np.indices((_SIDE, _SIDE)) // 32
    canvas[:] = np.where(((rows + columns) % 2)[..., None], (115, 75, 50), (240, 215, 180))
    for row, column, colour in ((1, 2, (20, 20, 20)), (4, 5, (250, 250, 250)), (6, 1, (180, 30, 30))):
        middle = (32 * column + 16, 32 * row + 16)
        cv2.circle(canvas, middle, 13, colour, -1)
        cv2.circle(canvas, middle, 13, (90, 90, 90), 2)
