"""Anybody's images with a table of their labels: CSV or TSV of any program, with any column names."""

from collections import defaultdict
from pathlib import Path, PurePosixPath

from data_prep.folder import is_image
from data_prep.labels import (
    MAX_TABLE_BYTES,
    check_classes,
    check_groups,
    check_no_measurements,
    decode_text,
    meant_cells,
    parse_table,
    read_text,
)
from data_prep.prepare import LabelledFile, prepare_labelled
from data_prep.sources import PreparationError, Source, check_unpacked, shorten
from drcls.data.manifest import PART_OF_SPLIT, part_of_split

TABLE_ENDINGS = (".csv", ".tsv", ".txt")


def prepare_table(
    source,
    target,
    table=None,
    *,
    image_column=None,
    label_column=None,
    group_column=None,
    split_column=None,
    size=None,
    ordered=False,
    classes=None,
    **described,
):
    """Prepare images whose labels stand in a table.

    Args:
        source: path of a folder or a zip of images, at any depth.
        target: output folder; its name is the data set's.
        table: path of the table, on the disk or inside the source; None for the one table of the source.
        image_column: column of file names or ids, with or without folders and endings; None for the column that
            names most images, one of file names with their endings before one of ids.
        label_column: column of the classes; None where the table has one column besides the others named here.
        group_column: column of what a split must not tear apart, for example the patient; None for none.
        split_column: column of train, validation (val, valid) or test; None for none.
        size: side in pixels; None for 224.
        ordered: whether the classes are grades, from least to most in the order of `classes`, which must be given
            unless they are whole numbers.
        classes: list of str in the order of the network's outputs, those without an image too; None for the natural
            order of those that the labels use.
        described: `title`, `licence`, `options`, `workers`, `force`; see `data_prep.prepare.prepare_labelled`.

    Returns:
        The content of `dataset.json`, the columns under "columns". Images that the table does not name are rejected,
        and listed.

    Raises:
        PreparationError: The table cannot be read or lacks a column; several columns may name the images; a row
            names no image or several; two rows name the same; a row has no group; or a group is written in two ways.
    """
    with Source(source) as opened:
        check_unpacked(opened)
        name, rows = _read(opened, table)
        finder = ImageFinder(sorted(filter(is_image, opened.names)))
        columns = _choose_columns(rows, finder, name, image_column, label_column, group_column, split_column)
        files, classes = _labelled_files(rows, columns, finder, name, classes, ordered)
        options = described.pop("options", None) or {}
        return prepare_labelled(
            opened,
            files,
            target,
            classes,
            ordered=ordered,
            options=options | {"size": size or 224},
            notes={"columns": {use: column for use, column in columns.items() if column is not None}},
            **described,
        )


def _choose_columns(rows, finder, name, image, label, group, split):
    """Return what each column of the table is used for: dict, "image", "label", "group" or "split" -> column or None.

    Only None asks for a choice: pandas writes the index of a table under the name "".
    """
    named = [column for column in (image, label, group, split) if column is not None]
    unknown = [column for column in named if list(rows.columns).count(column) != 1]
    if unknown:
        raise PreparationError(
            f"{name} has no columns {unknown}; it has {list(rows.columns)}, where each must stand once"
        )
    if image is None:
        image = _image_column(rows, [label, group, split], finder, name)
    if label is None:
        label = _label_column(rows, [image, group, split], name)
    return {"image": image, "label": label, "group": group, "split": split}


def _labelled_files(rows, columns, finder, name, classes, ordered):
    """Return the images with what their rows say, as LabelledFile, and the class names in their order."""
    where = {use: f"{name}, column {column}" for use, column in columns.items()}
    empty = [""] * len(rows)
    labels = meant_cells(rows[columns["label"]])
    check_no_measurements(labels, where["label"])
    found = _match(rows[columns["image"]], finder, where["image"])
    classes = check_classes(filter(None, labels), classes, where["label"], ordered)
    splits = empty if columns["split"] is None else _splits(rows[columns["split"]], where["split"])
    groups = empty if columns["group"] is None else meant_cells(rows[columns["group"]])
    if columns["group"] is not None:
        check_groups(groups, labels, where["group"])
    known = {
        image: (label or None, group, split)
        for image, label, group, split in zip(found, labels, groups, splits, strict=True)
    }
    files = [
        LabelledFile(image, str(PurePosixPath(image).with_suffix("")), *known.get(image, (None, "", "")))
        for image in finder.names
    ]
    return files, classes


def _read(source, table):
    """Return the name of the table and its rows."""
    if table is not None and Path(table).is_file():
        if Path(table).stat().st_size > MAX_TABLE_BYTES:
            raise PreparationError(
                f"{table} has more than {MAX_TABLE_BYTES} bytes, too many for a label file"
            )
        return str(table), parse_table(decode_text(Path(table).read_bytes(), table), table)
    tables = [name for name in source.names if PurePosixPath(name).suffix.lower() in TABLE_ENDINGS]
    wanted = [name for name in tables if table is None or str(table) in (name, PurePosixPath(name).name)]
    if len(wanted) != 1:
        raise PreparationError(
            f"{source.path}: {table or 'one table of labels'} expected, on the disk or in the source; tables in "
            f"it: {shorten(tables) if tables else 'none'}"
        )
    return wanted[0], parse_table(read_text(source, wanted[0]), wanted[0])


