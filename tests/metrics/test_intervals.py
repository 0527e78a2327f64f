import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drcls.metrics import (
    accuracy,
    group_bootstrap_difference,
    group_bootstrap_intervals,
    macro_f1,
    quadratic_kappa,
    recall,
    shown_interval,
    wald_interval,
    wilson_interval,
)

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wald_by_hand():
    assert wald_interval(0.5, 100) == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05))


def test_wilson_by_hand():
    # 83 % of 366 images, a common size of an APTOS test part.
    z, n, p = 1.959964, 366, 304 / 366
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = wilson_interval(304, 366)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-7)
    assert (round(100 * low, 1), round(100 * high, 1)) == (78.9, 86.6)


@given(counts)
def test_wilson_holds_the_proportion_and_stays_in_range(count):
    successes, n = count
    low, high = wilson_interval(successes, n)
    assert -1e-12 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1 + 1e-12
    assert low < high


@given(counts)
def test_failures_have_the_mirrored_intervals(count):
    successes, n = count
    for interval, of_failures in (
        (wilson_interval(successes, n), wilson_interval(n - successes, n)),
        (wald_interval(successes / n, n), wald_interval(1 - successes / n, n)),
    ):
        assert interval == pytest.approx((1 - of_failures[1], 1 - of_failures[0]), abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wald_interval(96.12, 903), "share in 0..1, received 96.12"),
        (lambda: wald_interval(math.nan, 903), "received nan"),
        (lambda: wald_interval(0.9, 0), "n must be 1 or more, received 0"),
        (lambda: wilson_interval(5, 4), "received 5 of 4"),
        (lambda: wilson_interval(-1, 4), "received -1 of 4"),
        (lambda: wilson_interval(0.9, 4), "received 0.9 of 4"),
        (lambda: wilson_interval(0, 0), "received 0 of 0"),
        (lambda: wilson_interval(math.nan, 4), "received nan of 4"),
    ],
)
def test_bad_counts_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def predictions(n, skill=0.8, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(5, size=n)
    return y_true, np.where(rng.random(n) < skill, y_true, rng.integers(5, size=n))


def interval_of(statistic, *data, **options):
    """Return the interval of one measure, (low, high)."""
    return tuple(group_bootstrap_intervals({"measure": statistic}, *data, **options)["measure"])


def test_bootstrap_of_single_images_agrees_with_wald():
    y_true, y_pred = predictions(1500)
    interval = interval_of(accuracy, y_true, y_pred, np.arange(1500), num_classes=5)
    assert interval == pytest.approx(wald_interval(np.mean(y_true == y_pred), 1500), abs=0.003)


def test_copies_of_images_do_not_make_the_interval_narrower():
    y_true, y_pred = predictions(300)
    ids = np.char.mod("patient_%d", np.arange(300))
    interval = interval_of(macro_f1, y_true, y_pred, ids, 5)
    copied = interval_of(macro_f1, np.repeat(y_true, 4), np.repeat(y_pred, 4), np.repeat(ids, 4), 5)
    assert copied == pytest.approx(interval)
    torn = interval_of(macro_f1, np.repeat(y_true, 4), np.repeat(y_pred, 4), np.arange(1200), num_classes=5)
    assert 1.7 < (interval[1] - interval[0]) / (torn[1] - torn[0]) < 2.3, "four copies halve a torn interval"


def test_bootstrap_equals_resampling_the_images_themselves():
    y_true, y_pred = predictions(60)
    groups = np.arange(60) // 3
    rng = np.random.default_rng(5)
    kappas = []
    for _ in range(200):
        drawn = np.concatenate([np.flatnonzero(groups == group) for group in rng.integers(20, size=20)])
        pairs = np.stack([y_true[drawn], y_pred[drawn]])
        kappas.append(1 - _mean_cost(*pairs) / np.mean([_mean_cost(pairs[0], value) for value in pairs[1]]))
    expected = np.percentile(kappas, [2.5, 97.5])
    interval = interval_of(quadratic_kappa, y_true, y_pred, groups, 5, num_resamples=200, seed=5)
    assert interval == pytest.approx(tuple(expected))


def _mean_cost(first, second):
    return np.mean((first - second) ** 2)


def test_the_statistic_is_given_true_rows_and_predicted_columns():
    def share_of_zeros_called_one(confusion):
        return confusion[..., 0, 1] / confusion.sum(axis=(-2, -1))

    y_true, y_pred = [0, 0, 0, 0], [1, 1, 1, 1]
    interval = interval_of(share_of_zeros_called_one, y_true, y_pred, list("abcd"), num_classes=2)
    assert interval == (1, 1)


def test_bootstrap_repeats_with_its_seed_and_does_not_mind_the_order():
    y_true, y_pred = predictions(200)
    groups = np.arange(200) // 2
    interval = interval_of(accuracy, y_true, y_pred, groups, 5, seed=3)
    shuffled = np.random.default_rng(1).permutation(200)
    again = interval_of(accuracy, y_true[shuffled], y_pred[shuffled], groups[shuffled], 5, seed=3)
    assert again == interval
    assert interval_of(accuracy, y_true, y_pred, groups, 5, seed=4) != interval


def test_resamples_without_a_kappa_are_left_out():
    # Of two images, the resamples that draw the first twice hold one class in truth and prediction.
    low, high = interval_of(quadratic_kappa, [0, 1], [0, 1], ["a", "b"], num_classes=2)
    assert (low, high) == (1, 1)


def test_a_difference_is_measured_on_the_same_resamples():
    y_true, pred_a = predictions(300)
    groups = np.arange(300) // 3
    assert group_bootstrap_difference(accuracy, y_true, pred_a, pred_a, groups, 5) == (0, 0, 0)
    pred_b = np.where(np.arange(300) < 60, y_true, pred_a)
    difference, low, high = group_bootstrap_difference(accuracy, y_true, pred_a, pred_b, groups, 5, seed=5)
    assert difference == pytest.approx((pred_b == y_true).mean() - (pred_a == y_true).mean())
    rng = np.random.default_rng(5)
    gains = ((pred_b == y_true).astype(int) - (pred_a == y_true)).reshape(100, 3).sum(axis=1)
    drawn = [gains[rng.integers(100, size=100)].sum() / 300 for _ in range(2000)]
    assert (low, high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))
    back = group_bootstrap_difference(accuracy, y_true, pred_b, pred_a, groups, 5, seed=5)
    assert back == pytest.approx((-difference, -high, -low))
    with pytest.raises(ValueError, match="received 300, 2 and 300"):
        group_bootstrap_difference(accuracy, y_true, pred_a, [0, 1], groups, 5)


