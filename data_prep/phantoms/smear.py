"""Writes synthetic blood smears, the stand-in for the canine smears that needs no download.

    python -m data_prep.phantoms.smear --output data/smear_phantom_smears --num-smears 22 --seed 0
    python -m data_prep.canine_rbc --source data/smear_phantom_smears --output data/smear_phantom

It writes whole smears in the layout of Chula RBC-12 (`Dataset/N.jpg`, `Label/N.txt`), so that the cells reach a
network through the same detection as real ones. It has what makes the canine set hard to use honestly: the
proportions of its classes, which differ from smear to smear, cells that touch, overlap and lie across the
border, and a stain, light and magnification of each smear. The cells are drawn, not real: figures measured on
them say how software behaves, nothing about blood.
"""

import argparse
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from data_prep.phantoms.folder import check_least, is_finished, replaced_when_whole
from data_prep.smears import CELL_TYPES, CLASSES, DESCRIPTION
from drcls.files import read_json, write_json

NAME = "smear_phantom"
COUNTS = np.array([2691, 345, 356])  # normal, codocyte, hypochromia in the paper, Section 4.1
MIN_WIDTH, MIN_HEIGHT = 160, 120
CROWDING = 0.3  # share of the area that cells cover
CLUMPED = 0.15  # share of the cells that are laid against or over another one
OVERSAMPLING = 2
OWN_FILES = ("Dataset/[0-9][0-9][0-9].jpg", "Label/[0-9][0-9][0-9].txt", "cells.csv", "smears.json")
DRAWING = 1  # raise it with every change of the pictures: an older phantom is then not taken for this one


def write_smears(folder, num_smears=22, size=(480, 360), seed=0, progress=True, force=False):
    """Write smears, their labels, and `cells.csv` with what is known of every cell.

    Every smear has a generator of its own, seeded by `(seed, its number)`, so the same arguments and library
    versions give the same bytes. A folder that was finished with the same arguments is left alone, and an
    interrupted run leaves nothing half done.

    Args:
        folder: where to write `Dataset/N.jpg`, `Label/N.txt`, `cells.csv` (smear, class, x, y, radius) and
            `smears.json`.
        num_smears: how many smears, at least 3.
        size: width and height of a smear in pixels, at least 160 and 120.
        seed: non-negative integer.
        progress: whether to show a progress bar.
        force: whether to replace a finished phantom, whatever its arguments were.

    Returns:
        Path of the folder.

    Raises:
        ValueError: for too few or too small smears or a negative seed.
        FileExistsError: where `folder` holds something else, a phantom of other arguments without `force`, or a file
            that is no part of a phantom and would be lost.
    """
    folder = Path(folder)
    width, height = size
    options = {
        "num_smears": num_smears,
        "width": width,
        "height": height,
        "seed": seed,
        "drawing": DRAWING,
    }
    check_least(options, {"num_smears": 3, "width": MIN_WIDTH, "height": MIN_HEIGHT, "seed": 0})
    names = [f"{number:03d}" for number in range(num_smears)]
    files = [file for name in names for file in (f"Dataset/{name}.jpg", f"Label/{name}.txt")]
    if is_finished(folder, NAME, options, ["cells.csv", *files], force, DESCRIPTION):
        return folder
    with replaced_when_whole(folder, OWN_FILES) as partial:
        for name in ("Dataset", "Label"):
            (partial / name).mkdir()
        tables = []
        for name in tqdm(names, desc=f"Drawing {folder.name}", unit="smear", disable=not progress):
            image, cells = draw_smear(np.random.default_rng([seed, int(name)]), size)
            jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
            (partial / "Dataset" / f"{name}.jpg").write_bytes(jpeg)
            lines = [
                f"{round(cell.x)} {round(cell.y)} {CELL_TYPES.index(cell.label)}\n"
                for cell in cells.itertuples()
            ]
            (partial / "Label" / f"{name}.txt").write_text("".join(lines))
            tables.append(cells.assign(smear=name))
        table = pd.concat(tables, ignore_index=True)[["smear", "label", "x", "y", "radius"]]
        table.to_csv(partial / "cells.csv", index=False, float_format="%.2f")
        write_json(partial / DESCRIPTION, _describe(options, table))
    return folder


