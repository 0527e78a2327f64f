"""Single red cells, seen as the files of a source, so that they are prepared like any other images.

Cells come either out of whole smears, by Algorithm 1 of the canine red cell paper, or out of the folders into
which a pathologist has sorted cells that were cut already.
"""

import functools
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

import numpy as np
from tqdm import tqdm

from data_prep.cell_detection import (
    LARGE_CELL,
    CircleSearch,
    SmearError,
    centre_distances,
    cut_cell,
    detect_cells,
    estimate_cell_diameter,
    match_centres,
    upscale,
    zero_pad,
)
from data_prep.prepare import LabelledFile
from data_prep.smears import CELL_TYPES, CLASSES, Smear, list_smears
from data_prep.sources import PreparationError
from data_prep.verify import RejectedImageError, decode_verified
from drcls.data.duplicates import clusters, identical_pairs, perceptual_hash, unite_groups
from drcls.files import encode_png

PAPER_DIAMETER = 224  # pixels of a cell in the paper
CENTRES = ("detected", "labelled")


@dataclass(frozen=True)
class SmearCells:
    """The cells of one smear.

    Args:
        smear: `Smear`.
        cell_diameter: estimate in pixels of the smear.
        shape: height and width of the smear.
        circles: float64 (N, 3) in pixels of the smear.
        matched: int64 (N,), row of the label that a circle carries, or -1.
        digest: perceptual hash of the smear.
    """

    smear: Smear
    cell_diameter: float
    shape: tuple
    circles: np.ndarray
    matched: np.ndarray
    digest: str

    def ratio(self, size):
        """Return by how much the smear is enlarged, so that a large cell is `size` pixels wide."""
        return size / (LARGE_CELL * self.cell_diameter)

    @property
    def inside(self):
        """Which labelled centres lie in the image, bool (L,)."""
        height, width = self.shape
        return _inside(self.smear.centres, height, width)


