"""The manifest: the one file through which prepared data reach everything else."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

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
# What is said of a part besides its name: `training_set`, `test images`, `val-data`.
BESIDES = re.compile(r"^(data|images?|imgs?)|(data|datasets?|images?|imgs?|sets?)$")
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
# What the cells of some columns look like.
CELLS = {
    "sha256": ("[0-9a-f]{64}", "a SHA-256 in hexadecimal digits"),
    "phash": ("([0-9a-f]{2})+", "a perceptual hash in hexadecimal digits"),
    "width": ("[1-9][0-9]{0,6}", "a number of pixels"),
    "height": ("[1-9][0-9]{0,6}", "a number of pixels"),
}
# What else dataset.json may say, of which kind.
KINDS = {"name": str, "title": str, "phantom": bool, "ordered": bool, "preparation": dict}
KIND_NAMES = {str: "a text", bool: "true or false", dict: "an object"}
COLUMNS = ["path", "label", "group", "sha256", "phash", "width", "height", "source_split"]


@dataclass(frozen=True)
class Manifest:
    """A prepared data set, or part of one: a table of images and the folder they lie in.

    A row may stand more than once: that is how oversampling is written down.

    Args:
        root: folder that `path` is relative to.
        frame: one row an image with the columns `path, label, group, sha256, phash, width, height,
            source_split`. `group` is what a split must never tear apart.
        info: the content of `dataset.json`: title, classes, whether these are ordered, counts, preparation options.
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
    def ordered(self):
        """Whether the classes are grades, from least to most, bool.

        Raises:
            ValueError: where `dataset.json` does not say it.
        """
        if "ordered" not in self.info:
            raise ValueError(
                f"{self.root / 'dataset.json'} must say under 'ordered' whether the classes are grades, from least "
                "to most: add true or false, or prepare the data anew"
            )
        return self.info["ordered"]

    @property
    def labels(self):
        """Class index of every row, int64 (N,). A label that is no class is a ValueError."""
        index = self.frame["label"].map({name: i for i, name in enumerate(self.classes)})
        if index.isna().any():
            unknown = sorted(set(self.frame["label"][index.isna()].astype(str)))
            raise ValueError(f"{self.root}: labels {unknown} are none of the classes {self.classes}")
        return index.to_numpy(np.int64)

    @property
    def paths(self):
        """Full path of every row's image."""
        return [self.root / path for path in self.frame["path"]]

    @property
    def source_parts(self):
        """Which part the source of the data has every row in, Series (N,) as of `part_of_split`."""
        return self.frame["source_split"].map(part_of_split)

    def counts(self):
        """Return images per class, int64 (C,), in the order of `classes`."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def counts_by_class(self):
        """Return images per class by its name: dict of int, in the order of `classes`."""
        return dict(zip(self.classes, self.counts().tolist(), strict=True))

    def select(self, rows):
        """Return the manifest of some rows.

        Args:
            rows: int (n,), positions in the order wanted, with repeats allowed; or bool (N,), which rows to keep.

        Raises:
            ValueError: where they are of another kind or shape.
            IndexError: where a position is out of range.
        """
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.shape == (len(self),):
            rows = np.flatnonzero(rows)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ValueError(
                f"rows must be integer positions (n,) or bool ({len(self)},); received {rows.dtype} {rows.shape}"
            )
        return replace(self, frame=self.frame.iloc[rows.astype(np.int64)].reset_index(drop=True))

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


def part_of_split(name):
    """Return the part that a folder or a cell of a table means: "train", "validation", "test", or None.

    >>> [part_of_split(name) for name in ("Training_Set", "validation-images", "testing data", "cats", "data set")]
    ['train', 'validation', 'test', None, None]
    """
    letters, before = re.sub(r"[\W_]+", "", name.casefold()), None
    while letters not in PART_OF_SPLIT and letters != before:
        letters, before = BESIDES.sub("", letters), letters
    return PART_OF_SPLIT.get(letters)


def load_manifest(folder):
    """Read a prepared data set.

    Args:
        folder: what a `data_prep` module wrote: `manifest.csv` and `dataset.json` beside the images.

    Returns:
        A `Manifest`.

    Raises:
        FileNotFoundError: where one of the two files is missing.
        ValueError: where one of them cannot be parsed, the classes are missing or repeated, a column is
            missing, a cell is empty or of another kind, a path is repeated or leads out of the folder, there is no
            image, or a label is not one of the classes.
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
        info = json.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows write the mark
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    classes = info.get("classes") if isinstance(info, dict) else None
    names = isinstance(classes, list) and all(isinstance(name, str) and name for name in classes)
    if not names or not classes or len(set(classes)) < len(classes):
        raise ValueError(f"{path} must list distinct classes under 'classes', as text; it has {classes}")
    for name, kind in KINDS.items():
        if not isinstance(info.get(name, kind()), kind):
            raise ValueError(f"{path} must have {KIND_NAMES[kind]} under {name!r}; it has {info[name]!r}")
    return info


def _read_table(path):
    try:
        # A group may be called "NA" or "007": neither a missing value nor a number.
        frame = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS, str), keep_default_na=False)
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
    for name, (pattern, expected) in CELLS.items():
        wrong = frame[name][~frame[name].str.fullmatch(pattern)]
        if len(wrong):
            raise ValueError(
                f"{path} has {len(wrong)} cells under {name!r} that are not {expected}, first {wrong.iloc[0]!r} in row "
                f"{wrong.index[0] + 1}"
            )
    outside = [name for name in frame["path"] if name.startswith("/") or ".." in PurePosixPath(name).parts]
    if outside:
        raise ValueError(f"{path} names files outside of its folder: {outside[:5]}")
    if frame.empty:
        raise ValueError(f"{path} lists no image")
    repeated = frame["path"][frame["path"].duplicated()].tolist()
    if repeated:
        raise ValueError(f"{path} lists {len(repeated)} paths twice: {repeated[:5]}")
    return frame[COLUMNS].astype({"width": np.int64, "height": np.int64})
