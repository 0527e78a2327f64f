"""SMOTE before the split: what leaks is counted by hand and found where it must be."""

import numpy as np
import pytest

from experiments.smote_transfer.before_split import count_leaks, smote_before_split
from tests.data.tables import table


def test_leaks_by_hand():
    # Images 0..4 are real; rows 5, 6 and 7 are synthetic, made of (0, 1), (2, 3) and (3, 4).
    manifest = table({"a": 3, "b": 2})
    parents = np.array([[0, 1], [2, 3], [3, 4]])
    train, test = np.array([0, 2, 6]), np.array([1, 3, 4, 5, 7])
    # 3 is a parent of row 6, row 5 has a parent in train; 1 and 4 are unknown, and so is row 7 of (3, 4).
    leakage, leaked = count_leaks(train, test, parents, manifest)
    assert leaked.sum() == leakage["num_leaked"]
    assert leakage["overall"] == pytest.approx(2 / 5) and leakage["num_leaked"] == 2
    assert leakage["per_class"] == {"a": pytest.approx(1 / 2), "b": pytest.approx(1 / 3)}
    assert leakage["identical"] == 0 and leakage["num_test"] == 5
    assert leakage["synthetic_parent"] == leakage["overall"] and leakage["near_identical"] == 0


def test_an_identical_file_leaks_without_smote():
    manifest = table({"a": 2, "b": 2})
    manifest.frame["sha256"] = ["x", "x", "y", "z"]
    leakage, _ = count_leaks(np.array([0, 2]), np.array([1, 3]), np.empty((0, 2), dtype=int), manifest)
    assert leakage["identical"] == leakage["overall"] == 0.5


def test_rows_manifests_and_shares_fit_together():
    manifest = table({"a": 60, "b": 20})
    features = np.random.default_rng(0).normal(size=(80, 5)).astype("float32")
    made = smote_before_split(features, manifest, (0.6, 0.2, 0.2), seed=0)
    assert made.num_synthetic == 40
    assert {name: len(part) for name, part in made.parts.items()} == {
        "train": 72,
        "validation": 24,
        "test": 24,
    }
    for name, part in made.parts.items():
        assert len(made.rows[name]) == len(part)
        assert part.counts().tolist() == [len(part) // 2] * 2
    assert made.leakage["per_class"]["b"] > 0.5 and made.leakage["per_class"]["a"] == 0
    again = smote_before_split(features, manifest, (0.6, 0.2, 0.2), seed=0)
    np.testing.assert_array_equal(made.rows["test"], again.rows["test"])


def test_a_class_too_small_for_neighbours_is_named():
    features = np.zeros((24, 3), dtype="float32")
    with pytest.raises(ValueError, match=r"SMOTE needs 6 or more .* received {'b': 4}"):
        smote_before_split(features, table({"a": 20, "b": 4}), (0.6, 0.2, 0.2), seed=0)
