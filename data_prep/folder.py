"""Anybody's images in a folder for each class, with or without folders for train, validation and test around them.

Read are `CLASS/.../NAME.jpg` and `{train,val,test}/CLASS/.../NAME.jpg`, in a folder or a zip. Parts of a split may have
other usual names (`training_set`, `test images`); where folders may be parts or classes, the user is asked.
"""

from pathlib import PurePosixPath

from data_prep.labels import check_classes, check_written_alike
from data_prep.prepare import LabelledFile, prepare_labelled
from data_prep.sources import PreparationError, Source, check_unpacked, shorten
from data_prep.verify import FORMAT_OF_SUFFIX
from drcls.data.image_files import UNREAD_ENDINGS
from drcls.data.manifest import part_of_split

# DICOM and unusual endings of JPEG are not read here either.
UNREAD = UNREAD_ENDINGS | {".dcm", ".dicom", ".jfif", ".jpe"}


def prepare_folder(source, target, size=None, ordered=False, classes=None, group_folders=False, **described):
    """Prepare class folders.

    Args:
        source: path of a folder or a zip.
        target: output folder; its name is the data set's.
        size: side in pixels; None for 224.
        ordered: whether the classes are grades, from least to most in the order of `classes`, which must be given
            unless they are whole numbers.
        classes: list of str, the classes in the order of the network's outputs, those without an image too; None for
            the class folders in their natural order (numbers by value).
        group_folders: whether the folder of an image inside its class folder names its group, such as the patient.
            One name under two classes is one group. An image directly in a class folder is of no group.
        described: `title`, `licence`, `options`, `workers`, `force`; see `data_prep.prepare.prepare_labelled`.

    Returns:
        The content of `dataset.json`.

    Raises:
        PreparationError: There are not two classes, a folder that `classes` does not name holds no image, groups are
            asked for and cannot be told, or `target` holds another preparation.
    """
    with Source(source) as opened:
        files, found, inside = list_class_folders(opened, classes, group_folders)
        classes = check_classes(found, classes, opened.path, ordered)
        options = described.pop("options", None) or {}
        return prepare_labelled(
            opened,
            files,
            target,
            classes,
            ordered=ordered,
            options=options | {"size": size or 224},
            labelling={"group_folders": group_folders},
            notes={"folders_without_meaning": inside} if inside and not group_folders else {},
            **described,
        )


def is_image(name):
    """Tell by its ending, in small letters or capitals, whether a file is an image, be it of a format not read here."""
    return PurePosixPath(name).suffix.lower() in {*FORMAT_OF_SUFFIX, *UNREAD}


def list_class_folders(source, classes=None, group_folders=False):
    """List the images of a source of class folders.

    Args:
        source: `Source`.
        classes: list of str, the class folders; None: all folders that can be.
        group_folders: whether the folder of an image inside its class folder names its group.

    Returns:
        (list of LabelledFile, set of the class names that have images, list of the folders with images inside class
        folders). An image outside the class folders has no label.

    Raises:
        PreparationError: There are no class folders, they cannot be told from parts of a split, one holds no
            image, or groups are asked for and cannot be told.
    """
    check_unpacked(source)
    named = set(classes or [])
    root = _common_folder(source, named)
    images = [PurePosixPath(name).relative_to(root) for name in source.names if is_image(name)]
    inner = [PurePosixPath(name).relative_to(root) for name in source.folders if _lies_in(name, root)]
    depth = _depth_of_classes(source.path, inner, images, named, group_folders)
    folders = {path for path in inner if len(path.parts) == depth}
    if not folders:
        raise PreparationError(
            f"{source.path}: no two class folders among {len(source.names)} files; CLASS/NAME.jpg or "
            "train/CLASS/NAME.jpg expected, or a table of labels (--table)"
        )
    filled = {path.parts[:depth] for path in images if len(path.parts) > depth}
    empty = sorted(str(path) for path in folders if path.parts not in filled and path.name not in named)
    if empty:
        raise PreparationError(
            f"{source.path}: class folders without an image (JPEG, PNG, BMP, TIFF or WebP), {shorten(empty)}; "
            "fill or remove them, or name all classes if it is known that these have none (--classes)"
        )
    inside = sorted({str(path.parent) for path in images if len(path.parts) > depth + 1})
    if group_folders:
        _check_groups(source.path, inside, depth)
    files = [_labelled(root, path, depth, group_folders) for path in images]
    check_written_alike(sorted({file.group for file in files}), source.path, "folders of groups")
    return files, {file.label for file in files if file.label}, inside


