import doctest

import numpy as np
import pytest

from drcls.report import text


def test_examples_run():
    assert doctest.testmod(text).failed == 0


@pytest.mark.parametrize(
    ("values", "written"),
    [([0.5], "50.0"), ([0.7, 0.8, 0.75], "75.0 ± 5.0"), ([0.5, None], "undefined"), ([np.nan], "undefined")],
)
def test_mean_sd(values, written):
    assert text.mean_sd(values, 100, 1) == written


def test_signs_and_small_p_values():
    assert text.mean_sd([0.012], 100, 1, "+") == "+1.2"
    assert text.interval([-0.01, 0.02], 100, 1, "+") == "-1.0 to +2.0"
    assert text.interval(None) == "none"
    assert (text.p_value(0.00099), text.p_value(0.0321)) == ("< 0.001", "0.032")


def test_what_the_images_are_stands_in_brackets():
    whole, sample, drawn = ({"phantom": p, "sample": s} for p, s in ((False, ""), (False, "9"), (True, "")))
    assert text.kind_of_images([whole]) == ""
    assert text.kind_of_images([whole, sample]) == " (sample)"
    assert text.kind_of_images([sample, drawn]) == " (synthetic)"


def test_the_label_of_synthetic_data_is_in_capitals():
    assert text.synthetic_label([{"phantom": False}, {"phantom": True}]) == "SYNTHETIC DATA. "
    assert text.synthetic_label([{"phantom": False}]) == ""


def test_one_seed_has_no_interval_over_seeds():
    assert text.interval_over_seeds(np.array([1.0])) == "one seed"
    assert text.interval_over_seeds(np.array([25.0, 25.0])) == "no spread"
    assert text.interval_over_seeds(np.array([1.0, 1.0, 4.0])) == "-2.3 to +6.3"
