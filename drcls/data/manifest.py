"""The manifest: the one file through which prepared data reach everything else."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

# What distributors call their parts, in small letters.
PART_OF_SPLIT = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
# Which module of `data_prep` prepares or draws what.
MODULE_OF_DATA_SET = {
    "aptos2019": "aptos2019",
    "eyepacs2015": "eyepacs2015",
    "ddr": "ddr",
    "brain_tumor_mri": "brain_tumor_mri",
    "blood_cells": "blood_cells",
    "canine_rbc": "canine_rbc",
    "chula_rbc": "canine_rbc",
    "fundus_phantom": "phantoms.fundus",
    "brain_phantom": "phantoms.brain",
    "leukocytes_phantom": "phantoms.leukocytes",
}
COLUMNS = ["path", "label", "group", "sha256", "phash", "width", "height", "source_split"]


@dataclass(frozen=True)
class Manifest:
    """A prepared data set, or part of one: a table of images and the folder they lie in.

    A row may stand more than once: that is how oversampling is written down.

    Args:
        root: folder that `path` is relative to.
        frame: one row an image with the columns `path, label, group, sha256, phash, width, height,
            source_split`. `group` is what a split must never tear apart.
        info: the content of `dataset.json`: title, classes in order, counts, preparation options.
    """

    root: Path
    frame: pd.DataFrame
    info: dict

    def __len__(self):
        return len(self.frame)

    @property
    def classes(self):
        """Class names in the order of the network's outputs."""
        return self.info["classes"]

    @property
    def labels(self):
        """Class index of every row, int64 (N,)."""
        return self.frame["label"].map({name: i for i, name in enumerate(self.classes)}).to_numpy(np.int64)

    @property
    def paths(self):
        """Full path of every row's image."""
        return [self.root / path for path in self.frame["path"]]

    def counts(self):
        """Return images per class, int64 (C,), in the order of `classes`."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def select(self, rows):
        """Return the manifest of these rows (positions, with repeats allowed), in this order."""
        return replace(self, frame=self.frame.iloc[np.asarray(rows, dtype=np.int64)].reset_index(drop=True))

    def merge_classes(self, merged, name):
        """Return the manifest with several classes made one, at the place of the first of them.

        Args:
            merged: list of str, two classes or more.
            name: str, what the new class is called.

        Raises:
            ValueError: where a name is not a class, or the new one is another class's already.
        """
        kept = [label for label in self.classes if label not in merged]
        if len(merged) < 2 or len(kept) + len(merged) != len(self.classes) or name in kept:
            raise ValueError(
                f"expected two or more of the classes {self.classes} and a new name; received {merged} to "
                f"become {name!r}"
            )
        classes = list(dict.fromkeys(name if label in merged else label for label in self.classes))
        labels = self.frame["label"].replace(dict.fromkeys(merged, name))
        return replace(self, frame=self.frame.assign(label=labels), info=self.info | {"classes": classes})


def load_manifest(folder):
    """Read a prepared data set.

    Args:
        folder: what a `data_prep` module wrote: `manifest.csv` and `dataset.json` beside the images.

    Returns:
        A `Manifest`.

    Raises:
        FileNotFoundError: where one of the two files is missing.
        ValueError: where one of them cannot be parsed, the classes are missing or repeated, a column is
            missing, a cell is empty, a path is repeated, or a label is not one of the classes.
    """
    folder = Path(folder)
    table, description = folder / "manifest.csv", folder / "dataset.json"
    for path in (table, description):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist; prepare the data first: {_how_to_prepare(folder)}"
            )
    info, frame = _read_description(description), _read_table(table)
    unknown = sorted(set(frame["label"]) - set(info["classes"]))
    if unknown:
        raise ValueError(
            f"{table} has the labels {unknown}, which are not among the classes {info['classes']} of "
            f"{description.name}"
        )
    return Manifest(folder, frame, info)


def _how_to_prepare(folder):
    """Return the command that prepares a data set, which is told by the name of its folder."""
    module = MODULE_OF_DATA_SET.get(folder.resolve().name)
    if module is None:
        return (
            f"`drcls prepare SOURCE {folder}`; published data sets and phantoms have names of their own: "
            f"{', '.join(MODULE_OF_DATA_SET)}"
        )
    return (
        f"`python -m data_prep.{module} {'' if 'phantoms' in module else '--source ZIP '}--output {folder}`"
    )


def _read_description(path):
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    classes = info.get("classes") if isinstance(info, dict) else None
    if not isinstance(classes, list) or not classes or len(set(classes)) < len(classes):
        raise ValueError(f"{path} must list distinct classes under 'classes'; it has {classes}")
    if "planted" in info:  # as earlier versions called it
        info["injected"] = info.pop("planted")
    return info


def _read_table(path):
    texts = [name for name in COLUMNS if name not in ("width", "height")]
    try:
        # A group may be called "NA" or "007": neither a missing value nor a number.
        frame = pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False)
    except ValueError as error:
        raise ValueError(f"{path} is not a readable CSV table: {error}") from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ValueError(f"{path} lacks the columns {missing}; it has {list(frame.columns)}")
    for name in ("path", "group", "sha256", "phash"):
        # Empty cells would be equal to one another, and so one group, or copies of one image.
        empty = np.flatnonzero(frame[name] == "")
        if len(empty):
            raise ValueError(
                f"{path} has {len(empty)} empty cells under {name!r}, first in row {empty[0] + 1}"
            )
    repeated = frame["path"][frame["path"].duplicated()].tolist()
    if repeated:
        raise ValueError(f"{path} lists {len(repeated)} paths twice: {repeated[:5]}")
    return frame[COLUMNS]
