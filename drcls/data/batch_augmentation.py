"""Keras' stronger augmentations, made to draw from a seed of each batch.

They compute in float32 whatever the policy of the network is: in bfloat16 MixUp and CutMix fail on TensorFlow, and
the others draw from coarser numbers.
"""

import random
from threading import Lock

import keras
import numpy as np

# What each is asked for: Keras' defaults, except that AugMix leaves out its operations on brightness, contrast,
# sharpness and colour, as its authors did to keep them apart from the corruptions they tested with.
BATCH_AUGMENTATIONS = {
    "RandAugment": lambda seed: keras.layers.RandAugment(
        value_range=(0, 255), num_ops=2, factor=0.5, seed=seed, dtype="float32"
    ),
    "MixUp": lambda seed: keras.layers.MixUp(alpha=0.2, seed=seed, dtype="float32"),
    "CutMix": lambda seed: keras.layers.CutMix(seed=seed, dtype="float32"),
    "AugMix": lambda seed: keras.layers.AugMix(
        value_range=(0, 255), all_ops=False, seed=seed, dtype="float32"
    ),
}


# AugMix chooses its operations by Python's global generator, whatever its seed.
_GLOBAL_GENERATOR = Lock()


class BatchAugmentation:
    """Applies one of Keras' augmentation layers to whole batches.

    A layer is made anew for each batch, from the seed of that batch: a layer's own random state would depend on
    which thread came first, and would be lost when training is interrupted.

    Args:
        name: "RandAugment", "MixUp", "CutMix" or "AugMix".

    Raises:
        ValueError: on another name.
    """

    def __init__(self, name):
        if name not in BATCH_AUGMENTATIONS:
            raise ValueError(
                f"strong augmentation must be one of {list(BATCH_AUGMENTATIONS)}; received {name!r}"
            )
        self.name = name

    def __call__(self, images, labels, seed):
        """Augment a batch.

        Args:
            images: float32 (B, H, W, 3) in 0..255.
            labels: float32 (B, C), one-hot.
            seed: int.

        Returns:
            images, float32 (B, H, W, 3) in 0..255, and labels, float32 (B, C), mixed by MixUp and CutMix.
        """
        layer = BATCH_AUGMENTATIONS[self.name](seed)
        if self.name in ("MixUp", "CutMix"):
            # Both mix each image with another of the batch; alone there is none.
            if len(images) == 1:
                return images, labels
            mixed = layer({"images": images, "labels": labels}, training=True)
            images, labels = mixed["images"], mixed["labels"]
        else:
            images = _call_seeded(layer, images, seed)
        images, labels = (
            np.array(keras.ops.convert_to_numpy(values), np.float32) for values in (images, labels)
        )
        return np.clip(images, 0, 255), labels


def _call_seeded(layer, images, seed):
    """Call a layer with Python's global generator seeded, and put that back as it was."""
    with _GLOBAL_GENERATOR:
        state = random.getstate()
        random.seed(seed)
        try:
            return layer(images, training=True)
        finally:
            random.setstate(state)