def draw_smear(rng, size):
    """Draw a smear.

    Light falls unevenly on the slide and is absorbed by haemoglobin, so what overlaps is darker than either
    cell (Beer-Lambert). A normal cell is paler in its middle, a hypochromic one pale but for a thin rim, a
    codocyte has a dark spot in its pale middle, like a target.

    Args:
        rng: numpy Generator.
        size: width and height in pixels.

    Returns:
        image: uint8 (H, W, 3), RGB.
        cells: DataFrame, one row a cell whose centre is in the image: `label`, `x`, `y`, `radius` in pixels.
    """
    width, height = size
    cells = _place_cells(rng, width, height)
    shape = (height * OVERSAMPLING, width * OVERSAMPLING)
    density = np.zeros(shape, np.float32)
    for cell in cells.itertuples():
        _add_cell(density, cell, rng)
    _add_platelets(density, rng, cells["radius"].mean() * OVERSAMPLING)
    density *= 1 + 0.15 * _mottle(rng, shape, cells["radius"].mean() * OVERSAMPLING / 8)
    density = cv2.GaussianBlur(density, (0, 0), rng.uniform(1.2, 2.2))
    stain = np.array([0.28, 0.62, 0.38]) + rng.uniform(-0.06, 0.06, 3)  # absorbed red, green and blue
    light = rng.uniform(0.68, 0.92) + rng.uniform(-0.06, 0.06, 3)
    picture = _uneven_light(rng, shape)[..., None] * light * np.exp(-density[..., None] * stain)
    picture = cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    picture += rng.normal(0, 0.008, picture.shape)
    return np.clip(picture * 255, 0, 255).astype(np.uint8), cells


def _place_cells(rng, width, height):
    """Lay cells on the slide, most of them apart, some against or over another."""
    radius = rng.uniform(12, 18)
    num_cells = max(6, round(CROWDING * width * height / (np.pi * radius**2)))
    mixture = rng.dirichlet(6 * COUNTS / COUNTS.sum() + 0.2)
    labels = [*CLASSES, *rng.choice(CLASSES, num_cells - len(CLASSES), p=mixture)]
    rows = []
    for label in labels:
        own = radius * rng.uniform(0.9, 1.1)
        place = _find_place(rng, rows, own, width, height)
        if place is not None:
            rows.append({"label": str(label), "x": place[0], "y": place[1], "radius": own})
    return pd.DataFrame(rows)


def _find_place(rng, rows, radius, width, height, tries=200):
    """Return (x, y) in the image for a cell of this radius, or None where the slide is full."""
    others = np.array([(row["x"], row["y"], row["radius"]) for row in rows]).reshape(-1, 3)
    clumped = len(rows) and rng.random() < CLUMPED
    for _ in range(tries):
        place = rng.uniform((0, 0), (width, height))
        gap = 1.08
        if clumped:
            x, y, other = others[rng.integers(len(others))]
            angle, gap = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.0)
            place = np.array([x, y]) + gap * (other + radius) * np.array([np.cos(angle), np.sin(angle)])
        inside = (place >= 0).all() and (place < (width - 1, height - 1)).all()
        distances = np.hypot(*(others[:, :2] - place).T) / (others[:, 2] + radius)
        if inside and (distances >= gap - 1e-9).all():
            return place
    return None