def _labelled(root, path, depth, group_folders):
    """Return the LabelledFile of an image, by the folders around it."""
    name, image_id = str(root / path), str(path.with_suffix(""))
    if len(path.parts) <= depth:
        return LabelledFile(name, image_id, None)
    group = path.parent.name if group_folders and len(path.parts) > depth + 1 else ""
    split = part_of_split(path.parts[0]) if depth > 1 else ""
    return LabelledFile(name, image_id, path.parts[depth - 1], group, source_split=split)


def _check_groups(where, inside, depth):
    """Refuse to take folders for groups where there are none, or several around one image."""
    deeper = [name for name in inside if len(PurePosixPath(name).parts) > depth + 1]
    if deeper:
        raise PreparationError(
            f"{where}: --group-folders expects CLASS/GROUP/NAME.jpg; these lie deeper, {shorten(deeper)}, and "
            "nothing says which of the folders is the group; move the images, or give a table with --group-column"
        )
    if not inside:
        raise PreparationError(
            f"{where}: --group-folders expects CLASS/GROUP/NAME.jpg; no class folder holds a folder with images; leave "
            "the option out, or move the images of each group into a folder of its own"
        )


def _lies_in(name, root):
    return PurePosixPath(name).is_relative_to(root)


def _common_folder(source, named):
    """Return the innermost folder that holds all others: archives often have one folder around everything.

    One that is named like a class is none around everything.
    """
    folder = PurePosixPath()
    while True:
        inside = {
            path.relative_to(folder).parts[0]
            for path in map(PurePosixPath, source.folders)
            if path.is_relative_to(folder) and path != folder
        }
        files_here = any(is_image(name) and PurePosixPath(name).parent == folder for name in source.names)
        if len(inside) != 1 or files_here or inside <= named:
            return folder
        folder = folder / inside.pop()


def _depth_of_classes(where, folders, images, classes, group_folders):
    """Return how deep the class folders lie: 1, or below the parts of a split 2 (`train/CLASS`) or 3.

    Args:
        where: what to call the source in an error.
        folders, images: lists of PurePosixPath.
        classes: set of str, the class folders that the user names: what is among them is no part of a split.
        group_folders: whether the user says that folders inside the class folders are groups.

    Raises:
        PreparationError: The folders may be classes or something else.
    """
    outer = {path.parts[0] for path in folders if path.parts}
    if outer <= classes:
        return 1
    parts = {name for name in outer if part_of_split(name)}
    if parts != outer:
        _check_no_parts(where, outer, parts)
        if not group_folders:
            _check_outer_are_classes(where, outer, folders, images)
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


def _check_no_parts(where, outer, parts):
    """Refuse folders of which only some are named like parts of a split."""
    if parts:
        raise PreparationError(
            f"{where}: the folders {sorted(parts)} are named like parts of a split, {sorted(outer - parts)} are not; "
            "give either parts of a split (train, validation, test) that hold the class folders, or "
            f"{_ask_for_classes(outer)}"
        )


def _check_outer_are_classes(where, outer, folders, images):
    """Refuse folders that all hold the same folders and no image: either may be the classes."""
    inside = {
        frozenset(path.parts[1] for path in folders if len(path.parts) > 1 and path.parts[0] == name)
        for name in outer
    }
    same = min(inside, key=len, default=())
    images_beside = any(len(path.parts) == 2 for path in images)
    if len(outer) > 1 and len(inside) == 1 and len(same) > 1 and not images_beside:
        raise PreparationError(
            f"{where}: the folders {shorten(sorted(outer))} all hold the same folders, {shorten(sorted(same))}; either "
            "may be the classes. Call the outer ones train, validation and test if they are parts of a split; give "
            f"--group-folders if the inner ones are groups, such as patients; or {_ask_for_classes(outer)}"
        )


def _ask_for_classes(names):
    return f"name the classes if these are all of them (--classes {','.join(sorted(names))})"