FOUR = {"y_true": [0, 1, 0, 1], "y_pred": [0, 1, 1, 1], "groups": list("abcd"), "num_classes": 2}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groups": ["a", "b"]}, "received 4, 4 and 2"),
        ({"y_pred": [0, 1, 1, 9]}, "y_pred must lie in 0 to 1"),
        ({"num_resamples": 10}, "100 or more, received 10"),
    ],
)
def test_bad_bootstrap_input_is_named(changed, message):
    with pytest.raises(ValueError, match=message):
        group_bootstrap_intervals({"kappa": quadratic_kappa}, **(FOUR | changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groups": ["a"] * 4}, "two or more different ids, received only a"),
        (
            {"y_true": [0] * 4, "y_pred": [0] * 4},
            r"quadratic_kappa does not exist for \[\[\[4, 0\], \[0, 0\]\]",
        ),
    ],
)
def test_a_difference_that_does_not_exist_is_named(changed, message):
    given = FOUR | changed
    with pytest.raises(ValueError, match=message):
        group_bootstrap_difference(
            quadratic_kappa, given["y_true"], given["y_pred"], given["y_pred"], given["groups"], 2
        )


def test_several_intervals_at_once_are_those_of_one_at_a_time():
    rng = np.random.default_rng(5)
    y_true, y_pred, groups = rng.integers(3, size=50), rng.integers(3, size=50), rng.integers(12, size=50)
    both = group_bootstrap_intervals({"a": accuracy, "r": recall}, y_true, y_pred, groups, 3, seed=4)
    assert tuple(both["a"]) == interval_of(accuracy, y_true, y_pred, groups, 3, seed=4)
    for index in range(3):

        def recall_of_class(confusion, index=index):
            return recall(confusion)[..., index]

        assert tuple(both["r"][index]) == interval_of(recall_of_class, y_true, y_pred, groups, 3, seed=4)


def test_a_measure_that_does_not_exist_has_no_interval():
    both = group_bootstrap_intervals({"r": recall}, [0, 0, 1], [0, 1, 1], ["a", "b", "c"], 3)
    assert np.isnan(both["r"][2]).all() and np.isfinite(both["r"][:2]).all()


def test_one_group_has_no_intervals():
    both = group_bootstrap_intervals({"a": accuracy, "r": recall}, [0, 0, 1], [0, 1, 1], ["a"] * 3, 2)
    assert both["a"].shape == (2,) and both["r"].shape == (2, 2)
    assert np.isnan(both["a"]).all() and np.isnan(both["r"]).all()


@pytest.mark.parametrize(
    "kinds, expected",
    [
        ({"bootstrap": [0.5, 0.9], "wilson": [0.4, 1]}, ("bootstrap", [0.5, 0.9])),
        ({"bootstrap": [1.0, 1.0], "wilson": [0.4, 1]}, ("wilson", [0.4, 1])),
        ({"bootstrap": [1, 1], "wilson": [0.4, 1], "wilson_of_groups": [0.2, 1]}, ("wilson", [0.2, 1])),
        ({"bootstrap": [1.0, 1.0]}, ("", None)),
        ({"bootstrap": None, "wilson": [0.4, 1]}, ("", None)),
        ({}, ("", None)),
    ],
)
def test_an_interval_without_width_is_not_shown(kinds, expected):
    assert shown_interval(kinds) == expected


def test_a_difference_of_a_measure_for_each_class_is_refused():
    with pytest.raises(
        ValueError, match="recall gives a value for each class; group_bootstrap_intervals takes"
    ):
        group_bootstrap_difference(recall, [0, 1, 2], [0, 1, 1], [0, 1, 2], [0, 1, 2], 3)
