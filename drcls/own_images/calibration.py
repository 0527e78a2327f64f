"""Images that int8 measures its ranges on, and those that its loss of accuracy is measured on."""

from pathlib import Path

import numpy as np
import pandas as pd

from drcls.data import ImageCache, load_manifest
from drcls.models.training_data import data_beside
from drcls.own_images.dividing import prepared_size
from drcls.own_images.evaluation import check_fit, load_classifier, run_of

NUM_CALIBRATION = 256


def calibration_images(run_or_model, data, seed=0):
    """Choose training images for the ranges of int8, and take the test part to measure what int8 costs.

    Args:
        run_or_model: path of a run folder, whose split says which images are which, or of a `.keras` file; the
            file of a run is that run.
        data: path of a prepared folder.
        seed: int, of the choice.

    Returns:
        uint8 (n, H, W, 3), at most 256 images; (uint8 (N, H, W, 3), int (N,)) of the test part, or None where no
        image is known to be of it.

    Raises:
        ValueError: where model and images do not fit, or the run was trained with none of these images.
    """
    path, manifest = Path(run_or_model), load_manifest(data)
    model = load_classifier(path)
    check_fit(model, path, manifest, data_beside(path)[0])
    cache = ImageCache(manifest, model.input_shape[1] or prepared_size(manifest))
    training, test = manifest, None
    if (run := run_of(path)) is not None:
        table = pd.read_csv(run / "split.csv", dtype=str, keep_default_na=False)
        # By content too: the images of any two data sets may have the same names.
        part_of = dict(zip(_identity(table), table["part"], strict=True))
        part = _identity(manifest.frame).map(part_of)
        if not (part == "train").any():
            raise ValueError(f"{path} was trained with no image of {manifest.root}; expected its own data")
        training = manifest.select(np.flatnonzero(part == "train"))
        test = manifest.select(np.flatnonzero(part == "test")) if (part == "test").any() else None
    chosen = np.random.default_rng(seed).permutation(len(training))[:NUM_CALIBRATION]
    images = cache.images[cache.rows(training.select(np.sort(chosen)))]
    return images, None if test is None else (cache.images[cache.rows(test)], test.labels)


def _identity(frame):
    return frame["path"] + frame["sha256"]
