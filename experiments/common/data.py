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