class CellsOfSmears:
    """A source of the cells that lie in the whole smears of another one.

    Args:
        source: `Source` in the layout that `data_prep.smears` reads.
        size: side of a cell's image, and the diameter of a large cell in it, in pixels.
        centres: "detected", as in the paper, or "labelled": about the labelled centres, without detection.
        reach: how far from the middle of a detected cell its label may lie, in the cell's radii.
        workers: number of threads; None for the number of cores.
    """

    def __init__(self, source, size, centres="detected", reach=0.5, workers=None):
        self.source, self.path = source, source.path
        self.options = {
            "expected_diameter": size,
            "centres": centres,
            "reach": reach,
            "search": asdict(CircleSearch()),
        }
        self._workers = workers or os.cpu_count()
        self._cells = {}
        # Cells are read in the order of the smears, so a few smears suffice.
        self._upscaled = functools.lru_cache(self._workers + 1)(self._upscale)

    def fingerprint(self):
        """Return a digest of the smears, and how the cells are cut."""
        return f"{self.source.fingerprint()} {json.dumps(self.options)}"

    def size(self, name):
        """Return the number of bytes of a cell's image, not compressed."""
        return 3 * self.options["expected_diameter"] ** 2

    def read(self, name):
        """Return a cell as PNG: lines 3 and 8 to 14 of Algorithm 1."""
        cells, row = self._cells[name]
        ratio = cells.ratio(self.options["expected_diameter"])
        cell = cut_cell(self._upscaled(cells.smear.image, ratio), cells.circles[row] * ratio)
        return encode_png(zero_pad(cell, self.options["expected_diameter"]))

    def list_files(self):
        """Find the cells of all smears.

        Returns:
            (list of LabelledFile, dict of notes: what was found and what was left out, and why).

        Raises:
            PreparationError: The layout or a label is wrong, or no smear can be used.
        """
        smears = list_smears(self.source)
        with ThreadPoolExecutor(self._workers) as pool:
            results = pool.map(self._find_cells, smears)
            found = list(tqdm(results, desc="finding cells", total=len(smears), unit="smear", mininterval=1))
        skipped = {smear.name: why for smear, why in zip(smears, found, strict=True) if isinstance(why, str)}
        used = [cells for cells in found if not isinstance(cells, str)]
        if not used:
            raise PreparationError(f"{self.path}: none of the {len(smears)} smears can be used, {skipped}")
        self._check_axes(used)
        groups, same_field = self._groups(used)
        files = []
        for cells, group in zip(used, groups, strict=True):
            for row, label in enumerate(cells.matched):
                if label < 0 or cells.smear.types[label] not in CLASSES:
                    continue
                name = f"{cells.smear.name}_{row:04d}.png"
                self._cells[name] = (cells, row)
                files.append(LabelledFile(name, name[:-4], cells.smear.types[label], group))
        if not files:
            raise PreparationError(
                f"{self.path}: no cell of {', '.join(CLASSES)} in {len(used)} smears, skipped: {skipped}"
            )
        return files, {
            "cells": self.options
            | {"smears": len(used), "skipped_smears": skipped, "smears_of_one_field": same_field}
            | count_cells(used, self.options["expected_diameter"])
        }

    def _check_axes(self, used):
        """Refuse labels that fit the smears better with x and y exchanged."""

        def count_fitting(cells, centres):
            if self.options["centres"] == "labelled":
                return int(_inside(centres, *cells.shape).sum())
            return int((match_centres(cells.circles, centres, self.options["reach"]) >= 0).sum())

        total = sum(len(cells.smear.centres) for cells in used)
        fitting = sum(count_fitting(cells, cells.smear.centres) for cells in used)
        exchanged = sum(count_fitting(cells, cells.smear.centres[:, ::-1]) for cells in used)
        if fitting < exchanged:
            where = "in their smear" if self.options["centres"] == "labelled" else "on a cell"
            raise PreparationError(
                f"{self.path}: {fitting} of {total} labels lie {where}, {exchanged} would with x and y exchanged; "
                "lines of 'x y type' expected, x from the left and y from the top"
            )

    def _find_cells(self, smear):
        """Return the `SmearCells` of a smear, or why it cannot be used."""
        try:
            image = decode_verified(self.source.read(smear.image), smear.image)
            if self.options["centres"] == "labelled":
                diameter = estimate_cell_diameter(image)
                rows = np.flatnonzero(_inside(smear.centres, *image.shape[:2]))
                radii = np.full((len(rows), 1), LARGE_CELL * diameter / 2)
                circles, matched = np.hstack([smear.centres[rows], radii]), rows
            else:
                detection = detect_cells(image)
                diameter, circles = detection.cell_diameter, detection.circles
                inside = np.flatnonzero(_inside(smear.centres, *image.shape[:2]))
                matched = match_centres(circles, smear.centres[inside], self.options["reach"])
                matched = np.where(matched < 0, -1, np.append(inside, -1)[matched])
        except (RejectedImageError, SmearError) as error:
            return str(error)
        return SmearCells(smear, diameter, image.shape[:2], circles, matched, perceptual_hash(image))

    def _groups(self, used):
        """Return each smear's group, and the lists of smears that show one field of view."""
        names = [cells.smear.name for cells in used]
        digests = [self.source.read(cells.smear.image) for cells in used]
        groups = unite_groups(names, digests, [cells.digest for cells in used])
        same = clusters(len(names), identical_pairs(groups))
        return groups, [[names[row] for row in rows] for rows in same]

    def _upscale(self, name, ratio):
        return upscale(decode_verified(self.source.read(name), name), ratio)


def _inside(centres, height, width):
    """Tell which centres lie in an image, bool (L,)."""
    return ((centres >= 0) & (centres < (width, height))).all(axis=1)


