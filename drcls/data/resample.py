"""Resampling and class weights: the plainest answers to class imbalance.

Each works on whatever part it is given. Called on the whole set before the split, as the CheXNet-CBAM
paper does, oversampling puts copies of training images into the test part; see `drcls.data.split`.
"""

import numpy as np


def oversample(manifest, seed):
    """Repeat images of the smaller classes, drawn with replacement, until all classes are as large.

    Args:
        manifest: the `Manifest` to balance.
        seed: int, decides which images are repeated.

    Returns:
        A `Manifest` of `num_classes * max(counts)` rows: every original row, then the repeated ones.

    Reference: CheXNet-CBAM paper, section 2.3.1.
    """
    from imblearn.over_sampling import (
        RandomOverSampler,  # imbalanced-learn takes a second, and whoever reads a manifest needs none of it
    )

    return _resample(RandomOverSampler(random_state=seed), manifest)


def undersample(manifest, seed):
    """Drop images of the larger classes until all classes are as small as the smallest.

    Args:
        manifest: the `Manifest` to balance.
        seed: int, decides which images are kept.

    Returns:
        A `Manifest` of `num_classes * min(counts)` rows.
    """
    from imblearn.under_sampling import RandomUnderSampler

    return _resample(RandomUnderSampler(random_state=seed), manifest)


def subsample_to_majority_share(manifest, share, seed):
    """Drop images at random until the largest class has a given share of all, as far as there are images.

    A smaller share than the present one is reached by dropping images of the largest class, a larger one by
    making all other classes equally small.

    Args:
        manifest: a `Manifest`.
        share: float between 1 / num_classes and 1.
        seed: int, decides which images are dropped.

    Returns:
        A `Manifest` in the same order. Where the present share is closest to what was asked, all of it.

    Raises:
        ValueError: where the share is out of its range, or leaves a class without an image.

    Reference: Pasupa, Vatathanavaro and Tungjitnob, Table 2.
    """
    counts = manifest.counts()
    if not 1 / len(counts) < share < 1:
        raise ValueError(f"share must lie between {1 / len(counts):.3f} and 1; received {share}")
    majority, others = counts.argmax(), counts.sum() - counts.max()
    wanted = _round_half_up(others * share / (1 - share))
    if np.isclose(counts.max() / counts.sum(), share, atol=0.01):
        return manifest
    if wanted < counts.max():
        counts[majority] = wanted
    else:
        each = _round_half_up(counts.max() * (1 - share) / (len(counts) - 1) / share)
        counts = np.where(np.arange(len(counts)) == majority, counts, np.minimum(counts, each))
    if counts.min() == 0:
        raise ValueError(
            f"{manifest.root}: a share of {share} leaves a class without an image: {counts.tolist()}"
        )
    from imblearn.under_sampling import RandomUnderSampler

    sampler = RandomUnderSampler(sampling_strategy=dict(enumerate(counts.tolist())), random_state=seed)
    kept, _ = sampler.fit_resample(np.arange(len(manifest))[:, None], manifest.labels)
    return manifest.select(np.sort(kept[:, 0]))


def imbalance_ratio(counts):
    """Return the images of the largest class for each of the smallest (Pasupa et al., Eq. 5; Buda et al. 2018)."""
    return float(np.max(counts) / np.min(counts))


def class_weights(counts):
    """Return w_c = N / (C * n_c), the weight that gives every class the same share of the loss.

    Args:
        counts: training images per class, all positive: (C,), or `{class: count}` or a pandas Series of it with the
            classes 0..C-1.

    Returns:
        float64 (C,). All ones where the classes are already balanced.

    Raises:
        ValueError: where a class has no image, whose weight would be infinite, or the classes are not 0..C-1.

    Reference: CheXNet-CBAM paper, Eq. 17 (and Eq. 6, the same under another name).
    """
    # A Series is read by its classes: `value_counts` sorts by frequency.
    by_class = counts.to_dict() if hasattr(counts, "to_dict") else counts
    if isinstance(by_class, dict):
        if set(by_class) != set(range(len(by_class))):
            raise ValueError(f"class_weights needs the classes 0..C-1; received {list(by_class)}")
        counts = [by_class[label] for label in range(len(by_class))]
    counts = np.asarray(counts, dtype=np.float64)
    if counts.ndim != 1 or counts.size == 0 or not np.all(counts > 0):
        raise ValueError(f"class_weights needs one positive count per class; received {counts.tolist()}")
    return counts.sum() / (counts.size * counts)


def _round_half_up(number):
    """1051.5 is printed as 1052, and 0.6 / 0.4 is not quite 1.5."""
    return int(number + 0.5 + 1e-9)


def _resample(sampler, manifest):
    counts = manifest.counts()
    if np.any(counts == 0):
        empty = [name for name, count in zip(manifest.classes, counts, strict=True) if count == 0]
        raise ValueError(f"{manifest.root}: cannot balance classes without a single image: {empty}")
    rows, _ = sampler.fit_resample(np.arange(len(manifest))[:, None], manifest.labels)
    return manifest.select(rows[:, 0])
