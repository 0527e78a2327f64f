"""The images of an experiment."""

from drcls.data import load_manifest


def acquire(folder, stand_ins):
    """Return a prepared data set; one that stands in for a paper's is made where it is missing.

    Args:
        folder: Path, `data/<name of the data set>`.
        stand_ins: dict from the names of such data sets to a function, folder -> images in it.

    Returns:
        A `Manifest`.
    """
    if folder.name in stand_ins:
        stand_ins[folder.name](folder)
    return load_manifest(folder)


def check_classes(manifest, expected):
    """Refuse a data set whose classes are not those of a paper, before anything is trained on it.

    Args:
        manifest: `Manifest`.
        expected: list of str, the classes in their order.

    Raises:
        ValueError: where they differ.
    """
    if manifest.classes != list(expected):
        raise ValueError(
            f"{manifest.root} has the classes {', '.join(manifest.classes)}; expected those of the paper, "
            f"{', '.join(expected)}, in this order; name another data set with --data, or prepare this one anew"
        )
