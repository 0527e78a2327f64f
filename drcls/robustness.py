"""How a classifier fares on corrupted test images (Hendrycks and Dietterich, 2019)."""

import numpy as np
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
