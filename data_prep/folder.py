"""Anybody's images in a folder for each class, with or without folders for train, validation and test around them.

Read are `CLASS/.../NAME.jpg` and `{train,val,test}/CLASS/.../NAME.jpg`, in a folder or a zip. Parts of a split may have
other usual names (`training_set`, `test images`); where folders may be parts or classes, the user is asked.
"""

from pathlib import PurePosixPath

from data_prep.labels import check_classes
from data_prep.prepare import LabelledFile, prepare_labelled
from data_prep.sources import PreparationError, Source, check_unpacked, shorten
from data_prep.verify import FORMAT_OF_SUFFIX
from drcls.data.image_files import UNREAD_ENDINGS
from drcls.data.manifest import part_of_split

# DICOM and unusual endings of JPEG are not read here either.
UNREAD = UNREAD_ENDINGS | {".dcm", ".dicom", ".jfif", ".jpe"}


def prepare_folder(source, target, size=None, ordered=False, classes=None, **described):
    """Prepare class folders.

    Args:
        source: path of a folder or a zip.
        target: output folder; its name is the data set's.
        size: side in pixels; None for 224.
        ordered: whether the classes are grades, from least to most in the order of `classes`, which must be given
            unless they are whole numbers.
        classes: list of str, the class folders in the order of the network's outputs; None for their natural
            order (numbers by value).
        described: `title`, `licence`, `options`, `workers`, `force`; see `data_prep.prepare.prepare_labelled`.

    Returns:
        The content of `dataset.json`.

    Raises:
        PreparationError: There are not two class folders, one holds no image, or `target` holds another
            preparation.
    """
    with Source(source) as opened:
        files, found = list_class_folders(opened, classes)
        classes = check_classes(found, classes, opened.path, ordered)
        options = described.pop("options", None) or {}
        return prepare_labelled(
            opened,
            files,
            target,
            classes,
            ordered=ordered,
            options=options | {"size": size or 224},
            **described,
        )


def is_image(name):
    """Tell by its ending, in small letters or capitals, whether a file is an image, be it of a format not read here."""
    return PurePosixPath(name).suffix.lower() in {*FORMAT_OF_SUFFIX, *UNREAD}


def list_class_folders(source, classes=None):
    """List the images of a source of class folders.

    Args:
        source: `Source`.
        classes: list of str, the class folders; None: all folders that can be.

    Returns:
        (list of LabelledFile, set of class names). An image outside the class folders has no label.

    Raises:
        PreparationError: There are no class folders, they cannot be told from parts of a split, or one holds no
            image.
    """
    check_unpacked(source)
    root = _common_folder(source)
    images = [PurePosixPath(name).relative_to(root) for name in source.names if is_image(name)]
    inner = [PurePosixPath(name).relative_to(root) for name in source.folders if _lies_in(name, root)]
    depth = _depth_of_classes(source.path, inner, images, set(classes or []))
    folders = {path for path in inner if len(path.parts) == depth}
    if not folders:
        raise PreparationError(
            f"{source.path}: no two class folders among {len(source.names)} files; CLASS/NAME.jpg or "
            "train/CLASS/NAME.jpg expected, or a table of labels (--table)"
        )
    filled = {path.parts[:depth] for path in images if len(path.parts) > depth}
    empty = sorted(str(path) for path in folders if path.parts not in filled)
    if empty:
        raise PreparationError(
            f"{source.path}: class folders without an image (JPEG, PNG, BMP, TIFF or WebP), {shorten(empty)}; "
            "fill or remove them"
        )
    files = []
    for path in images:
        label = path.parts[depth - 1] if len(path.parts) > depth else None
        split = part_of_split(path.parts[0]) if depth > 1 else ""
        image_id = str(path.with_suffix(""))
        files.append(LabelledFile(str(root / path), image_id, label, source_split=split if label else ""))
    return files, {path.name for path in folders}


def _lies_in(name, root):
    return PurePosixPath(name).is_relative_to(root)


def _common_folder(source):
    """Return the innermost folder that holds all others: archives often have one folder around everything."""
    folder = PurePosixPath()
    while True:
        inside = {
            path.relative_to(folder).parts[0]
            for path in map(PurePosixPath, source.folders)
            if path.is_relative_to(folder) and path != folder
        }
        files_here = any(is_image(name) and PurePosixPath(name).parent == folder for name in source.names)
        if len(inside) != 1 or files_here:
            return folder
        folder = folder / inside.pop()


def _depth_of_classes(where, folders, images, classes):
    """Return how deep the class folders lie: 1, or below the parts of a split 2 (`train/CLASS`) or 3.

    Args:
        where: what to call the source in an error.
        folders, images: lists of PurePosixPath.
        classes: set of str, the class folders that the user names: what is among them is no part of a split.

    Raises:
        PreparationError: The folders may be classes or something else.
    """
    outer = {path.parts[0] for path in folders if path.parts}
    if outer <= classes:
        return 1
    parts = {name for name in outer if part_of_split(name)}
    if parts != outer:
        _check_are_classes(where, outer, parts, folders, images)
        return 1
    second = [path for path in folders if len(path.parts) == 2]
    # Kaggle packs `training_set/training_set/CLASS`.
    repeated = all(part_of_split(path.parts[0]) == part_of_split(path.parts[1]) for path in second)
    depth = 3 if second and repeated else 2
    named = {path.name for path in folders if len(path.parts) == depth}
    doubtful = sorted(name for name in named - classes if part_of_split(name))
    if doubtful:
        raise PreparationError(
            f"{where}: inside {sorted(outer)} lie {doubtful}, which are named like parts of a split; class folders "
            f"were expected; take them out, or name the classes if these are some (--classes {','.join(sorted(named))})"
        )
    return depth


def _check_are_classes(where, outer, parts, folders, images):
    """Refuse outer folders of which some are named like parts of a split, or which all hold the same folders."""
    asked = f"name the classes if these are all of them (--classes {','.join(sorted(outer))})"
    if parts:
        raise PreparationError(
            f"{where}: the folders {sorted(parts)} are named like parts of a split, {sorted(outer - parts)} are not; "
            f"give either parts of a split (train, validation, test) that hold the class folders, or {asked}"
        )
    inside = {
        name: frozenset(
            path.parts[1] for path in folders if path.parts[:1] == (name,) and len(path.parts) > 1
        )
        for name in outer
    }
    same = next(iter(inside.values()), frozenset())
    images_beside = any(len(path.parts) == 2 for path in images)
    if len(outer) > 1 and len(same) > 1 and set(inside.values()) == {same} and not images_beside:
        raise PreparationError(
            f"{where}: the folders {shorten(sorted(outer))} all hold the same folders, {shorten(sorted(same))}; "
            "either may be the classes; call the outer ones train, validation and test if they are parts of a split, "
            f"or {asked}"
        )
