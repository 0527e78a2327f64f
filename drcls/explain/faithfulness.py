"""Is a heat map true? Does it point at the lesion, does the model need what it marks, do methods agree?

Sources: Zhang et al., "Top-down Neural Attention by Excitation Backprop" (ECCV 2016), section 4.1, for the
pointing game; Petsiuk et al., "RISE" (BMVC 2018), section 4.1, for deletion and insertion.
"""

from numbers import Integral

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr

from drcls.explain.head import find_head
from drcls.explain.scores import blurred, check_class_index, check_images, score_function

# A map of 2 x 2 places that is hottest where the lesion is hits it in 4.9 % of the images, a random pixel in 30.8 %.
MIN_PLACES = 4
IMAGES_AT_ONCE = 8  # each becomes num_steps + 1 images in memory


def pointing_game(heat_maps, masks, tolerance=0, places=None):
    """Count the heat maps whose hottest pixel lies in, or near, the lesion mask.

    Zhang et al. allow 15 pixels on photographs of about 500 pixels. A generous tolerance or a large lesion
    makes the game easy, so the chance rate stands beside the rate.

    Args:
        heat_maps: float (N, H, W), higher is hotter.
        masks: bool, or numbers of which non-zero means lesion, (N, H, W).
        tolerance: float, pixels that the hottest pixel may lie outside the mask.
        places: (rows, columns) of the maps before they were enlarged, as `GradCAM.places` has them; None: (H, W).
            Maps of fewer than 4 x 4 places are too coarse to point at anything and are not scored.

    Returns:
        dict: "hits" int, None where the maps are too coarse; "images" int, those counted; "rate" float in 0..1,
        hits / images; "chance_rate" float in 0..1, what a pixel drawn at random would score on the same masks;
        "without_lesion" int, images left out because their mask is empty; "blank" int, counted images whose map is
        flat and so points nowhere, a miss; "tolerance". The rates are None where no image has a lesion, "rate" also
        where the maps are too coarse.

    Raises:
        ValueError: on shapes that differ, NaN or infinity in a map or a negative tolerance.
    """
    masks = np.asarray(masks) != 0
    heat_maps = as_heat_maps(heat_maps, masks.shape, "masks")
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more pixels; received {tolerance}")
    too_coarse = min(places or heat_maps.shape[1:]) < MIN_PLACES
    counted = [(heat_map, mask) for heat_map, mask in zip(heat_maps, masks, strict=True) if mask.any()]
    points = [hottest_pixel(heat_map) for heat_map, _ in counted]
    targets = [distance_transform_edt(~mask) <= tolerance for _, mask in counted]
    hits = sum(bool(target[point]) for point, target in zip(points, targets, strict=True) if point)
    return {
        "hits": None if too_coarse else hits,
        "images": len(counted),
        "rate": hits / len(counted) if counted and not too_coarse else None,
        "chance_rate": float(np.mean([target.mean() for target in targets])) if counted else None,
        "without_lesion": len(heat_maps) - len(counted),
        "blank": points.count(None),
        "tolerance": tolerance,
    }


def as_heat_maps(heat_maps, shape, others):
    """Return finite heat maps of the shape (N, H, W) of the other arrays, or raise a ValueError that says why not."""
    heat_maps = np.asarray(heat_maps)
    if len(shape) != 3 or heat_maps.shape != shape:
        raise ValueError(
            f"heat maps and {others} must be one shape (N, H, W); received {heat_maps.shape} and {shape}"
        )
    if not np.isfinite(heat_maps).all():
        raise ValueError("heat maps must be finite; received NaN or infinity")
    return heat_maps


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


def energy_pointing_game(heat_maps, masks):
    """Measure which share of a heat map's mass lies inside the lesion mask.

    The pointing game looks at one pixel; this looks at all of them.

    Args:
        heat_maps: float (N, H, W), 0 or more.
        masks: bool, or numbers of which non-zero means lesion, (N, H, W).

    Returns:
        dict: "mass" float in 0..1, mean over the images counted; "by_area" float in 0..1, what a uniform map
        would score; "images" int, those counted; "blank" int, images with a lesion whose map is all zeros,
        counted with a mass of 0; "without_lesion" int, left out. The means are None where no image counts.

    Raises:
        ValueError: on shapes that differ, or NaN, infinite or negative heat.
    """
    masks = np.asarray(masks) != 0
    heat_maps = as_heat_maps(heat_maps, masks.shape, "masks").astype("float64")
    if not np.all(heat_maps >= 0):
        raise ValueError(f"heat must be 0 or more; received {heat_maps.min()}")
    counted = masks.any(axis=(1, 2))
    total = heat_maps[counted].sum(axis=(1, 2))
    inside = (heat_maps * masks)[counted].sum(axis=(1, 2))
    mass = np.divide(inside, total, out=np.zeros_like(total), where=total > 0)
    return {
        "mass": float(mass.mean()) if counted.any() else None,
        "by_area": float(masks[counted].mean()) if counted.any() else None,
        "images": int(counted.sum()),
        "blank": int((total == 0).sum()),
        "without_lesion": int((~counted).sum()),
    }


