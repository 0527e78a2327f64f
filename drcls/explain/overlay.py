"""A heat map laid over the image it explains."""

import matplotlib
import numpy as np


def overlay(image, heat_map, alpha=0.4, colour_map="viridis"):
    """Blend a colour-coded heat map into an image.

    The default colour map is viridis: its lightness rises steadily with the heat, readers with a colour
    vision deficiency can read it, and its blue, green and light yellow stand apart from the reds and browns
    of a fundus. The rainbow ("jet") of many papers has none of this: its bright bands suggest borders that
    are not in the data, and its red end looks like a haemorrhage.

    Args:
        image: uint8 or float (H, W, channels) in 0..255: RGB, one grey channel, or RGB and a fourth channel, which
            is not shown.
        heat_map: float (H, W) in 0..1, as `grad_cam` returns it.
        alpha: float in 0..1, opacity of the heat map.
        colour_map: str, any name matplotlib knows.

    Returns:
        uint8 (H, W, 3): (1 - alpha) * image[..., :3] + alpha * colour, rounded.

    Raises:
        ValueError: on shapes that do not fit, values out of range or an unknown colour map.
    """
    # Of integers matplotlib would take 1 as the second of its 256 colours.
    image, heat_map = np.asarray(image, "float64"), np.asarray(heat_map, "float64")
    if image.ndim != 3 or image.shape[-1] not in (1, 3, 4) or heat_map.shape != image.shape[:2]:
        raise ValueError(
            f"expected an image (H, W, 1), (H, W, 3) or (H, W, 4) and a heat map (H, W) of its size; received "
            f"{image.shape} and {heat_map.shape}"
        )
    if not (np.all(heat_map >= 0) and np.all(heat_map <= 1)):
        raise ValueError(f"a heat map lies in 0..1; received {heat_map.min()}..{heat_map.max()}")
    if not (np.all(image >= 0) and np.all(image <= 255)):
        raise ValueError(f"an image lies in 0..255; received {image.min()}..{image.max()}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0..1; received {alpha}")
    if colour_map not in matplotlib.colormaps:
        raise ValueError(
            f"colour_map {colour_map!r} is unknown to matplotlib; expected a name such as 'viridis'"
        )
    colour = 255 * matplotlib.colormaps[colour_map](heat_map)[..., :3]
    blended = (1 - alpha) * image[..., :3] + alpha * colour
    return np.clip(np.rint(blended), 0, 255).astype("uint8")
