"""Junk injected in a set of cells, so that finding it can be scored.

The blood-cell paper found images "overlapped to two different backgrounds" among its 13,759, and does not say how many.
These are 1,800 more than the training part of BloodMNIST has, so 1,800 is what is injected for the paper's size; eight
of nine get the first picture. The pictures are drawn by the project (`drcls.data.overlays`); how strongly theirs shone
through is not said either, so it varies.
"""

import cv2
import numpy as np
import pandas as pd

from drcls.data.overlays import TRAIN_OVERLAYS, draw_overlay

SHARE_OF_FIRST = 1600 / 1800
OVERLAYS_PER_DUPLICATE = 10
OPACITY = (0.35, 0.65)
DUPLICATE = "duplicate"


def plan_injections(num_cells, num_overlays, seed):
    """Decide which cells get a picture blended over them and which are stored twice.

    Args:
        num_cells: how many genuine cells there are.
        num_overlays: how many overlays to inject; one duplicate is injected for every ten.
        seed: non-negative integer.

    Returns:
        DataFrame, one row an injected image: `kind` ("overlay of house", "overlay of boat", "duplicate"),
        `picture` ("" for a duplicate), `cell` (number of the genuine one), `opacity` of the picture in 0..1.

    Raises:
        ValueError: where there are fewer cells than injected images, or none is asked for.
    """
    num_duplicates = max(1, round(num_overlays / OVERLAYS_PER_DUPLICATE))
    if not 1 <= num_overlays <= num_cells - num_duplicates:
        raise ValueError(
            f"{num_overlays} overlays and {num_duplicates} duplicates received; expected at least one overlay "
            f"and together at most one for each of {num_cells} cells"
        )
    rng = np.random.default_rng([seed, 7])
    num_first = round(num_overlays * SHARE_OF_FIRST)
    pictures = np.repeat([*TRAIN_OVERLAYS, ""], [num_first, num_overlays - num_first, num_duplicates])
    return pd.DataFrame(
        {
            "kind": [f"overlay of {name}" if name else DUPLICATE for name in pictures],
            "picture": pictures,
            "cell": rng.choice(num_cells, size=len(pictures), replace=False),
            "opacity": np.where(pictures == "", 0.0, rng.uniform(*OPACITY, len(pictures))),
        }
    )


def blend(cell, picture, opacity):
    """Blend one of the unrelated pictures over a cell.

    Args:
        cell: uint8 (H, W, 3), RGB.
        picture: name of the picture.
        opacity: of the picture, 0 (the cell alone) to 1 (the picture alone).

    Returns:
        uint8 (H, W, 3).
    """
    over = draw_overlay(picture, *cell.shape[:2])
    return cv2.addWeighted(cell, 1 - opacity, over, opacity, 0)
