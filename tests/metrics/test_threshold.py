"""The threshold of a yes-or-no question."""

import numpy as np
import pytest

from drcls.metrics import choose_threshold, sensitivity_and_specificity


def test_the_threshold_parts_what_can_be_parted():
    positive = np.array([False, False, True, True])
    assert choose_threshold(positive, np.array([0.1, 0.2, 0.3, 0.9])) == pytest.approx(0.25)


def test_youdens_index_weighs_both_errors_alike():
    # Called from 0.35 on: sensitivity 1, specificity 0.75; from 0.65 on: 0.5 and 1.
    positive = np.array([False] * 4 + [True] * 2)
    assert choose_threshold(positive, np.array([0.1, 0.2, 0.3, 0.6, 0.4, 0.7])) == pytest.approx(0.35)


def test_of_equal_thresholds_the_one_nearest_to_a_half_is_taken():
    positive = np.array([False, True, False, True])
    assert choose_threshold(positive, np.array([0.1, 0.2, 0.6, 0.9])) == pytest.approx(0.75)


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_images_of_one_kind_are_refused(positive):
    with pytest.raises(ValueError, match="of both kinds"):
        choose_threshold(positive, [0.1, 0.2])


def test_sensitivity_and_specificity_by_hand():
    measured = sensitivity_and_specificity([True, True, False, False, False], [0.9, 0.1, 0.5, 0.2, 0.3], 0.5)
    assert measured["sensitivity"]["value"] == 0.5 and measured["sensitivity"]["num"] == 2
    assert measured["specificity"]["value"] == pytest.approx(2 / 3)
    low, high = measured["specificity"]["wilson"]
    assert low < 2 / 3 < high


def test_what_does_not_exist_is_none():
    assert sensitivity_and_specificity([False], [0.4], 0.5)["sensitivity"]["value"] is None


def test_many_images_are_no_matter_of_memory():
    rng = np.random.default_rng(0)
    positive = rng.random(100_000) < 0.3
    scores = np.clip(rng.normal(np.where(positive, 0.7, 0.3), 0.2), 0, 1)
    assert choose_threshold(positive, scores) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("measure", [choose_threshold, lambda *both: sensitivity_and_specificity(*both, 0.5)])
@pytest.mark.parametrize(
    "positive, scores, message",
    [
        ([True, False], [0.5, np.nan], r"finite; received \[nan\]"),
        ([True, False], [[0.5], [0.4]], r"array \(N,\); received the shape \(2, 1\)"),
        ([True, False, True], [0.5, 0.4], r"one length \(N,\); received \(3,\) and \(2,\)"),
    ],
)
def test_what_is_no_score_for_each_image_is_refused(measure, positive, scores, message):
    with pytest.raises(ValueError, match=message):
        measure(positive, scores)


def test_a_threshold_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="threshold must be a number; received nan"):
        sensitivity_and_specificity([True], [0.5], np.nan)
