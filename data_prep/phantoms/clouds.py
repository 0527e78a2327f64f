"""Smooth noise: what is drawn is as uneven with it as tissue, stain and light are."""

import cv2
import numpy as np


def clouds(side, cells, rng):
    """Draw smooth noise, coarse or fine: values at the nodes of a grid, and cubic curves between them.

    Args:
        side: int, pixels along each side of the canvas.
        cells: int, nodes along each side of the grid: the more, the finer the clouds.
        rng: numpy Generator, from which `cells` x `cells` values are drawn.

    Returns:
        float32 (side, side) about 0, without bounds: standard normal at the nodes, less spread between them.
    """
    grid = rng.standard_normal((cells, cells)).astype(np.float32)
    return cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
