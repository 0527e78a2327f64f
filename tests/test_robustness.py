"""Accuracy under corruptions, the corruption error by hand, and averaging over flips and turns."""

import numpy as np
import pytest

from drcls.data import CORRUPTIONS
from drcls.robustness import dihedral_tta, gain_under_corruption, mean_corruption_error, measure_robustness


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


def test_corruption_error_by_hand():
    model = {"corrupted": {"blur": [1.0, 0.9, 0.8, 0.7, 0.6], "noise": [0.5] * 5}}
    other = {"corrupted": {"blur": [0.8] * 5, "noise": [0.0] * 5}}
    assert mean_corruption_error(model) == pytest.approx((0.2 + 0.5) / 2)
    assert mean_corruption_error(model, names=["blur"]) == pytest.approx(0.2)
    assert mean_corruption_error(model, other) == pytest.approx((1.0 / 1.0 + 2.5 / 5) / 2)
    assert mean_corruption_error(model, model) == pytest.approx(1)
    perfect = {"corrupted": {"blur": [1.0] * 5, "noise": [1.0] * 5}}
    assert mean_corruption_error(model, perfect) is None and mean_corruption_error(model, names=[]) is None


def test_the_gain_under_corruption_by_hand():
    before = np.zeros((2, 5, 40), bool)
    after = before.copy()
    after[:, :, :10] = True  # ten of forty images are right now, whatever the corruption
    gain, low, high = gain_under_corruption(before, after)
    assert gain == pytest.approx(0.25)
    # Half-width of a normal interval for a share of 0.25 of 40 images: 1.96 * sqrt(0.25 * 0.75 / 40) = 0.134.
    assert low == pytest.approx(0.25 - 0.134, abs=0.03) and high == pytest.approx(0.25 + 0.134, abs=0.03)
    assert gain_under_corruption(after, before)[0] == pytest.approx(-0.25)
    assert gain_under_corruption(before, ~before) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("shapes", [((5, 4), (5, 3)), ((5, 1), (5, 1))])
def test_a_gain_needs_the_same_images_more_than_one(shapes):
    with pytest.raises(ValueError, match="two images or more; received"):
        gain_under_corruption(*(np.ones(shape, bool) for shape in shapes))


def test_averaging_sees_all_eight_views():
    image = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    seen = []

    def corner(images):
        seen.append(images[0, :, :, 0])
        return images[:, 0, 0]

    # Each of the four corners (0, 2, 6, 8) is the first pixel of two views.
    assert dihedral_tta(corner)(image) == pytest.approx(4.0)
    assert len({view.tobytes() for view in seen}) == 8