def deletion_auc(model, images, heat_maps, class_index, num_steps=20):
    """Measure how fast the class loses its probability when the hottest pixels are deleted first.

    In `num_steps` equal steps the hottest pixels are painted over with the image's mean colour, until none is
    left. Low is good: the map marks what the model needs. Deleted pixels make images that the model was not
    trained on, so compare methods on one model, not models.

    Args:
        model: Functional or Sequential `keras.Model` from images to class probabilities (or scores), by a softmax or by
            one or several sigmoids.
        images: uint8 or float (N, H, W, channels) on the model's scale.
        heat_maps: float (N, H, W), higher is hotter; ties are deleted in reading order.
        class_index: int or int (N,), the class explained by the maps.
        num_steps: int, 1 or more.

    Returns:
        float64 (N,), area under the curve of the probability over the share of pixels deleted, in 0..1.

    Raises:
        ValueError: on shapes that do not fit, NaN or infinity in a map, or classes out of range.
    """
    images = check_images(images, model).astype("float32")
    mean_colour = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    return _area(model, images, mean_colour, heat_maps, class_index, num_steps)


def insertion_auc(model, images, heat_maps, class_index, num_steps=20):
    """Measure how fast the class gains its probability when the hottest pixels appear first in a blurred image.

    High is good. The image starts blurred by a Gaussian of a tenth of its height, which hides lesions without
    making the edges that painted pixels make. Arguments, result and errors as for `deletion_auc`.
    """
    images = check_images(images, model).astype("float32")
    return _area(model, blurred(images), images, heat_maps, class_index, num_steps)


def _area(model, start, end, heat_maps, class_index, num_steps):
    """Replace pixels of `start` by those of `end`, hottest first, and integrate the class's probability."""
    heat_maps = as_heat_maps(heat_maps, start.shape[:3], "images")
    if not isinstance(num_steps, Integral) or num_steps < 1:
        raise ValueError(f"num_steps must be a whole number of 1 or more; received {num_steps}")
    if class_index is None:
        raise ValueError("class_index must name the class that the heat maps explain; received None")
    index = check_class_index(class_index, len(start), model.output_shape[-1])
    scores, head = score_function(model), find_head(model)
    scores.expect(len(start) * (num_steps + 1))
    order = np.argsort(-heat_maps.reshape(len(start), -1), axis=1, kind="stable")
    rank = np.argsort(order, axis=1).reshape(heat_maps.shape)  # 0 for the hottest pixel
    shares = np.linspace(0, 1, num_steps + 1)
    counts = np.round(shares * rank[0].size)[:, None, None]
    areas = np.zeros(len(start))
    for number in range(0, len(start), IMAGES_AT_ONCE):
        part = slice(number, number + IMAGES_AT_ONCE)
        replaced = rank[part, None] < counts  # (n, steps + 1, H, W)
        steps = np.where(replaced[..., None], end[part, None], start[part, None])
        curves = head.probabilities(scores(steps.reshape(-1, *steps.shape[2:])))
        curves = curves.reshape(*steps.shape[:2], -1)  # (n, steps + 1, C)
        chosen = np.take_along_axis(curves, index[part, None, None], axis=2)[..., 0]
        areas[part] = np.trapezoid(chosen, shares, axis=1)
    return areas


def rank_correlation(first, second):
    """Return Spearman's correlation of two maps' pixels, image by image: float64 (N,).

    A flat map ranks nothing: its correlation counts as 0.
    """
    pairs = zip(np.asarray(first), np.asarray(second), strict=True)
    return np.array(
        [0.0 if a.min() == a.max() or b.min() == b.max() else spearmanr(a, b, axis=None)[0] for a, b in pairs]
    )


def agreement(heat_maps):
    """Measure how far methods mark the same places.

    Args:
        heat_maps: dict from the method's name to float (N, H, W), of the same images.

    Returns:
        dict from name to dict from name to float in -1..1: mean rank correlation over the images.

    Raises:
        ValueError: on shapes that differ, or NaN or infinity in a map.
    """
    shapes = [np.shape(maps) for maps in heat_maps.values()]
    heat_maps = {
        name: as_heat_maps(maps, shapes[0], "those of other methods") for name, maps in heat_maps.items()
    }
    return {
        first: {second: float(rank_correlation(maps, others).mean()) for second, others in heat_maps.items()}
        for first, maps in heat_maps.items()
    }
