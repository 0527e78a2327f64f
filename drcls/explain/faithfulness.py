"""Does a heat map point at the lesion? The pointing game, beside what chance would score.

Source: Zhang et al., "Top-down Neural Attention by Excitation Backprop" (ECCV 2016), section 4.1.
"""

import numpy as np
from scipy.ndimage import distance_transform_edt


def pointing_game(heat_maps, masks, tolerance=0):
    """Count the heat maps whose hottest pixel lies in, or near, the lesion mask.

    Zhang et al. allow 15 pixels on photographs of about 500 pixels. A generous tolerance or a large lesion
    makes the game easy, so the chance rate stands beside the rate.

    Args:
        heat_maps: float (N, H, W), higher is hotter.
        masks: bool, or numbers of which non-zero means lesion, (N, H, W).
        tolerance: float, pixels that the hottest pixel may lie outside the mask.

    Returns:
        dict: "hits" int; "images" int, those counted; "rate" float in 0..1, hits / images; "chance_rate"
        float in 0..1, what a pixel drawn at random would score on the same masks; "without_lesion" int,
        images left out because their mask is empty; "blank" int, counted images whose map is flat and so
        points nowhere, a miss; "tolerance". The rates are None where no image has a lesion.

    Raises:
        ValueError: on shapes that differ, NaN in a map or a negative tolerance.
    """
    heat_maps, masks = np.asarray(heat_maps), np.asarray(masks) != 0
    if heat_maps.ndim != 3 or heat_maps.shape != masks.shape:
        raise ValueError(
            f"heat maps and masks must be one shape (N, H, W); received {heat_maps.shape} and {masks.shape}"
        )
    if np.isnan(heat_maps).any():
        raise ValueError("heat maps must not hold NaN")
    if tolerance < 0:
        raise ValueError(f"tolerance must be 0 or more pixels; received {tolerance}")
    counted = [(heat_map, mask) for heat_map, mask in zip(heat_maps, masks, strict=True) if mask.any()]
    points = [hottest_pixel(heat_map) for heat_map, _ in counted]
    targets = [distance_transform_edt(~mask) <= tolerance for _, mask in counted]
    hits = sum(bool(target[point]) for point, target in zip(points, targets, strict=True) if point)
    return {
        "hits": hits,
        "images": len(counted),
        "rate": hits / len(counted) if counted else None,
        "chance_rate": float(np.mean([target.mean() for target in targets])) if counted else None,
        "without_lesion": len(heat_maps) - len(counted),
        "blank": points.count(None),
        "tolerance": tolerance,
    }


def hottest_pixel(heat_map):
    """Return (row, column) of the hottest pixel, or None for a flat map.

    Upscaling makes plateaus, at the border above all: of several hottest pixels, the one nearest to their
    mean is taken, where the first in reading order would lean towards the top left.

    Args:
        heat_map: float (H, W).
    """
    maximum = heat_map.max()
    if heat_map.min() == maximum:
        return None
    pixels = np.argwhere(heat_map == maximum)
    distance = np.square(pixels - pixels.mean(axis=0)).sum(axis=1)
    row, column = pixels[distance.argmin()]
    return int(row), int(column)
