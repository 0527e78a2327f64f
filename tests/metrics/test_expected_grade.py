"""Expected grades and their cut points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from drcls.metrics import choose_cut_points, cut_grades, expected_grades


def test_a_shifted_grade_is_put_right():
    """Means that are all 0.6 too high: rounding is wrong below the last grade, the cut points nowhere."""
    labels = np.array([0, 0, 1, 1, 2, 2])
    expected = labels + 0.6
    np.testing.assert_array_equal(cut_grades(expected, [0.5, 1.5]), [1, 1, 2, 2, 2, 2])
    cuts = choose_cut_points(labels, expected, 3)
    np.testing.assert_array_equal(cut_grades(expected, cuts), labels)
    np.testing.assert_allclose(cuts, [1.1, 2.1])


def test_expected_grade_by_hand():
    np.testing.assert_allclose(expected_grades([[0.25, 0.25, 0.5], [1, 0, 0]]), [1.25, 0])


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_never_worse_than_rounding_and_ascending(seed, num_classes):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(num_classes), rng.integers(0, num_classes, 25)])
    expected = np.clip(labels + rng.normal(0, 0.8, len(labels)), 0, num_classes - 1)
    cuts = choose_cut_points(labels, expected, num_classes)
    assert (np.diff(cuts) > 0).all()

    def kappa(grades):
        return cohen_kappa_score(labels, grades, weights="quadratic", labels=range(num_classes))

    rounded = np.arange(num_classes - 1) + 0.5
    assert kappa(cut_grades(expected, cuts)) >= kappa(cut_grades(expected, rounded)) - 1e-12


def test_one_grade_alone_is_refused():
    with pytest.raises(ValueError, match=r"at least two grades; received \[3\]"):
        choose_cut_points([3, 3], [2.9, 3.1], 5)


def test_expected_grades_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match=r"finite; received \[nan\]"):
        choose_cut_points([0, 1], [0.5, np.nan], 2)


@pytest.mark.parametrize("row", [[np.nan, 1.0], [3.0, -1.0], [0.2, 0.2]])
def test_rows_that_are_no_probabilities_have_no_expected_grade(row):
    with pytest.raises(ValueError, match="rows that sum to 1.*received row 0"):
        expected_grades([row])


@pytest.mark.parametrize(
    "expected, cuts, message",
    [
        ([np.nan], [0.5], r"expected grades must be finite; received \[nan\]"),
        ([1.0], [0.5, np.inf], r"cut points must be finite; received \[inf\]"),
        ([1.0], [1.5, 0.5], r"ascending; received \[1.5, 0.5\]"),
    ],
)
def test_grades_are_cut_at_ascending_numbers_alone(expected, cuts, message):
    with pytest.raises(ValueError, match=message):
        cut_grades(expected, cuts)
