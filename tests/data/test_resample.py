"""Resampling and class weights."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler

from drcls.data import class_weights, imbalance_ratio, oversample, subsample_to_majority_share, undersample
from tests.data.tables import APTOS_COUNTS, table


def test_oversampling_keeps_every_image_and_fills_up_with_copies():
    manifest = table({"a": 5, "b": 2, "c": 1})
    balanced = oversample(manifest, seed=0)
    np.testing.assert_array_equal(balanced.counts(), [5, 5, 5])
    assert balanced.frame["path"][:8].tolist() == manifest.frame["path"].tolist()
    assert set(balanced.frame["path"]) == set(manifest.frame["path"])


def test_oversampling_is_imbalanced_learns():
    manifest = table(APTOS_COUNTS)
    rows = np.arange(len(manifest))[:, None]
    expected, _ = RandomOverSampler(random_state=7).fit_resample(rows, manifest.labels)
    received = oversample(manifest, seed=7).frame["path"]
    assert received.tolist() == manifest.frame["path"].iloc[expected[:, 0]].tolist()
    assert len(received) == 9025


def test_undersampling_drops_down_to_the_smallest_class():
    reduced = undersample(table({"a": 9, "b": 4}), seed=0)
    np.testing.assert_array_equal(reduced.counts(), [4, 4])
    assert reduced.frame["path"].is_unique


def test_undersampling_is_imbalanced_learns():
    manifest = table(APTOS_COUNTS)
    rows = np.arange(len(manifest))[:, None]
    expected, _ = RandomUnderSampler(random_state=7).fit_resample(rows, manifest.labels)
    received = undersample(manifest, seed=7).frame["path"]
    assert received.tolist() == manifest.frame["path"].iloc[expected[:, 0]].tolist()
    assert len(received) == 5 * 193


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_resampled_classes_are_equal_and_keep_their_labels(counts, seed):
    manifest = table({f"class{i}": count for i, count in enumerate(counts)})
    label_of = dict(zip(manifest.frame["path"], manifest.frame["label"], strict=True))
    for resample, size in ((oversample, max(counts)), (undersample, min(counts))):
        resampled = resample(manifest, seed)
        np.testing.assert_array_equal(resampled.counts(), [size] * len(counts))
        assert resampled.frame["label"].tolist() == [label_of[path] for path in resampled.frame["path"]]


CANINE = {"Codocyte": 345, "Hypochromia": 356, "Normal": 2691}
# Share of Normal, rho and counts as printed in Table 2 of the focal-loss paper.
TABLE_2 = [
    (0.50, 2.03, [345, 356, 701]),
    (0.60, 3.05, [345, 356, 1052]),
    (0.70, 4.74, [345, 356, 1636]),
    (0.80, 7.80, [345, 356, 2691]),
    (0.85, 11.35, [237, 237, 2691]),
    (0.90, 17.94, [150, 150, 2691]),
    (0.95, 37.90, [71, 71, 2691]),
]


@pytest.mark.parametrize(("share", "rho", "counts"), TABLE_2)
def test_shares_of_the_majority_give_the_printed_table(share, rho, counts):
    made = subsample_to_majority_share(table(CANINE), share, seed=0)
    np.testing.assert_array_equal(made.counts(), counts)
    assert imbalance_ratio(made.counts()) == pytest.approx(rho, abs=0.005)


@given(st.lists(st.integers(30, 300), min_size=2, max_size=5), st.floats(0.55, 0.95), st.integers(0, 9))
def test_images_are_only_dropped_and_drawn_by_the_seed(counts, share, seed):
    manifest = table({str(i): count for i, count in enumerate(counts)})
    made = subsample_to_majority_share(manifest, share, seed)
    assert made.frame["path"].is_unique and made.frame["path"].isin(manifest.frame["path"]).all()
    assert made.frame["path"].is_monotonic_increasing
    assert np.all(made.counts() <= manifest.counts())
    assert subsample_to_majority_share(manifest, share, seed).frame.equals(made.frame)


@pytest.mark.parametrize("share", [0.2, 1 / 3, 1.0, float("nan")])
def test_a_share_that_no_majority_can_have_is_refused(share):
    with pytest.raises(ValueError, match=r"share must lie between 0\.333 and 1; received"):
        subsample_to_majority_share(table(CANINE), share, 0)


def test_a_share_that_leaves_a_class_empty_is_refused():
    with pytest.raises(ValueError, match=r"leaves a class without an image: \[0, 0, 20\]"):
        subsample_to_majority_share(table({"a": 5, "b": 5, "c": 20}), 0.99, 0)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_weighted_classes_have_equal_shares_that_sum_to_the_number_of_images(counts):
    shares = class_weights(counts) * counts
    np.testing.assert_allclose(shares, sum(counts) / len(counts))


def test_class_weights_read_a_series_and_a_dict_by_class():
    counts = pd.Series([1] * 5 + [0] * 2 + [2] * 3).value_counts()
    assert counts.tolist() == [5, 3, 2]
    expected = class_weights([2, 5, 3])
    assert class_weights(counts) == pytest.approx(expected)
    assert class_weights({0: 2, 1: 5, 2: 3}) == pytest.approx(expected)
    with pytest.raises(ValueError, match="the classes 0..C-1; received"):
        class_weights({"a": 2, "b": 5})


def test_class_weights_by_hand():
    # N = 3662, C = 5: 3662 / (5 * 1805), ... (Eq. 17)
    np.testing.assert_allclose(
        class_weights(list(APTOS_COUNTS.values())),
        [0.405762, 1.979459, 0.733133, 3.794819, 2.482712],
        rtol=1e-6,
    )
    np.testing.assert_array_equal(class_weights([1805] * 5), np.ones(5))


@pytest.mark.parametrize("counts", [[3, 0], [], [3, -1], [[1, 2]], [1, float("nan")]])
def test_counts_without_a_weight_are_refused(counts):
    with pytest.raises(ValueError, match="one positive count per class; received"):
        class_weights(counts)


def test_a_class_without_images_cannot_be_balanced():
    manifest = table({"a": 3, "b": 3}).select([0, 1])
    for resample in (oversample, undersample):
        with pytest.raises(ValueError, match=r"without a single image: \['b'\]"):
            resample(manifest, seed=0)
