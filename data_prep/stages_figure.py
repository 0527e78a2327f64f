"""The stages of Algorithm 1 on one smear: the paper's Figure 7."""

import os
from pathlib import Path

import matplotlib.figure
import matplotlib.patches
import numpy as np

from data_prep.cell_detection import (
    DETECTION_DIAMETER,
    LARGE_CELL,
    SmearError,
    cut_cell,
    detect_cells,
    zero_pad,
)
from data_prep.smears import list_smears
from data_prep.verify import RejectedImageError, decode_verified

SHOWN = 9


def draw_stages(source, folder, size):
    """Write `stages.png`: smear, equalised, circles, cells, padded cells.

    The first smear with cells is shown.

    Args:
        source: `Source` of whole smears.
        folder: where to write.
        size: side of a padded cell in pixels.
    """
    image, detection = _first(source)
    # Cells as cut and padded are shown next to each other, for which the detection's scale is fine enough.
    whole = [circle for circle in detection.circles if _is_whole(circle, image.shape)]
    shown = (whole or list(detection.circles))[:SHOWN]
    cells = [cut_cell(detection.upscaled, circle * detection.ratio) for circle in shown]
    side = round(LARGE_CELL * DETECTION_DIAMETER)
    frame = max(side, *map(len, cells))
    figure = matplotlib.figure.Figure(figsize=(15, 3.7), layout="constrained")
    axes = figure.subplots(1, 5)
    axes[0].imshow(image)
    axes[1].imshow(detection.equalised, cmap="gray")
    axes[2].imshow(image)
    for x, y, radius in detection.circles:
        axes[2].add_patch(matplotlib.patches.Circle((x, y), radius, fill=False, color="lime", linewidth=0.8))
    axes[3].imshow(_tile([_frame(cell, frame) for cell in cells]))
    axes[4].imshow(_tile([_frame(zero_pad(cell, side), frame) for cell in cells]))
    titles = (
        "a smear",
        "b equalised",
        f"c {len(detection.circles)} circles",
        "d cells",
        f"e zero-padded, {size} px",
    )
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title)
        axis.set_axis_off()
    partial = Path(folder) / f".stages-{os.getpid()}.png"
    figure.savefig(partial, dpi=110)
    partial.replace(Path(folder) / "stages.png")


def _first(source):
    """Return the first smear that cells are found in, and its `Detection`."""
    for smear in list_smears(source):
        try:
            image = decode_verified(source.read(smear.image), smear.image)
            return image, detect_cells(image)
        except (RejectedImageError, SmearError):
            continue
    raise SmearError(f"{source.path}: no smear with cells")


def _is_whole(circle, shape):
    x, y, radius = circle
    return min(x, y) >= radius and x + radius < shape[1] and y + radius < shape[0]


def _frame(cell, side):
    """Lay a cell on white: uint8 (S, S, 3) -> uint8 (side + 4, side + 4, 3)."""
    framed = np.full((side + 4, side + 4, 3), 255, np.uint8)
    top = (side + 4 - len(cell)) // 2
    framed[top : top + len(cell), top : top + len(cell)] = cell
    return framed


def _tile(cells):
    """Lay equal squares out in rows of three."""
    blank = np.full_like(cells[0], 255)
    rows = [cells[start : start + 3] for start in range(0, len(cells), 3)]
    return np.vstack([np.hstack([*row, *[blank] * (3 - len(row))]) for row in rows])
