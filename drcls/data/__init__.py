"""From a prepared folder to batches: manifest, split, resampling, leakage audit, cache, augmentation.

Importing the package imports no Keras; `Batches` and `BatchAugmentation` do, when they are first asked for.
"""

import importlib

from drcls.data.augment import Augmenter
from drcls.data.cache import ImageCache
from drcls.data.corruptions import CORRUPTIONS, corrupt, corrupt_all
from drcls.data.features import Features
from drcls.data.leakage import audit_leakage, leaked_images
from drcls.data.manifest import Manifest, load_manifest
from drcls.data.outliers import find_outliers, read_injected, score_detection
from drcls.data.resample import (
    class_weights,
    imbalance_ratio,
    oversample,
    subsample_to_majority_share,
    undersample,
)
from drcls.data.split import deduplicate, folds, split

_WITH_KERAS = {
    "Batches": "batches",
    "BATCH_AUGMENTATIONS": "batch_augmentation",
    "BatchAugmentation": "batch_augmentation",
}
__all__ = [
    "CORRUPTIONS",
    "Features",
    "BATCH_AUGMENTATIONS",
    "BatchAugmentation",
    "Augmenter",
    "Batches",
    "ImageCache",
    "Manifest",
    "audit_leakage",
    "class_weights",
    "corrupt",
    "corrupt_all",
    "deduplicate",
    "folds",
    "imbalance_ratio",
    "find_outliers",
    "leaked_images",
    "load_manifest",
    "oversample",
    "read_injected",
    "score_detection",
    "split",
    "undersample",
    "subsample_to_majority_share",
]


def __getattr__(name):
    if name not in _WITH_KERAS:
        raise AttributeError(f"module 'drcls.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"drcls.data.{_WITH_KERAS[name]}"), name)
