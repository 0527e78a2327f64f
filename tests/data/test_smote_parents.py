"""The parents of a synthetic point are found again by geometry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE

from drcls.data.smote_parents import smote_parents


def two_classes(seed, features=6):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [40, 12])
    return rng.normal(size=(52, features)).astype("float32") + 2 * labels[:, None].astype("float32"), labels


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 8))
def test_every_smote_point_lies_on_a_segment_of_its_class(seed, num_neighbours):
    rows, labels = two_classes(seed)
    resampled, resampled_labels = SMOTE(k_neighbors=num_neighbours, random_state=seed).fit_resample(
        rows, labels
    )
    synthetic, made = resampled[52:], resampled_labels[52:]
    assert len(synthetic) == 28
    parents = smote_parents(rows, labels, synthetic, made, num_neighbours)
    np.testing.assert_array_equal(labels[parents], np.repeat(made[:, None], 2, axis=1))
    first, second = rows[parents[:, 0]], rows[parents[:, 1]]
    way = np.linalg.norm(synthetic - first, axis=1) + np.linalg.norm(synthetic - second, axis=1)
    np.testing.assert_allclose(way, np.linalg.norm(first - second, axis=1), rtol=1e-3)


def test_parents_by_hand():
    rows = np.array([[0, 0], [4, 0], [0, 4], [9, 9]], dtype="float32")
    labels = np.array([1, 1, 1, 0])
    parents = smote_parents(rows, labels, np.array([[1, 0], [2, 2]]), np.array([1, 1]), num_neighbours=2)
    assert [set(pair) for pair in parents.tolist()] == [{0, 1}, {1, 2}]


@pytest.mark.parametrize("seed", range(6))
def test_identical_rows_are_parents_like_others(seed):
    rows, labels = two_classes(seed, features=64)
    rows, labels = np.concatenate([rows, rows[40:46]]), np.concatenate([labels, labels[40:46]])
    resampled, made = SMOTE(random_state=seed).fit_resample(rows, labels)
    parents = smote_parents(rows, labels, resampled[58:], made[58:])
    assert (labels[parents] == 1).all()


def test_a_point_beside_every_segment_is_refused():
    rows, labels = two_classes(0)
    with pytest.raises(ValueError, match="lies .* off the nearest segment of its class"):
        smote_parents(rows, labels, rows[:1] + 5, np.array([1]))
