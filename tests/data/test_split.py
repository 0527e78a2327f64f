"""The two protocols: what each puts where."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drcls.data import audit_leakage, deduplicate, split
from tests.data.tables import APTOS_COUNTS, table

PAPER = (0.8, 0.1, 0.1)


def test_paper_protocol_gives_the_printed_sizes_on_aptos_counts():
    parts = split(table(APTOS_COUNTS), PAPER, 0, "paper")
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [7220, 902, 903]
    assert set(parts["train"].counts()) == {1444}
    assert set(parts["test"].counts()) <= {180, 181}


def test_paper_protocol_leaks_as_computed_by_hand():
    shares = []
    for seed in range(5):
        parts = split(table(APTOS_COUNTS), PAPER, seed, "paper")
        audit = audit_leakage(parts["train"], parts["test"])
        shares.append([audit["overall"], *audit["per_class"].values()])
    measured = 100 * np.mean(shares, axis=0)
    np.testing.assert_allclose(measured, [72.8, 0, 98.4, 66.3, 100, 99.5], atol=2)


def test_clean_protocol_neither_leaks_nor_loses_an_image():
    manifest = table(APTOS_COUNTS, images_per_group=2)
    parts = split(manifest, (0.7, 0.1, 0.2), 0, "clean")
    paths = [path for part in parts.values() for path in part.frame["path"]]
    assert sorted(paths) == manifest.frame["path"].tolist()
    groups = [set(part.frame["group"]) for part in parts.values()]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert audit_leakage(parts["train"], parts["test"])["group"] == 0
    shares = parts["test"].counts() / manifest.counts()
    np.testing.assert_allclose(shares, 0.2, atol=0.02)


@settings(deadline=None, max_examples=15)
@given(
    counts=st.lists(st.integers(40, 90), min_size=2, max_size=4),
    size=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_no_group_is_ever_torn_apart(counts, size, seed):
    manifest = table({f"class{i}": count for i, count in enumerate(counts)}, size)
    parts = split(manifest, (0.6, 0.2, 0.2), seed, "clean")
    assert sum(len(part) for part in parts.values()) == len(manifest)
    holders = [set(part.frame["group"]) for part in parts.values()]
    assert sum(map(len, holders)) == manifest.frame["group"].nunique()


def test_one_of_identical_images_stays_and_none_of_contradictory_ones():
    manifest = table({"a": 4, "b": 4})
    manifest.frame.loc[[0, 1], "sha256"] = "same, both a"
    manifest.frame.loc[[3, 4], "sha256"] = "same, a and b"
    assert deduplicate(manifest).frame["path"].tolist() == [f"images/{i:05d}.png" for i in (0, 2, 5, 6, 7)]


@pytest.mark.parametrize(
    ("protocol", "digest"),
    [("paper", "1691ba77dd050aa0"), ("clean", "3783bbfe9a80033f")],
)
def test_the_same_seed_gives_the_same_parts_everywhere(protocol, digest):
    manifest = table({"a": 60, "b": 30, "c": 45}, images_per_group=2)
    parts = split(manifest, (0.6, 0.2, 0.2), 5, protocol)
    content = "".join(name + "".join(part.frame["path"]) for name, part in parts.items())
    assert hashlib.sha256(content.encode()).hexdigest()[:16] == digest
    others = split(manifest, (0.6, 0.2, 0.2), 6, protocol)
    assert others["test"].frame["path"].tolist() != parts["test"].frame["path"].tolist()


@pytest.mark.parametrize("fractions", [(0.8, 0.2), (0.8, 0.3, 0.1), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1)])
def test_fractions_that_are_none_are_refused(fractions):
    with pytest.raises(ValueError, match="three positive shares that sum to 1; received"):
        split(table(APTOS_COUNTS), fractions, 0, "paper")


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="received 'leaky'"):
        split(table(APTOS_COUNTS), PAPER, 0, "leaky")


def test_a_class_too_small_for_three_parts_is_named():
    with pytest.raises(ValueError, match="smallest class has 2 images"):
        split(table({"a": 50, "b": 2}), PAPER, 0, "clean")
    with pytest.raises(ValueError, match=r"part would hold no image of \['b'\]"):
        split(table({"a": 90, "b": 3}), PAPER, 0, "clean")