def count_cells(found, size):
    """Count what became of labels and of detected cells.

    Args:
        found: list of `SmearCells`.
        size: expected diameter, in pixels.

    Returns:
        dict; `border`, `touching` and `shrunk` count among the cells that are kept.
    """
    labels, lost, other, counts = Counter(), Counter(), Counter(), Counter()
    for cells in found:
        types, inside = np.array(cells.smear.types, object), cells.inside
        labels.update(types)
        counts["labels_outside_image"] += int((~inside).sum())
        free = inside.copy()
        free[cells.matched[cells.matched >= 0]] = False
        lost.update(types[free])
        unmatched = cells.matched < 0
        near = centre_distances(cells.circles[unmatched], cells.smear.centres[free]) <= 1
        counts["label_beyond_reach"] += int(near.any(axis=1).sum())
        counts["unlabelled"] += int((~near.any(axis=1)).sum())
        kept = np.array([label >= 0 and types[label] in CLASSES for label in cells.matched], bool)
        other.update(types[cells.matched[~unmatched & ~kept]])
        counts["border"] += int(kept[crosses_border(cells.circles, *cells.shape)].sum())
        counts["touching"] += int(kept[touches(cells.circles)].sum())
        counts["shrunk"] += int(kept[np.round(2 * cells.circles[:, 2] * cells.ratio(size)) > size].sum())
    diameters = [cells.cell_diameter for cells in found]
    return {
        "labels": _by_type(labels),
        "labels_without_cell": _by_type(lost),
        "circles": sum(len(cells.circles) for cells in found),
        "circles_of_other_types": _by_type(other),
        **counts,
        "cell_diameter": {
            name: round(float(value), 1)
            for name, value in zip(
                ("least", "median", "most"), np.percentile(diameters, (0, 50, 100)), strict=True
            )
        },
    }


def _by_type(counts):
    return {name: counts[name] for name in CELL_TYPES if counts[name]}


def crosses_border(circles, height, width):
    """Tell which circles reach beyond the image, bool (N,)."""
    x, y, radius = circles.T
    return (np.minimum(x, y) < radius) | (x + radius > width) | (y + radius > height)


def touches(circles):
    """Tell which circles overlap another one, bool (N,)."""
    gaps = np.hypot(*(circles[:, None, :2] - circles[None, :, :2]).transpose(2, 0, 1))
    gaps -= circles[:, None, 2] + circles[None, :, 2]
    np.fill_diagonal(gaps, np.inf)
    return (gaps < 0).any(axis=1)


class CutCells:
    """A source of cells that were cut and sorted already: `CLASS/SMEAR_NUMBER.png`, a cell 224 pixels wide.

    Args:
        source: `Source`.
        size: side of a cell's image in pixels.
    """

    def __init__(self, source, size):
        self.source, self.path = source, source.path
        self._side = size

    def fingerprint(self):
        """Return a digest of the files, and the size."""
        return f"{self.source.fingerprint()} {self._side}"

    def size(self, name):
        """Return the number of bytes of a file."""
        return self.source.size(name)

    def read(self, name):
        """Return a cell as PNG, zero-padded to the size.

        Raises:
            RejectedImageError: The file is not an image that can be used.
        """
        cell = decode_verified(self.source.read(name), name)
        ratio = self._side / PAPER_DIAMETER
        return encode_png(zero_pad(cell if ratio == 1 else upscale(cell, ratio), self._side))

    def list_files(self):
        """List the cells; the class is the name of the folder, the smear what stands before the last `_`.

        Returns:
            (list of LabelledFile, {}).

        Raises:
            PreparationError: There are no folders of the classes, or files besides images' in them are two of a
                cell.
        """
        paths = [PurePosixPath(name) for name in self.source.names]
        cells = [path for path in paths if path.parent.name.lower() in CLASSES]
        if not cells:
            raise PreparationError(
                f"{self.path}: neither Dataset/N.jpg with Label/N.txt (whole smears) nor CLASS/SMEAR_NUMBER.png "
                f"with CLASS of {', '.join(CLASSES)} (cells) among {len(paths)} files"
            )
        ids = [f"{path.parent.name.lower()}/{path.stem}" for path in cells]
        repeated = [name for name, count in Counter(ids).items() if count > 1]
        if repeated:
            raise PreparationError(f"{self.path}: several files of one cell, {repeated}")
        return [
            LabelledFile(str(path), image_id, image_id.split("/")[0], path.stem.rpartition("_")[0])
            for path, image_id in zip(cells, ids, strict=True)
        ], {}
