"""Resampling and class weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler

from drcls.data import class_weights, oversample, undersample
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


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_weighted_classes_have_equal_shares_that_sum_to_the_number_of_images(counts):
    shares = class_weights(counts) * counts
    np.testing.assert_allclose(shares, sum(counts) / len(counts))


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
