"""Anybody's images in a folder for each class, with or without folders for train, validation and test around them.

Read are `CLASS/.../NAME.jpg` and `{train,val,test}/CLASS/.../NAME.jpg`, in a folder or a zip.
"""

from pathlib import PurePosixPath

from data_prep.labels import check_classes
from data_prep.prepare import LabelledFile, prepare_labelled
from data_prep.sources import PreparationError, Source, check_unpacked, shorten
from data_prep.verify import FORMAT_OF_SUFFIX
from drcls.data.image_files import UNREAD_ENDINGS
from drcls.data.manifest import PART_OF_SPLIT

# DICOM and unusual endings of JPEG are not read here either.
UNREAD = UNREAD_ENDINGS | {".dcm", ".dicom", ".jfif", ".jpe"}


def prepare_folder(source, target, size=None, ordered=False, classes=None, **described):
    """Prepare class folders.

    Args:
        source: path of a folder or a zip.
        target: output folder; its name is the data set's.
        size: side in pixels; None for 224.
        ordered: whether the classes are grades, from least to most in the order of `classes`.
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
        files, found = list_class_folders(opened)
        classes = check_classes(found, classes, opened.path)
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


def list_class_folders(source):
    """List the images of a source of class folders.

    Args:
        source: `Source`.

    Returns:
        (list of LabelledFile, set of class names). An image outside the class folders has no label.

    Raises:
        PreparationError: There are no class folders, or one holds no image.
    """
    check_unpacked(source)
    root = _common_folder(source)
    images = [PurePosixPath(name).relative_to(root) for name in source.names if is_image(name)]
    inner = [PurePosixPath(name).relative_to(root) for name in source.folders if _lies_in(name, root)]
    outer = {path.parts[0] for path in inner if path.parts}
    depth = _depth_of_classes(source, outer)
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
        split = PART_OF_SPLIT[path.parts[0].lower()] if depth == 2 and len(path.parts) > 1 else ""
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


def _depth_of_classes(source, outer):
    """Return 2 where the outer folders are the parts of a split, else 1: how deep the class folders lie."""
    parts = {name for name in outer if name.lower() in PART_OF_SPLIT}
    if parts == outer:
        return 2
    if len(parts) > 1:
        raise PreparationError(
            f"{source.path}: the folders {sorted(parts)} are parts of a split, {sorted(outer - parts)} are not; "
            "give either class folders or parts of a split that hold them"
        )
    return 1
