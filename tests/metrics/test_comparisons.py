from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from drcls.metrics import mcnemar_exact, random_signs_exact, two_way_anova


def test_by_hand():
    # Only A gets two images right, only B eight: ten tosses, two-sided p = 112 / 1024.
    y_true = np.zeros(13, int)
    pred_a = np.array([0] * 2 + [1] * 8 + [0, 0, 1])
    pred_b = np.array([1] * 2 + [0] * 8 + [0, 0, 1])
    result = mcnemar_exact(y_true, pred_a, pred_b)
    tail = 2 * sum(comb(10, k) for k in range(3)) / 2**10
    assert result == {"only_a_right": 2, "only_b_right": 8, "p_value": pytest.approx(tail)}


def test_images_of_one_group_count_together():
    # B wins all six images of two patients and loses both of a third: sums 3, 3, -2 in eight sign patterns, of which
    # four (+-8 and +-4) reach |4|.
    y_true, pred_a, pred_b = np.zeros(8, int), np.array([1] * 6 + [0] * 2), np.array([0] * 6 + [1] * 2)
    result = mcnemar_exact(y_true, pred_a, pred_b, groups=list("aaabbbcc"))
    assert result == {"only_a_right": 2, "only_b_right": 6, "p_value": pytest.approx(4 / 8)}
    with pytest.raises(ValueError, match=r"one id an image, \(8,\); received \(2,\)"):
        mcnemar_exact(y_true, pred_a, pred_b, groups=["a", "b"])


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=60))
def test_images_in_groups_of_their_own_are_mcnemars_test(rows):
    found = mcnemar_exact(*np.array(rows).T)
    assert mcnemar_exact(*np.array(rows).T, groups=range(len(rows))) == found
    discordant = found["only_a_right"] + found["only_b_right"]
    expected = binomtest(found["only_a_right"], discordant).pvalue if discordant else 1.0
    assert found["p_value"] == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=10))
def test_random_signs_by_trying_all(sums):
    patterns = np.array(list(product([-1, 1], repeat=len(sums))))
    expected = np.mean(np.abs(patterns @ np.array(sums)) >= abs(sum(sums)))
    assert random_signs_exact(sums) == pytest.approx(expected)


def test_names_of_classes_serve_as_well():
    result = mcnemar_exact(["Mild", "Severe"], ["Mild", "Mild"], ["Severe", "Severe"])
    assert result == {"only_a_right": 1, "only_b_right": 1, "p_value": 1.0}


def test_twins_do_not_differ():
    assert mcnemar_exact([0, 1, 2], [0, 0, 0], [0, 2, 1]) == {
        "only_a_right": 0,
        "only_b_right": 0,
        "p_value": 1.0,
    }


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=60))
def test_swapping_the_classifiers_swaps_the_counts_and_keeps_p(rows):
    y_true, pred_a, pred_b = np.array(rows).T
    forth, back = mcnemar_exact(y_true, pred_a, pred_b), mcnemar_exact(y_true, pred_b, pred_a)
    assert (forth["only_a_right"], forth["only_b_right"]) == (back["only_b_right"], back["only_a_right"])
    assert forth["p_value"] == pytest.approx(back["p_value"])
    assert 0 < forth["p_value"] <= 1
    advantage = np.sum(pred_a == y_true) - np.sum(pred_b == y_true)
    assert forth["only_a_right"] - forth["only_b_right"] == advantage


@pytest.mark.parametrize("arrays", [([0, 1], [0, 1], [0]), ([], [], []), ([0], [[0]], [0])])
def test_unequal_or_empty_arrays_are_an_error(arrays):
    with pytest.raises(ValueError, match="non-empty arrays of one shape"):
        mcnemar_exact(*arrays)


@pytest.mark.parametrize(
    ("arrays", "kinds"),
    [
        (([0, 1], ["0", "1"], ["0", "1"]), r"\['numbers', 'names', 'names'\]"),
        ((["a", "b"], ["a", "b"], [0, 1]), r"\['names', 'names', 'numbers'\]"),
        (([b"a"], ["a"], ["a"]), r"\['bytes', 'names', 'names'\]"),
        ((np.array([0, "b"], object), ["0", "b"], ["0", "b"]), r"\['names and numbers', 'names', 'names'\]"),
    ],
)
def test_numbers_and_names_are_not_compared(arrays, kinds):
    """No number equals a name: all would count as wrong, and the classifiers as equally good."""
    with pytest.raises(ValueError, match=f"all be numbers or all be names of classes, received {kinds}"):
        mcnemar_exact(*arrays)


def test_columns_of_pandas_and_whole_floats_are_compared():
    import pandas as pd

    names = pd.Series(["a", "b", "b"])
    assert mcnemar_exact(names, names.astype(object), ["a", "a", "b"])["only_a_right"] == 1
    assert mcnemar_exact([False, True], [0, 1], [0, 0])["only_a_right"] == 1
    assert mcnemar_exact([0, 1], np.array([0.0, 1.0]), np.array([0, 0], "uint8"))["only_a_right"] == 1


def test_two_way_anova_by_hand():
    # Row means 2 and 4, column means 1.5, 3, 4.5; the residuals are 0.5, 0, -0.5, -0.5, 0, 0.5: 1 over 2 degrees.
    result = two_way_anova([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    assert result["df"] == (1, 2) and result["f"] == pytest.approx(6 / 0.5)
    assert result["p_value"] == pytest.approx(0.0742, abs=5e-5)


def test_without_any_difference_nothing_is_found():
    assert two_way_anova([[1, 2, 3], [1, 2, 3]]) == {"f": 0.0, "df": (1, 2), "p_value": 1.0}


@pytest.mark.parametrize("table", [[[1, 2, 3]], [[1], [2]], [1, 2], [[1, float("nan")], [2, 3]]])
def test_what_is_no_table_of_treatments_is_refused(table):
    with pytest.raises(ValueError, match="both 2 or more, of finite numbers"):
        two_way_anova(table)


@pytest.mark.parametrize("table", [[[0.7] * 3] * 2, [[0.7, 0.81, 0.93]] * 3, [[1e-9, 3e-9]] * 2])
def test_rounding_is_no_difference_between_rows(table):
    assert two_way_anova(table)["f"] == 0 and two_way_anova(table)["p_value"] == 1


@pytest.mark.parametrize("dtype", [float, object])
def test_an_image_without_a_class_is_refused(dtype):
    classes = np.array([0, 1, np.nan], dtype)
    with pytest.raises(ValueError, match="a class for each image, received NaN"):
        mcnemar_exact([0, 1, 1], classes, [0, 1, 1])


@pytest.mark.parametrize("sums", [[1.0, 1.5], [np.nan], [np.inf], ["1"], [[1, 1]]])
def test_signs_of_what_is_not_whole_are_refused(sums):
    with pytest.raises(ValueError, match="sums must be whole numbers"):
        random_signs_exact(sums)


def test_whole_numbers_of_any_type_have_a_sign():
    for kind in (float, "float32", "uint8", bool):
        assert random_signs_exact(np.ones(5, kind)) == random_signs_exact([1] * 5) == pytest.approx(0.0625)


def test_an_infinite_measure_is_refused():
    with pytest.raises(ValueError, match="finite numbers; received"):
        two_way_anova([[1.0, np.inf], [1.0, 2.0]])
