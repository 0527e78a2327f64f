"""How a classifier fares on corrupted test images (Hendrycks and Dietterich, 2019)."""

import numpy as np
from scipy.stats import bootstrap
from tqdm import tqdm

from drcls.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt_all


def measure_robustness(forward, images, labels, seed, names=tuple(CORRUPTIONS)):
    """Return the accuracy on clean images and under every corruption and severity.

    Every model is given the same corrupted images, for one seed.

    Args:
        forward: function uint8 (N, H, W, 3) -> float (N, C), class probabilities.
        images: uint8 (N, H, W, 3), RGB, test images.
        labels: int (N,).
        seed: int, of the corruptions.
        names: the corruptions.

    Returns:
        dict: `clean` (float), `corrupted` ({name: [accuracy at severity 1, ..., 5]}), `num_images`, `right`
        ({name: bool (5, N), whether each image was classified right at each severity}).

    Raises:
        ValueError: where there are no images, or as many labels.
    """
    labels = np.asarray(labels)
    if not len(images) or len(images) != len(labels):
        raise ValueError(
            f"expected as many labels as images, at least one; received {len(labels)} and {len(images)}"
        )

    def answer(shown):
        return np.asarray(forward(shown)).argmax(axis=1) == labels

    right = {name: np.empty((len(SEVERITIES), len(images)), bool) for name in names}
    with tqdm(total=len(names) * len(SEVERITIES), desc="corruptions", unit="set", mininterval=1) as progress:
        for name in names:
            for answers, severity in zip(right[name], SEVERITIES, strict=True):
                answers[:] = answer(corrupt_all(images, name, severity, seed))
                progress.update()
    return {
        "clean": float(answer(np.asarray(images)).mean()),
        "corrupted": {name: answers.mean(axis=1).tolist() for name, answers in right.items()},
        "num_images": len(images),
        "right": right,
    }


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

    Reference: Hendrycks and Dietterich, "Benchmarking neural network robustness", 2019, section 3.
    """
    names = list(measured["corrupted"]) if names is None else list(names)
    if not names:
        return None
    errors = [np.sum(1 - np.array(measured["corrupted"][name])) for name in names]
    if reference is None:
        return float(np.mean(errors) / len(SEVERITIES))
    others = [np.sum(1 - np.array(reference["corrupted"][name])) for name in names]
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
        ValueError: where the shapes differ, or there are fewer than two images.

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
    by_image = (after - before).reshape(-1, before.shape[-1]).mean(axis=0)
    gain = float(by_image.mean())
    if np.ptp(by_image) == 0:
        return gain, gain, gain
    found = bootstrap(
        (by_image,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed)
    )
    return gain, float(found.confidence_interval.low), float(found.confidence_interval.high)


def dihedral_tta(forward):
    """Average predictions over the eight ways to turn and mirror a square image (test-time augmentation).

    A smear has no up and down, and quarter turns interpolate nothing.

    Args:
        forward: function (N, S, S, 3) -> (N, C).

    Returns:
        function of the same form, eight times as slow.
    """

    def averaged(images):
        views = [
            np.rot90(side, turns, axes=(1, 2)) for side in (images, images[:, :, ::-1]) for turns in range(4)
        ]
        return np.mean([np.asarray(forward(np.ascontiguousarray(view))) for view in views], axis=0)

    return averaged
