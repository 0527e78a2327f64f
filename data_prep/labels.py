"""Bring label files and the images that they name together."""

import codecs
import io
import re
import unicodedata
from collections import Counter
from pathlib import PurePosixPath

import pandas as pd

from data_prep.sources import PreparationError, shorten

# The international scale of diabetic retinopathy, under the names of the folders of the public APTOS copy.
DR_CLASSES = ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]
DR_GRADES = {str(grade): name for grade, name in enumerate(DR_CLASSES)}
# A table of a million images has a few dozen megabytes; a small archive can hold one of gigabytes.
MAX_TABLE_BYTES, MAX_TABLE_ROWS, MAX_COLUMNS = 2**26, 2_000_000, 1000
# How pandas, R and spreadsheets write a cell without a value; "None" and "NA" may be names of classes.
MISSING = {"nan", "<na>", "#n/a", "null"}
NUMBER = re.compile(r"[+-]?\d+([.]\d*)?([eE][+-]?\d+)?")
LEADING_ZEROS = re.compile(r"^0+(?=\d)")
SEPARATORS = ",;\t|"


def in_natural_order(names):
    """Sort class names, numbers by their value: "2" before "10"; others by their letters."""
    return sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def without_writing(name):
    """Return a name without what two programs or people write differently: capitals, blanks, accents, leading zeros.

    >>> without_writing(" P1"), without_writing("007"), without_writing("00"), without_writing("0.5")
    ('p1', '7', '0', '0.5')
    """
    return LEADING_ZEROS.sub("", unicodedata.normalize("NFC", name).strip().casefold())


def check_written_alike(names, where, what):
    """Refuse names that are probably one and are written in two ways.

    Args:
        names: iterable of str.
        where: what to call their source in the error.
        what: what they are, for example "class names".

    Raises:
        PreparationError: Two differ in their writing alone; both are named.
    """
    first = {}
    for name in dict.fromkeys(names):
        other = first.setdefault(without_writing(name), name)
        if other != name:
            raise PreparationError(
                f"{where}: {what} that differ in capitals, blanks, leading zeros or the writing of accents alone, "
                f"{other!r} and {name!r}; write them alike if they mean the same, else unlike"
            )


def check_groups(groups, labels, where):
    """Refuse a column of groups that would let a split tear some apart.

    Args:
        groups: list of str, "" where there is none.
        labels: list of str, "" for a row whose image is not used.
        where: what to call the column in the error.

    Raises:
        PreparationError: A row with a label has no group, or one group seems to be written in two ways.
    """
    blank = [
        row for row, (group, label) in enumerate(zip(groups, labels, strict=True), 1) if label and not group
    ]
    if blank:
        raise PreparationError(
            f"{where}: of {len(groups)} rows these have no group (the first below the header is 1), {shorten(blank)}; "
            "fill in the column (of merged cells only the first keeps its text), or give each image that belongs to no "
            "other one an id of its own"
        )
    check_written_alike(groups, where, "groups")


def check_classes(found, classes, where, ordered=False):
    """Return the class names in the order of the network's outputs.

    Args:
        found: iterable of str, the names that the labels use.
        classes: list of str, the order that the user asks for, or None for the natural one. It may name classes that
            no label uses: another hospital has no image of some.
        where: what to call the labels in the error.
        ordered: whether the classes are grades; only numbers say themselves which is more.

    Raises:
        PreparationError: There are fewer than two classes, a name cannot be read or stands twice, two look alike, a
            label is not among those asked for, or nothing says the order of grades.
    """
    found = set(found)
    names = list(classes) if classes is not None else in_natural_order(found)
    if not found <= set(names):
        raise PreparationError(
            f"{where}: the classes {names} were asked for, {sorted(found)} found; name these too, in the order that is "
            "meant"
        )
    if len(names) < 2 or not found:
        raise PreparationError(
            f"{where}: at least two classes expected, {sorted(found)} found; if a class has no image here, name all "
            "classes (--classes)"
        )
    odd = sorted(name for name in names if not name or not name.isprintable())
    if odd:
        raise PreparationError(
            f"{where}: class names with control or invisible characters, or without any, {odd}"
        )
    if len(set(names)) < len(names):
        raise PreparationError(f"{where}: each class name is expected once, received {names}")
    check_written_alike(names, where, "class names")
    if ordered and classes is None and not all(name.isdecimal() for name in found):
        raise PreparationError(
            f"{where}: grades need an order, and the names {names} do not say it; name them from least to most "
            "(--classes LEAST,...,MOST)"
        )
    return names


