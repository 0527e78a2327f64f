"""Error and gain on corrupted images, by hand."""

import numpy as np
import pytest

from drcls.metrics import gain_under_corruption, mean_corruption_error


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


def test_what_was_not_measured_is_named():
    model = {"corrupted": {"blur": [0.5], "noise": [0.5]}}
    with pytest.raises(ValueError, match=r"\['fog'\] is not measured; expected some of \['blur', 'noise'\]"):
        mean_corruption_error(model, names=["blur", "fog"])
    with pytest.raises(ValueError, match=r"\['noise'\] is not measured; expected some of \['blur'\]"):
        mean_corruption_error(model, {"corrupted": {"blur": [0.5]}})


def test_a_gain_of_what_is_neither_right_nor_wrong_is_refused():
    with pytest.raises(ValueError, match="received NaN or infinity"):
        gain_under_corruption([[1, np.nan]], [[1, 1]])