def _add_cell(density, cell, rng):
    """Add what one cell absorbs to `density`, float32 (H, W), in place."""
    x, y, radius = (OVERSAMPLING * value for value in (cell.x, cell.y, cell.radius))
    top, left = max(0, int(y - 1.3 * radius)), max(0, int(x - 1.3 * radius))
    part = density[top : int(y + 1.3 * radius) + 1, left : int(x + 1.3 * radius) + 1]
    rows, columns = np.indices(part.shape)
    turn, stretch = rng.uniform(0, np.pi), rng.uniform(1, 1.08)
    offset = ((columns + left - x) + 1j * (rows + top - y)) * np.exp(-1j * turn) / radius
    distance = np.abs(offset.real * stretch + 1j * offset.imag / stretch)
    angle = np.angle(offset)
    outline = 1 + 0.02 * np.cos(2 * angle + rng.uniform(0, 6)) + 0.015 * np.cos(3 * angle + rng.uniform(0, 6))
    part += _absorption(cell.label, distance / outline, rng) * _step(distance, outline, 2 / radius)


def _absorption(label, distance, rng):
    """Return how much a cell absorbs at a distance from its middle, 0 (middle) to 1 (edge)."""
    amount = rng.uniform(0.85, 1.15)
    if label == "normal":
        return amount * (1 - rng.uniform(0.25, 0.6) * np.exp(-((distance / rng.uniform(0.3, 0.45)) ** 2)))
    if label == "hypochromia":
        pale = _step(distance, rng.uniform(0.58, 0.76), rng.uniform(0.15, 0.5))
        return 0.9 * amount * (1 - rng.uniform(0.55, 0.85) * pale)
    pale = _step(distance, rng.uniform(0.58, 0.72), rng.uniform(0.12, 0.3))
    spot = _step(distance, rng.uniform(0.18, 0.34), rng.uniform(0.12, 0.25))
    return amount * (1 - rng.uniform(0.45, 0.75) * (pale - rng.uniform(0.5, 1.0) * spot))


def _step(distance, edge, softness):
    """Return 1 where distance < edge, 0 beyond, with a soft step between."""
    return 1 / (1 + np.exp(np.clip((distance - edge) * 4 / softness, -50, 50)))


def _add_platelets(density, rng, radius):
    """Add small purple specks, which are no red cells."""
    height, width = density.shape
    for _ in range(rng.poisson(3)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        speck = np.zeros_like(density)
        cv2.circle(speck, centre, max(2, int(radius * rng.uniform(0.12, 0.22))), 1, -1)
        density += 0.9 * speck


def _mottle(rng, shape, grain):
    """Return smooth noise of unit spread, float32 (H, W): no two cells take the stain alike."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), grain)
    return noise / noise.std()


def _uneven_light(rng, shape):
    """Return float (H, W) about 1 that falls off smoothly to one side and to the corners."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    slope, vignette = rng.uniform(0.02, 0.12), rng.uniform(0, 0.08)
    return 1 + slope * (x * np.cos(angle) + y * np.sin(angle)) - vignette * (x**2 + y**2) / 2


def _describe(options, table):
    return {
        "name": NAME,
        "title": "Synthetic blood smears in the proportions of the canine set (drawn, not real)",
        "licence": "CC0-1.0",
        "phantom": True,
        "options": options,
        "counts": {label: int((table["label"] == label).sum()) for label in CLASSES},
        "drcls_version": version("drcls"),
    }


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write synthetic blood smears with labelled cells.")
    parser.add_argument("--output", type=Path, default=Path("data/smear_phantom_smears"))
    parser.add_argument("--num-smears", type=int, default=22, help="smears in all")
    parser.add_argument("--width", type=int, default=480, help="of a smear in pixels")
    parser.add_argument("--height", type=int, default=360, help="of a smear in pixels")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes")
    parser.add_argument("--force", action="store_true", help="replace a phantom written with other options")
    args = parser.parse_args(arguments)
    size = (args.width, args.height)
    try:
        folder = write_smears(args.output, args.num_smears, size, args.seed, force=args.force)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        parser.exit(130, f"interrupted; {args.output} is as it was\n")
    print(f"{folder}: {read_json(folder / DESCRIPTION)['counts']}")


if __name__ == "__main__":
    main()