def meant_cells(cells):
    """Return the labels or groups of a column as they are meant.

    Programs write missing ones as NaN, and whole numbers as 2.0.

    Args:
        cells: iterable of str.

    Returns:
        list of str, "" where there is none.

    >>> meant_cells(["2.0", "0", "nan", "", "10.0"]), meant_cells(["1.5", "2.0"]), meant_cells(["2.0", "b"])
    (['2', '0', '', '', '10'], ['1.5', '2.0'], ['2.0', 'b'])
    """
    meant = ["" if cell.casefold() in MISSING else cell for cell in cells]
    whole = [cell.removesuffix(".0") for cell in meant]
    return whole if all(cell.isdecimal() for cell in whole if cell) else meant


def check_no_measurements(labels, where):
    """Refuse a column of fractions: each value would become a class of its own.

    Raises:
        PreparationError: All labels are numbers, and one is no whole number.
    """
    numbers = [label for label in labels if label]
    if all(NUMBER.fullmatch(label) for label in numbers):
        fractions = [label for label in numbers if not float(label).is_integer()]
        if fractions:
            raise PreparationError(
                f"{where}: measurements and no classes, {shorten(fractions)}; name the column of the classes, or give "
                "them names that are no numbers"
            )


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


def read_text(source, name):
    """Read a text file of a source, without the byte order mark that Windows programs write.

    Raises:
        PreparationError: The file is too large, unreadable, or neither UTF-8 nor UTF-16 with its mark.
    """
    if source.size(name) > MAX_TABLE_BYTES:
        raise PreparationError(
            f"{source.path}: {name} has {source.size(name)} bytes; at most {MAX_TABLE_BYTES} expected of a "
            "label file"
        )
    return decode_text(source.read(name), name)


def decode_text(data, name):
    """Decode the bytes of a label file, all its lines ended by "\\n"; see `read_text`."""
    encoding = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise PreparationError(
            f"{name} is not a readable CSV or text file ({error}); save it as UTF-8"
        ) from error


def parse_table(text, name):
    """Parse the text of a CSV file; the separator is the one that is most frequent in the first line.

    Returns:
        DataFrame of str, without surrounding blanks; an empty cell is "".

    Raises:
        PreparationError: The text is no table, a column name is repeated, or it has too many rows or columns.
    """
    first = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=first.count)
    if first.count(separator) >= MAX_COLUMNS or text.count("\n") > MAX_TABLE_ROWS:
        raise PreparationError(
            f"{name} has {first.count(separator) + 1} columns and {text.count(chr(10))} lines; at most "
            f"{MAX_COLUMNS} and {MAX_TABLE_ROWS} expected of a label file"
        )
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            dtype=str,
            keep_default_na=False,
            header=None,
            index_col=False,
            skipinitialspace=True,
        )
    except ValueError as error:
        raise PreparationError(f"{name} is not a readable CSV file ({error})") from error
    table = table.fillna("").apply(lambda column: column.str.strip())
    header = list(table.iloc[0])
    repeated = [column for column, count in Counter(header).items() if count > 1 and column]
    if repeated:
        raise PreparationError(f"{name} has the column names {repeated} more than once: {header}")
    return table.iloc[1:].set_axis(header, axis=1).reset_index(drop=True)


def read_label_table(source, name, id_column, label_column):
    """Read a CSV of labels.

    Returns:
        list of (image id, label as written), in the order of the file.

    Raises:
        PreparationError: The file is missing, is no CSV or lacks a column.
    """
    path = find_file(source, name)
    table = parse_table(read_text(source, path), path)
    if not {id_column, label_column} <= set(table.columns):
        raise PreparationError(
            f"{path} has the columns {list(table.columns)}, {id_column},{label_column} expected"
        )
    return list(zip(table[id_column], table[label_column], strict=True))


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
