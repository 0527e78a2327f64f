"""Accuracy under corruptions, and averaging over flips and turns."""

import numpy as np
import pytest

from drcls.data import CORRUPTIONS
from drcls.robustness import dihedral_tta, measure_robustness


def squares(number=8, side=16):
    """Dark and light images alternate; a mean of 128 parts them."""
    levels = np.where(np.arange(number) % 2, 190, 60).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (number, side, side, 3)).copy(), np.arange(number) % 2


def by_brightness(images):
    light = (np.asarray(images).mean(axis=(1, 2, 3)) > 128).astype(float)
    return np.stack([1 - light, light], axis=1)


def test_what_leaves_the_mean_alone_costs_nothing():
    images, labels = squares()
    measured = measure_robustness(by_brightness, images, labels, seed=0)
    assert measured["clean"] == 1 and measured["num_images"] == 8
    assert list(measured["corrupted"]) == list(CORRUPTIONS)
    assert all(len(values) == 5 for values in measured["corrupted"].values())
    assert measured["corrupted"]["blur"] == measured["corrupted"]["contrast"] == [1.0] * 5
    assert measured["corrupted"]["brightness"][-1] < 1
    assert measured["corrupted"] == measure_robustness(by_brightness, images, labels, seed=0)["corrupted"]
    for name, answers in measured["right"].items():
        assert answers.shape == (5, 8) and answers.dtype == bool
        assert answers.mean(axis=1).tolist() == measured["corrupted"][name]


def test_images_and_labels_must_match():
    images, labels = squares()
    with pytest.raises(ValueError, match="received 7 and 8"):
        measure_robustness(by_brightness, images, labels[1:], seed=0)
    with pytest.raises(ValueError, match="received 0 and 0"):
        measure_robustness(by_brightness, images[:0], labels[:0], seed=0)


def test_averaging_sees_all_eight_views():
    image = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    seen = []

    def corner(images):
        seen.append(images[0, :, :, 0])
        return images[:, 0, 0]

    # Each of the four corners (0, 2, 6, 8) is the first pixel of two views.
    assert dihedral_tta(corner)(image) == pytest.approx(4.0)
    assert len({view.tobytes() for view in seen}) == 8
