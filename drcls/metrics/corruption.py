"""Error and gain on corrupted images (Hendrycks and Dietterich, 2019), from which images a model got right."""

import numpy as np
from scipy.stats import bootstrap


def mean_corruption_error(measured, reference=None, names=None):
    """Return the error averaged over severities and corruptions, plain or relative to a reference.

    Relative, it is the paper's mCE: for every corruption the model's summed error over the reference's, averaged
    over corruptions; 1 is as good as the reference, below 1 better.

    Args:
        measured: dict from `measure_robustness`.
        reference: the same of another model on the same images, or None for the plain mean error.
        names: the corruptions to average over; None for all measured.

    Returns:
        float; None where the reference makes no error under some corruption, and without corruptions.

    Raises:
        ValueError: where a corruption was not measured, for the model or the reference.

    Reference: Hendrycks and Dietterich, "Benchmarking neural network robustness", 2019, section 3.
    """
    names = list(measured["corrupted"]) if names is None else list(names)
    if not names:
        return None
    known = set(measured["corrupted"]) & set((reference or measured)["corrupted"])
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{unknown} is not measured; expected some of {sorted(known)}")
    errors = [np.mean(1 - np.array(measured["corrupted"][name])) for name in names]
    if reference is None:
        return float(np.mean(errors))
    others = [np.mean(1 - np.array(reference["corrupted"][name])) for name in names]
    if min(others) == 0:
        return None
    return float(np.mean(np.divide(errors, others)))


def gain_under_corruption(before, after, seed=0):
    """Return how much more a second model gets right than a first on the same corrupted images.

    Whole images are drawn with replacement: the severities of one image succeed and fail together.

    Args:
        before, after: bool (..., N), whether each of N images was classified right under each corruption and
            severity, the same for both models.
        seed: int, of the resampling.

    Returns:
        (gain, low, high), floats: difference of the mean shares right, and its 95 % percentile interval over
        images. The interval has no width where every image gained alike.

    Raises:
        ValueError: where the shapes differ, a value is not finite, or there are fewer than two images.

    >>> before = np.array([[True, False, False, True]])
    >>> gain_under_corruption(before, ~before)[0]
    0.0
    """
    before, after = np.asarray(before, float), np.asarray(after, float)
    if before.shape != after.shape or before.ndim < 1 or before.shape[-1] < 2:
        raise ValueError(
            "before and after must have one shape (..., N) with two images or more; received "
            f"{before.shape} and {after.shape}"
        )
    if not np.isfinite([before, after]).all():
        raise ValueError(
            "before and after must say of each image whether it was right; received NaN or infinity"
        )
    by_image = (after - before).reshape(-1, before.shape[-1]).mean(axis=0)
    gain = float(by_image.mean())
    if np.ptp(by_image) == 0:
        return gain, gain, gain
    found = bootstrap(
        (by_image,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed)
    )
    return gain, float(found.confidence_interval.low), float(found.confidence_interval.high)
