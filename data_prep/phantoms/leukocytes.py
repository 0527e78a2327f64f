"""Writes a data set of synthetic blood cells, the stand-in for the blood-cell paper's set that needs no download.

    python -m data_prep.phantoms.leukocytes --output data/leukocytes_phantom --seed 0

It has what makes that set hard to use honestly: eight classes in the proportions of Acevedo et al. (2020), files
stored twice, and injected outliers, cells with one of two unrelated pictures blended over them, in the paper's share.
`injected.csv` says which images were injected. The cells are drawn, not real: figures measured on them say how
software behaves, nothing about blood.
"""

import numpy as np
import pandas as pd

from data_prep.blood_cells import ACEVEDO_COUNTS, CLASSES
from data_prep.outlier_injection import DUPLICATE, OVERLAYS_PER_DUPLICATE, blend, plan_injections
from data_prep.phantoms.cell import MIN_SIZE, draw_cell
from data_prep.phantoms.folder import Phantom, run_command
from data_prep.phantoms.plan import share_out, shuffle

__all__ = ["draw_cell", "write_leukocytes"]

COUNTS = np.array([ACEVEDO_COUNTS[name] for name in CLASSES])
SHARE_OF_OVERLAYS = 1800 / 13759  # of the paper's training set
SMALLEST_CLASS = 8
MIN_IMAGES = 120


def plan_images(num_images, seed):
    """Decide which cells there are and what is injected among them.

    Args:
        num_images: number of images.
        seed: non-negative integer.

    Returns:
        DataFrame with one row an image: `label` (0..7), `patient` (number of the cell, which what is injected on
        it shares), `source` (the row of the cell it was injected on, or -1), `kind` ("" for a genuine cell),
        `picture` and `opacity`.
    """
    num_overlays = round(num_images * SHARE_OF_OVERLAYS)
    num_cells = num_images - num_overlays - round(num_overlays / OVERLAYS_PER_DUPLICATE)
    # The first class pays for the smallest ones, so the largest stands first while they are counted.
    order = np.argsort(-COUNTS)
    counts = np.empty_like(COUNTS)
    counts[order] = share_out(num_cells, COUNTS[order], SMALLEST_CLASS)
    cells = pd.DataFrame({"label": np.repeat(np.arange(len(CLASSES)), counts), "source": -1, "kind": ""})
    cells["patient"] = np.random.default_rng([seed, 0]).permutation(num_cells)
    injected = plan_injections(num_cells, num_overlays, seed).rename(columns={"cell": "source"})
    injected[["label", "patient"]] = cells.loc[injected["source"], ["label", "patient"]].to_numpy()
    plan = pd.concat([cells.assign(picture="", opacity=0.0), injected], ignore_index=True)
    return shuffle(plan, np.random.default_rng([seed, 1]))


def _draw_planned(plan, index, size, seed):
    """Draw one row of the plan: a duplicate as its cell was, an overlay with its picture on top."""
    row = plan.iloc[index]
    if row["source"] < 0:
        return draw_cell(int(row["label"]), np.random.default_rng([seed, 2, index]), size)
    image, mask = _draw_planned(plan, row["source"], size, seed)
    return (image if row["kind"] == DUPLICATE else blend(image, row["picture"], row["opacity"])), mask


def count_injected(plan):
    """Count what was injected, by kind."""
    return plan["kind"][plan["kind"] != ""].value_counts().sort_index().to_dict()


LEUKOCYTES = Phantom(
    name="leukocytes_phantom",
    title="Synthetic blood cells in the proportions of Acevedo et al. (drawn, not real)",
    classes=CLASSES,
    ordered=False,
    num_images=720,
    size=64,
    min_images=MIN_IMAGES,
    min_size=MIN_SIZE,
    drawing=1,
    plan=plan_images,
    draw=_draw_planned,
    count_injected=count_injected,
)
write_leukocytes = LEUKOCYTES.write


def main(arguments=None):
    """Run the command line."""
    run_command(LEUKOCYTES, "Write a data set of synthetic blood cells with injected outliers.", arguments)


if __name__ == "__main__":
    main()
