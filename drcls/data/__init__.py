"""From a prepared folder to batches: manifest, split, resampling, leakage audit, cache, augmentation."""

from drcls.data.augment import Augmenter
from drcls.data.batches import Batches
from drcls.data.cache import ImageCache
from drcls.data.leakage import audit_leakage
from drcls.data.manifest import Manifest, load_manifest
from drcls.data.resample import class_weights, oversample, undersample
from drcls.data.split import deduplicate, split

__all__ = [
    "Augmenter",
    "Batches",
    "ImageCache",
    "Manifest",
    "audit_leakage",
    "class_weights",
    "deduplicate",
    "load_manifest",
    "oversample",
    "split",
    "undersample",
]
