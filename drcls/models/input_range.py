"""Which values a network expects: 0..255, as images are stored, or something else."""

import keras
import numpy as np

from drcls.forward.inference import iterate_leaves
from drcls.layers import ClassProbabilities

SMALL_SCALE = 1 / 50  # 1 / 255 and 1 / 127.5 are smaller; factors that only tune are larger
LARGE_MEAN = 2


def expects_bytes(model):
    """Tell whether a network brings 0..255 to its own scale, as all of this package do.

    Args:
        model: built `keras.Model`.

    Returns:
        bool: it holds a `Rescaling` that divides by more than 50 or a `Normalization` by means above 2, or ends
        in `ClassProbabilities`. False means unknown, not 0..1.
    """
    return any(map(_speaks_of_bytes, iterate_leaves(model)))


def assumed_of_images(model):
    """Say what is assumed where a network does not say which values it takes, list of str; [] where it does."""
    if expects_bytes(model):
        return []
    return [
        "no layer of the model brings images to its own scale: it was given 0 to 255, and answers wrongly if it was "
        "trained with other values"
    ]


def _speaks_of_bytes(layer):
    if isinstance(layer, keras.layers.Rescaling):
        return bool(np.max(np.abs(layer.scale)) < SMALL_SCALE)
    if isinstance(layer, keras.layers.Normalization):
        means = getattr(layer, "mean", None)
        return means is not None and bool(np.max(keras.ops.convert_to_numpy(means)) > LARGE_MEAN)
    return isinstance(layer, ClassProbabilities)
