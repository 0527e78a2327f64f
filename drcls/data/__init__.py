"""From a prepared folder to batches: manifest, split, resampling, leakage audit, cache, augmentation."""

from drcls.data.augment import Augmenter
from drcls.data.batches import Batches
from drcls.data.cache import ImageCache
from drcls.data.corruptions import CORRUPTIONS, corrupt, corrupt_all
from drcls.data.leakage import audit_leakage, leaked_images
from drcls.data.manifest import Manifest, load_manifest
from drcls.data.outliers import find_outliers, read_planted, score_detection
from drcls.data.resample import class_weights, imbalance_ratio, oversample, undersample, with_majority_share
from drcls.data.split import deduplicate, folds, split
from drcls.data.strong_augmentation import STRONG_AUGMENTATIONS, StrongAugmentation

__all__ = [
    "CORRUPTIONS",
    "STRONG_AUGMENTATIONS",
    "StrongAugmentation",
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
    "read_planted",
    "score_detection",
    "split",
    "undersample",
    "with_majority_share",
]
