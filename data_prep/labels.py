"""Bring label files and the images that they name together."""

import io
from collections import Counter
from pathlib import PurePosixPath

import pandas as pd

from data_prep.sources import PreparationError, shorten

# The international scale of diabetic retinopathy, under the names of the folders of the public APTOS copy.
DR_CLASSES = ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]
DR_GRADES = {str(grade): name for grade, name in enumerate(DR_CLASSES)}


def find_file(source, name):
    """Return the full name of the one file in the source that is called `name`, at whatever depth.

    Raises:
        PreparationError: There is none, or more than one.
    """
    found = [path for path in source.names if PurePosixPath(path).name == name]
    if len(found) != 1:
        what = f"several {name}, {shorten(found)}" if found else f"no {name} among {len(source.names)} files"
        raise PreparationError(f"{source.path}: {what}; exactly one expected")
    return found[0]


def read_label_table(source, name, id_column, label_column):
    """Read a CSV of labels.

    Returns:
        list of (image id, label as written), in the order of the file.

    Raises:
        PreparationError: The file is missing, is no CSV or lacks a column.
    """
    path = find_file(source, name)
    try:
        table = pd.read_csv(io.BytesIO(source.read(path)), dtype=str, keep_default_na=False)
    except ValueError as error:
        raise PreparationError(f"{path} is not a readable CSV file ({error})") from error
    if not {id_column, label_column} <= set(table.columns):
        raise PreparationError(
            f"{path} has the columns {list(table.columns)}, {id_column},{label_column} expected"
        )
    ids, labels = table[id_column].str.strip(), table[label_column].str.strip()
    return list(zip(ids, labels, strict=True))


def match_labels(images, labels, classes, label_file):
    """Give every image its label.

    Args:
        images: list of (image id, name of the file in the source).
        labels: list of (image id, label as written).
        classes: dict, label as written -> class name.
        label_file: what to call the labels in the error.

    Returns:
        list of (image id, name of the file, class name; None where no label names the image).

    Raises:
        PreparationError: Unknown labels, repeated ids, missing images, or several images of one id; each
            kind is listed.
    """
    repeated = [i for i, count in Counter(i for i, _ in labels).items() if count > 1]
    names = Counter(i for i, _ in images)
    problems = {
        "unknown labels": [f"{i} -> {label!r}" for i, label in labels if label not in classes],
        "repeated ids": repeated,
        "missing images": [i for i in dict(labels) if i not in names],
        "ids of several images": [i for i, count in names.items() if count > 1],
    }
    messages = [f"{what}, {shorten(items)}" for what, items in problems.items() if items]
    if messages:
        raise PreparationError(f"{label_file}: " + "; ".join(messages))
    label_of = dict(labels)
    return [(i, name, classes[label_of[i]] if i in label_of else None) for i, name in images]
