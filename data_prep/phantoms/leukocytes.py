"""Writes a data set of synthetic blood cells, the stand-in for the blood-cell paper's set that needs no download.

    python -m data_prep.phantoms.leukocytes --output data/leukocytes_phantom --num-images 600 --size 64 --seed 0

It has what makes that set hard to use honestly: eight classes in the proportions of Acevedo et al. (2020), files
stored twice, and injected outliers, cells with one of two unrelated pictures blended over them, in the paper's share.
`injected.csv` says which images were injected. The cells are drawn, not real: figures measured on them say how
software behaves, nothing about blood.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from data_prep.blood_cells import ACEVEDO_COUNTS, CLASSES
from data_prep.outlier_injection import DUPLICATE, OVERLAYS_PER_DUPLICATE, blend, plan_injections
from data_prep.phantoms.cell import MIN_SIZE, draw_cell
from data_prep.phantoms.folder import check_options, is_finished, run_command, write_phantom
from data_prep.phantoms.plan import share_out, shuffle

__all__ = ["draw_cell", "write_leukocytes"]

NAME = "leukocytes_phantom"
COUNTS = np.array([ACEVEDO_COUNTS[name] for name in CLASSES])
SHARE_OF_OVERLAYS = 1800 / 13759  # of the paper's training set
SMALLEST_CLASS = 8
MIN_IMAGES = 120
DRAWING = 1  # raise it with every change of the pictures: an older phantom is then not taken for this one


def write_leukocytes(folder, num_images=600, size=64, seed=0, progress=True, force=False):
    """Write a phantom data set: images, cell masks, `manifest.csv`, `injected.csv` and `dataset.json`.

    Every image has a generator of its own, seeded by `(seed, its number)`, so the same arguments and library
    versions give the same bytes. A folder that was finished with the same arguments is left alone, and an
    interrupted run leaves nothing half done.

    Args:
        folder: where to write; its images are in `images/`, the masks under the same names in `masks/`.
        num_images: how many images, injected ones included; at least 120.
        size: side of the images in pixels, at least 32.
        seed: non-negative integer.
        progress: whether to show a progress bar.
        force: whether to replace a finished phantom, whatever its arguments were.

    Returns:
        Path of the folder.

    Raises:
        ValueError: for too few images, too small a size or a negative seed.
        FileExistsError: where `folder` holds something else, or a phantom of other arguments without `force`.
    """
    folder = Path(folder)
    options = {"num_images": num_images, "size": size, "seed": seed, "drawing": DRAWING}
    check_options(options, {"num_images": MIN_IMAGES, "size": MIN_SIZE})
    if is_finished(folder, NAME, options, force):
        return folder
    plan = plan_images(num_images, seed)
    info = {
        "name": NAME,
        "title": "Synthetic blood cells in the proportions of Acevedo et al. (drawn, not real)",
        "classes": CLASSES,
        "ordered": False,
        "source": "data_prep.phantoms.leukocytes",
        "preparation": options,
        "injected": plan["kind"][plan["kind"] != ""].value_counts().sort_index().to_dict(),
    }
    write_phantom(folder, info, plan, lambda index: _draw_planned(plan, index, size, seed), progress)
    return folder


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


def main(arguments=None):
    """Run the command line."""
    description = "Write a data set of synthetic blood cells with injected outliers."
    run_command(write_leukocytes, "data/leukocytes_phantom", description, arguments)


if __name__ == "__main__":
    main()