class ImageFinder:
    r"""Finds images by what a table calls them: the end of their path, with or without the ending.

    Args:
        names: list of str, full names of the images in their source.

    >>> finder = ImageFinder(["top/left/a.jpg", "top/right/a.jpg", "top/b.PNG"])
    >>> finder.find("b"), finder.find("b.png"), finder.find("left\\a"), finder.find("a.jpg")
    (['top/b.PNG'], ['top/b.PNG'], ['top/left/a.jpg'], ['top/left/a.jpg', 'top/right/a.jpg'])
    """

    def __init__(self, names):
        self.names = names
        self._names = defaultdict(list)
        for name in names:
            parts = PurePosixPath(name).parts
            for start in range(len(parts)):
                end = PurePosixPath(*parts[start:])
                for key in (_with_small_ending(end), str(end.with_suffix(""))):
                    self._names[key].append(name)

    def find(self, called):
        """Return the images that may be meant: a list of full names."""
        path = PurePosixPath(called.replace("\\", "/"))
        # `.` of an id such as 10.2 is no ending.
        return self._names.get(_with_small_ending(path)) or self._names.get(str(path), [])


def _with_small_ending(path):
    return str(path.with_suffix(path.suffix.lower())) if path.name else ""


def _image_column(rows, others, finder, name):
    """Return the column that names the most images: of those with names of files if there are any, else of all.

    Args:
        rows: DataFrame of str.
        others: columns that are named for something else.
        finder: `ImageFinder`.
        name: what to call the table in the error.

    Raises:
        PreparationError: No column names an image, or another one names nearly as many, but others in the same row.
    """
    columns = [column for column in rows.columns if column not in others]
    # Whole numbers, such as an index or the number of a patient, are also names of images without their endings.
    columns = [column for column in columns if _holds_file_names(rows[column], finder)] or columns
    found = {column: [_only(finder.find(cell)) for cell in rows[column]] for column in columns}
    counts = {column: len(set(images) - {None}) for column, images in found.items()}
    best = max(counts, key=counts.get, default=None)
    if best is None or counts[best] == 0:
        raise PreparationError(
            f"{name}: no column names the images; the columns are {list(rows.columns)}. "
            f"{_similar(rows, columns, finder)}"
        )
    for column in columns:
        if 2 * counts[column] > counts[best] and _disagree(found[column], found[best]):
            raise PreparationError(
                f"{name}: columns {best!r} and {column!r} name {counts[best]} and {counts[column]} images, but not the "
                "same ones in each row; say which of them names the images (--image-column)"
            )
    return best


def _holds_file_names(cells, finder):
    """Whether most cells carry the ending of an image, and one means an image of the source, in whatever folder."""
    files = [cell for cell in cells if is_image(cell)]
    return 2 * len(files) > len(cells) and any(
        finder.find(PurePosixPath(_last_part(cell)).stem) for cell in files
    )


def _only(images):
    return images[0] if len(images) == 1 else None


def _disagree(images, others):
    """Whether two columns name different images in one row."""
    return any(a is not None and b is not None and a != b for a, b in zip(images, others, strict=True))


def _similar(rows, columns, finder):
    """Say which of the columns names images of these names in other folders, and what to do."""
    names = {column: [cell for cell in rows[column] if finder.find(_last_part(cell))] for column in columns}
    column = max(names, key=lambda column: len(names[column]), default=None)
    if column is None or not names[column]:
        return (
            "Give names or paths of images inside SOURCE, with or without their endings, or say which column "
            "holds them (--image-column)"
        )
    cell = names[column][0]
    return (
        f"{column!r} looks like it, but its paths lie outside SOURCE: {cell!r} is not there, {_last_part(cell)!r} is. "
        "Shorten the paths so that they begin inside SOURCE, or give the folder above as SOURCE"
    )


def _last_part(cell):
    return PurePosixPath(cell.replace("\\", "/")).name


def _label_column(rows, others, name):
    """Return the only column besides others."""
    left = [column for column in rows.columns if column not in others]
    if len(left) != 1:
        raise PreparationError(
            f"{name}: which of the columns {left} holds the label? name it (--label-column)"
        )
    return left[0]


def _match(called, finder, where):
    """Return the image that each row means."""
    found = [finder.find(cell) if cell else [] for cell in called]
    rows_of = defaultdict(list)
    for row, images in enumerate(found):
        if len(images) == 1:
            rows_of[images[0]].append(row + 1)
    problems = {
        "rows without an image's name (delete them; the first below the header is 1)": [
            row for row, cell in enumerate(called, 1) if not cell
        ],
        "missing images": [
            f"{cell!r} in row {row}"
            for row, (cell, images) in enumerate(zip(called, found, strict=True), 1)
            if cell and not images
        ],
        "names of several images": [
            f"{cell} -> {images[:3]}" for cell, images in zip(called, found, strict=True) if len(images) > 1
        ],
        "images named more than once": [
            f"{image} in rows {rows}" for image, rows in rows_of.items() if len(rows) > 1
        ],
    }
    messages = [f"{what}, {shorten(items)}" for what, items in problems.items() if items]
    if messages:
        raise PreparationError(f"{where}: " + "; ".join(messages))
    return [images[0] for images in found]


def _splits(cells, where):
    """Return the part that every row is in."""
    wrong = sorted({cell for cell in cells if not part_of_split(cell)})
    if wrong:
        raise PreparationError(f"{where}: {shorten(map(repr, wrong))}; expected {', '.join(PART_OF_SPLIT)}")
    return [part_of_split(cell) for cell in cells]
