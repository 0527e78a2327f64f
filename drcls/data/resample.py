"""Resampling and class weights: the plainest answers to class imbalance.

Each works on whatever part it is given. Called on the whole set before the split, as the CheXNet-CBAM
paper does, oversampling puts copies of training images into the test part; see `drcls.data.split`.
"""

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler


def oversample(manifest, seed):
    """Repeat images of the smaller classes, drawn with replacement, until all classes are as large.

    Args:
        manifest: the `Manifest` to balance.
        seed: int, decides which images are repeated.

    Returns:
        A `Manifest` of `num_classes * max(counts)` rows: every original row, then the repeated ones.

    Reference: CheXNet-CBAM paper, section 2.3.1.
    """
    return _resample(RandomOverSampler(random_state=seed), manifest)


def undersample(manifest, seed):
    """Drop images of the larger classes until all classes are as small as the smallest.

    Args:
        manifest: the `Manifest` to balance.
        seed: int, decides which images are kept.

    Returns:
        A `Manifest` of `num_classes * min(counts)` rows.
    """
    return _resample(RandomUnderSampler(random_state=seed), manifest)


def class_weights(counts):
    """Return w_c = N / (C * n_c), the weight that gives every class the same share of the loss.

    Args:
        counts: training images per class, (C,), all positive.

    Returns:
        float64 (C,). All ones where the classes are already balanced.

    Raises:
        ValueError: where a class has no image, whose weight would be infinite.

    Reference: CheXNet-CBAM paper, Eq. 17 (and Eq. 6, the same under another name).
    """
    counts = np.asarray(counts, dtype=np.float64)
    if counts.ndim != 1 or counts.size == 0 or not np.all(counts > 0):
        raise ValueError(f"class_weights needs one positive count per class; received {counts.tolist()}")
    return counts.sum() / (counts.size * counts)


def _resample(sampler, manifest):
    counts = manifest.counts()
    if np.any(counts == 0):
        empty = [name for name, count in zip(manifest.classes, counts, strict=True) if count == 0]
        raise ValueError(f"{manifest.root}: cannot balance classes without a single image: {empty}")
    rows, _ = sampler.fit_resample(np.arange(len(manifest))[:, None], manifest.labels)
    return manifest.select(rows[:, 0])
