"""Intervals of measures that need probabilities, against scikit-learn on copied rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from drcls.metrics import expected_calibration_error, score_bootstrap_intervals
from drcls.metrics.score_intervals import _Curve


def some(num=60, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(3, size=num)
    scores = rng.random((num, 3)).round(2) + np.eye(3)[y_true] * 0.5
    return y_true, scores / scores.sum(axis=1, keepdims=True), rng.integers(20, size=num)


def test_a_weighted_area_is_scikit_learns_area_of_repeated_rows():
    rng = np.random.default_rng(1)
    positive, scores = rng.random(40) < 0.4, rng.random(40).round(1)
    weights = rng.integers(0, 4, (5, 40))
    areas = _Curve(positive, scores).area(weights.astype(float))
    for area, times in zip(areas, weights, strict=True):
        assert area == pytest.approx(roc_auc_score(np.repeat(positive, times), np.repeat(scores, times)))


def test_intervals_hold_the_measured_values():
    y_true, probabilities, groups = some()
    intervals = score_bootstrap_intervals(y_true, probabilities, groups)
    for index, (low, high) in enumerate(intervals["auroc"]):
        assert low < roc_auc_score(y_true == index, probabilities[:, index]) < high
    low, high = intervals["macro_auroc"]
    assert low < roc_auc_score(y_true, probabilities, multi_class="ovr", average="macro") < high
    low, high = intervals["expected_calibration_error"]
    # A calibration error is biased upwards by chance, in a resample more than in the images.
    assert 0 <= low < high and low < expected_calibration_error(probabilities, y_true) + 0.1


def test_groups_widen_an_interval():
    rng = np.random.default_rng(3)
    y_true = np.repeat(rng.integers(2, size=12), 20)
    easy = np.repeat(rng.random(12), 20)
    scores = np.clip(0.5 + (y_true - 0.5) * easy + rng.normal(0, 0.05, 240), 0.01, 0.99)
    probabilities = np.stack([1 - scores, scores], axis=1)
    single = score_bootstrap_intervals(y_true, probabilities, np.arange(240))["macro_auroc"]
    grouped = score_bootstrap_intervals(y_true, probabilities, np.repeat(np.arange(12), 20))["macro_auroc"]
    assert np.ptp(grouped) >= np.ptp(single)


def test_a_class_without_images_has_no_interval():
    y_true, probabilities, groups = some()
    wider = np.concatenate([probabilities * 0.9, np.full((60, 1), 0.1)], axis=1)
    intervals = score_bootstrap_intervals(y_true, wider, groups)
    assert np.isnan(intervals["auroc"][3]).all()
    assert np.isfinite(intervals["macro_auroc"]).all()


def test_one_group_has_no_intervals():
    y_true, probabilities, groups = some()
    expected = score_bootstrap_intervals(y_true, probabilities, groups, num_resamples=100)
    intervals = score_bootstrap_intervals(y_true, probabilities, np.zeros(60))
    assert list(intervals) == list(expected)
    for name, limits in intervals.items():
        assert limits.shape == expected[name].shape and np.isnan(limits).all()


def test_what_is_no_probability_is_refused():
    labels, probabilities = np.array([0, 1, 0, 1]), np.full((4, 2), 0.5)
    for wrong in (probabilities * 8, probabilities * np.nan):
        with pytest.raises(ValueError, match="rows that sum to 1"):
            score_bootstrap_intervals(labels, wrong, range(4))
    with pytest.raises(ValueError, match="received 4, 4 and 3"):
        score_bootstrap_intervals(labels, probabilities, range(3))


@pytest.mark.parametrize(
    "numbers, message",
    [
        ({"num_resamples": 0}, "num_resamples must be 100 or more, received 0"),
        ({"num_bins": 2.5}, "num_bins must be a whole number of 1 or more, received 2.5"),
    ],
)
def test_bad_numbers_are_named(numbers, message):
    with pytest.raises(ValueError, match=message):
        score_bootstrap_intervals(*some(), **numbers)
