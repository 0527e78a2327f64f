"""Dividing a prepared folder for a training, and what can be refused before Keras is imported."""

from pathlib import Path

from drcls.data import load_manifest, split
from drcls.own_images.options import STRATEGY_OF_PROTOCOL
from drcls.runs import check_run_folder

FRACTIONS = (0.7, 0.15, 0.15)


def divide(manifest, protocol, seed):
    """Return training, validation and test part, dict of `Manifest`.

    Args:
        manifest: `Manifest` of the whole folder.
        protocol: a name of `STRATEGY_OF_PROTOCOL`.
        seed: int.

    Raises:
        ValueError: where a part would have no image of a class.
    """
    return split(manifest, FRACTIONS, seed, STRATEGY_OF_PROTOCOL[protocol])


def count_given_test_images(part):
    """Count the images of a part that the source of the data had in its test part, int."""
    return int((part.source_parts == "test").sum())


def prepared_size(manifest):
    """Return the largest side of the prepared images in pixels, int."""
    return int(manifest.frame[["width", "height"]].to_numpy().max())


def check_size(manifest, image_size):
    """Refuse to enlarge prepared images.

    Raises:
        ValueError: where they are smaller than the size that is asked for.
    """
    prepared = prepared_size(manifest)
    if prepared < image_size:
        raise ValueError(
            f"{manifest.root} holds images of {prepared} pixels, and {image_size} are asked for; prepare them anew "
            f"with --size {image_size}, or train with --image-size {prepared}"
        )


def check_training(data, folder, protocol, seed, image_size=None):
    """Refuse a training that cannot begin: by its run folder, the division of its images or their size.

    Args:
        data: path of a prepared folder.
        folder: the run folder.
        protocol, seed, image_size: as for `train_classifier`.

    Raises:
        ValueError: where it cannot.
        FileNotFoundError: where `data` is not prepared.
    """
    check_run_folder(Path(folder))
    manifest = load_manifest(data)
    divide(manifest, protocol, seed)
    if image_size:
        check_size(manifest, image_size)
