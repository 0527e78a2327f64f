"""Balancing before the split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drcls.check_tables import check
from drcls.check_tables.balance import leaked_share, simulated_leak
from tests.check_tables.documents import said, verdicts

APTOS = [1805, 370, 999, 193, 295]


def document(**more):
    data = {
        "class_images": APTOS,
        "class_counts": "/datasets/d/class_images",
        "balanced": {"per_class": 1805, "total": 9025},
        "balanced_before_split": True,
        "split": {"train": 7220, "validation": 902, "test": 903},
    }
    return {
        "classes": ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"],
        "datasets": {"d": data},
        **more,
    }


def test_leak_by_hand():
    # One image drawn once more: either entry is leaked if the other is in train.
    assert leaked_share(1, 2, 0.8) == pytest.approx(0.8)
    assert leaked_share(5, 5, 0.8) == 0


@settings(max_examples=10, deadline=None)
@given(st.integers(20, 200), st.floats(0.05, 1))
def test_the_formula_is_what_a_simulation_gives(size, share):
    counts = [size, max(1, int(share * size)), max(1, int(0.3 * size))]
    split = {"train": int(0.8 * 3 * size), "test": 3 * size - int(0.8 * 3 * size)}
    train_share = split["train"] / (3 * size)
    runs = [simulated_leak(counts, size, split, np.random.default_rng(seed)) for seed in range(200)]
    expected = [leaked_share(count, size, train_share) for count in counts]
    np.testing.assert_allclose(np.nanmean(runs, axis=0), expected, atol=0.06)


def test_what_it_means_for_aptos():
    [(verdict, arithmetic)] = said(document(), "copies_across_the_split")
    assert verdict == "inconsistent" and "72.8 % of the test images" in arithmetic
    rows = [
        {"model": "A", "accuracy": 96.12, "macro_f1": 96.08},
        {"model": "B", "accuracy": 69.99, "macro_f1": 70.0},
    ]
    made = document(tables={"4": {"dataset": "d", "rows": rows}})
    [(_, arithmetic)] = said(made, "dictionary")
    assert "92.8 %" in arithmetic and "above B" in arithmetic and "adds 3.3 points" in arithmetic


def test_unseen_recall():
    rows = [{"class": "Moderate", "precision": 98.11, "recall": 86.67, "f1": 92.04}]
    [(_, arithmetic)] = said(document(tables={"5": {"dataset": "d", "rows": rows}}), "unseen_recall")
    assert "0.60 to 0.70" in arithmetic


def test_claims_of_a_held_out_part_and_of_weights():
    claims = [
        {"where": "", "what": "", "test": {"kind": kind, "dataset": "d"}}
        for kind in ("held_out", "weighted_loss")
    ]
    for kind in ("held_out", "weighted_loss"):
        assert verdicts(document(claims=claims), f"claim_{kind}") == ["inconsistent"]


def test_a_size_below_the_largest_class_is_one_finding():
    made = document()
    made["datasets"]["d"]["balanced"] = {"per_class": 1000, "total": 5000}
    made["datasets"]["d"]["split"] = {"train": 4000, "validation": 500, "test": 500}
    found = [finding for finding in check(made) if finding.verdict == "inconsistent"]
    assert [finding.rule for finding in found] == ["balanced_total"]
    assert "/datasets/d/balanced/per_class" in found[0].places


def test_balancing_after_the_split_is_no_fault():
    made = document()
    made["datasets"]["d"]["balanced_before_split"] = False
    assert not said(made, "copies_across_the_split")
