"""Whole blood smears with labelled cell centres, in the layout of Chula RBC-12.

`Dataset/N.jpg` are the smears; `Label/N.txt` hold one cell a line, `x y type`, in pixels from the top left
corner. The centres of Chula RBC-12 are clicks: they lie inside their cells, seldom in the middle.
"""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from data_prep.labels import read_text
from data_prep.sources import PreparationError, shorten

CLASSES = ["normal", "codocyte", "hypochromia"]
# The twelve types of Chula RBC-12 and its "uncategorised", by number; target cell is another word for codocyte.
CELL_TYPES = [
    "normal",
    "macrocyte",
    "microcyte",
    "spherocyte",
    "codocyte",
    "stomatocyte",
    "ovalocyte",
    "teardrop",
    "burr cell",
    "schistocyte",
    "uncategorised",
    "hypochromia",
    "elliptocyte",
]
DESCRIPTION = "smears.json"


@dataclass(frozen=True)
class Smear:
    """A smear and its labels.

    Args:
        name: number or name of the smear.
        image: name of its file in the source.
        centres: float64 (L, 2), x and y in pixels.
        types: list of L names out of `CELL_TYPES`.
    """

    name: str
    image: str
    centres: np.ndarray
    types: list


def has_smears(source):
    """Tell whether a source has the layout of whole smears."""
    return any(PurePosixPath(name).parent.name == "Dataset" for name in source.names)


def read_description(source):
    """Return what a phantom says of itself in `smears.json`, or None for real smears."""
    found = [name for name in source.names if PurePosixPath(name).name == DESCRIPTION]
    return json.loads(read_text(source, found[0])) if found else None


def list_smears(source):
    """List the smears of a source with their labels, in the order of their names.

    Returns:
        list of `Smear`.

    Raises:
        PreparationError: There are no smears, two files are one smear's, one of image and label file is missing,
            a line is not `x y type`, or a type is unknown.
    """
    images = _by_stem(source, "Dataset")
    labels = _by_stem(source, "Label")
    if not images:
        raise PreparationError(f"{source.path}: no Dataset/N.jpg among {len(source.names)} files")
    problems = {
        "smears without a label file": sorted(set(images) - set(labels)),
        "label files without a smear": sorted(set(labels) - set(images)),
    }
    messages = [f"{what}, {shorten(names)}" for what, names in problems.items() if names]
    if messages:
        raise PreparationError(f"{source.path}: " + "; ".join(messages))
    return [Smear(name, images[name], *_read_labels(source, labels[name])) for name in sorted(images)]


def _by_stem(source, folder):
    """Return dict, stem -> full name, of the files that lie in a folder of this name."""
    paths = [PurePosixPath(name) for name in source.names if PurePosixPath(name).parent.name == folder]
    found = {path.stem: str(path) for path in paths}
    if len(found) < len(paths):
        raise PreparationError(f"{source.path}: several files of one smear in {folder}, {shorten(paths)}")
    return found


def _read_labels(source, name):
    """Read `x y type` lines; return float64 (L, 2) and the names of the types."""
    centres, types, odd, unknown = [], [], [], []
    for number, line in enumerate(read_text(source, name).splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            x, y, code = float(fields[0]), float(fields[1]), int(fields[2])
        except (ValueError, IndexError):
            odd.append(f"line {number} {line!r}")
            continue
        if len(fields) != 3 or not np.isfinite([x, y]).all():
            odd.append(f"line {number} {line!r}")
        elif code not in range(len(CELL_TYPES)):
            unknown.append(f"line {number} {code}")
        else:
            centres.append((x, y))
            types.append(CELL_TYPES[code])
    if odd:
        raise PreparationError(f"{name}: lines that are not 'x y type', {shorten(odd)}")
    if unknown:
        raise PreparationError(
            f"{name}: unknown cell types, {shorten(unknown)}; 0 to {len(CELL_TYPES) - 1} expected"
        )
    return np.array(centres, np.float64).reshape(-1, 2), types
