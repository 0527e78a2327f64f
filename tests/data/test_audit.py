"""drcls.data.audit: on a table whose every copy, contradiction and torn group is known."""

import json

import numpy as np
import pytest

from drcls.data import audit_leakage, split
from drcls.data.audit import audit, describe_audit
from tests.data.tables import table


def flipped(digest, rows=(), bits=0):
    """Return a hash with the odd frequencies of `rows` negated or with `bits` bits changed."""
    square = np.unpackbits(np.frombuffer(bytes.fromhex(digest), np.uint8)).reshape(24, 24)
    square[list(rows)] ^= 1
    flat = square.ravel()
    flat[:bits] ^= 1
    return np.packbits(flat).tobytes().hex()


@pytest.fixture
def manifest():
    """Return 20 + 20 + 4 + 1 images; 0 and 1 are one file; 2, 20 near; 3, 4 mirrored; 5, 6 one patient."""
    manifest = table({"a": 20, "b": 20, "c": 4, "d": 1})
    frame = manifest.frame
    frame.loc[1, ["sha256", "phash"]] = frame.loc[0, ["sha256", "phash"]].to_numpy()
    frame.loc[20, "phash"] = flipped(frame.loc[2, "phash"], bits=5)
    frame.loc[4, "phash"] = flipped(frame.loc[3, "phash"], rows=range(1, 24, 2))
    frame.loc[[5, 6], "group"] = "patient"
    frame.loc[[40, 41, 42, 43], "group"] = ["x", "x", "y", "y"]
    frame["source_split"] = ["test" if row in (1, 6) else "train" for row in range(45)]
    return manifest


def test_every_pair_is_counted_and_listed(manifest):
    result = audit(manifest)
    pairs = result["pairs"]
    assert {
        kind: (found["pairs"], found["conflicting"], found["across_parts"]) for kind, found in pairs.items()
    } == {
        "identical": (1, 0, 1),
        "near-identical": (1, 1, 0),
        "turned or mirrored": (1, 0, 0),
    }
    assert pairs["near-identical"]["listed"] == [
        {
            "first": {"path": "images/00002.png", "label": "a", "part": "train", "group": "a-2"},
            "second": {"path": "images/00020.png", "label": "b", "part": "train", "group": "b-20"},
            "distance": 5,
        }
    ]
    assert pairs["turned or mirrored"]["listed"][0]["orientation"] == "mirrored top to bottom"
    assert pairs["identical"]["listed"][0]["second"] == {
        "path": "images/00001.png",
        "label": "a",
        "part": "test",
        "group": "a-1",
    }


def test_groups_classes_and_sizes(manifest):
    result = audit(manifest)
    assert result["torn_groups"] == {"groups": 1, "images": 2, "listed": {"patient": {"test": 1, "train": 1}}}
    assert [(rare["class"], rare["images"], rare["groups"]) for rare in result["rare_classes"]] == [
        ("c", 4, 2),
        ("d", 1, 1),
    ]
    assert result["data"]["classes"]["a"] == {"images": 20, "groups": 19}
    assert result["data"]["parts"]["test"] == {"a": 2, "b": 0, "c": 0, "d": 0}
    assert result["data"]["sizes"] == {"8 x 8": 45}


def test_class_of_one_image_makes_a_random_split_impossible_and_is_told(manifest):
    result = audit(manifest)
    assert "a 20, b 20, c 4, d 1. Add images, leave a class out" in result["random_split"]["impossible"]
    assert "a random split is impossible" in describe_audit(result)


def test_a_class_is_rare_exactly_where_the_clean_split_refuses_it():
    for groups in (2, 3, 4, 5, 6):
        manifest = table({"a": 12, "b": 12 - 12 % groups}, images_per_group=12 // groups)
        manifest.frame.loc[:11, "group"] = [f"a{row}" for row in range(12)]
        reasons = {rare["class"]: rare["reason"] for rare in audit(manifest)["rare_classes"]}
        assert reasons.get("b", "").startswith("2 groups cannot be divided") == (groups < 3)
        if groups < 3:
            with pytest.raises(ValueError, match="at least 3 groups of each.*b 12 in 2"):
                split(manifest, (0.7, 0.15, 0.15), 0, "grouped")
        else:
            split(manifest, (0.7, 0.15, 0.15), 0, "grouped")


def test_class_without_an_image_is_told():
    result = audit(table({"a": 30, "b": 30, "c": 0}))
    assert result["data"]["classes"]["c"] == {"images": 0, "groups": 0}
    text = describe_audit(result)
    assert "rare class c: 0 images; nothing can be trained with these data; they can be evaluated" in text
    assert "a random split is impossible: nowhere has no image of c" in text


def test_leak_of_random_splits_is_that_of_the_splits_themselves():
    manifest = table({"a": 150, "b": 150})
    frame = manifest.frame
    for row in range(0, 60, 3):
        frame.loc[row + 1, ["sha256", "phash"]] = frame.loc[row, ["sha256", "phash"]].to_numpy()
        frame.loc[row + 150, "phash"] = flipped(frame.loc[row, "phash"], bits=9)
    result = audit(manifest, seeds=[3, 4])["random_split"]
    for seed, share, grouped in zip([3, 4], result["shares"], result["group_shares"], strict=True):
        parts = split(manifest, (0.8, 0.1, 0.1), seed, "random")
        leak = audit_leakage(parts["train"], parts["test"])
        assert share == leak["overall"] > 0 and grouped == leak["group"]


def test_against_another_set(manifest):
    other = table({"a": 6, "b": 1})
    other.frame["sha256"] = [f"other {row}" for row in range(7)]
    other.frame.loc[0, "sha256"] = manifest.frame.loc[0, "sha256"]
    digests = [
        flipped(manifest.frame.loc[30, "phash"], bits=7),
        flipped(manifest.frame.loc[31, "phash"], range(1, 24, 2)),
    ]
    other.frame["phash"] = [
        manifest.frame.loc[0, "phash"],
        *digests,
        *(f"{row:0144x}" for row in (2**300 - 1, 1, 2, 3)),
    ]
    other.info["preparation"] = {"size": 99}
    result = audit(manifest, other)["against"]
    # Rows 0 and 1 are one file.
    assert result["shares"] == {"identical": 2 / 45, "near-identical": 1 / 45, "turned or mirrored": 1 / 45}
    assert [found["pairs"] for found in result["pairs"].values()] == [2, 1, 1]
    near = result["pairs"]["near-identical"]["listed"][0]
    assert (near["first"]["path"], near["second"]["path"]) == ("images/00030.png", "images/00001.png")
    assert near["first"]["label"] == "b" and near["second"]["label"] == "a" and not result["same_preparation"]
    assert "prepared with other options" in describe_audit(audit(manifest, other))


def test_contradictions_come_first_in_lists_that_are_cut():
    manifest = table({"a": 4, "b": 4})
    frame = manifest.frame
    for row, other in ((1, 0), (2, 0), (7, 3)):
        frame.loc[row, "sha256"] = frame.loc[other, "sha256"]
    found = audit(manifest, max_listed=1)["pairs"]["identical"]
    assert found["pairs"] == 3 and [pair["second"]["path"] for pair in found["listed"]] == [
        "images/00007.png"
    ]


def test_audit_is_json_and_text(manifest):
    result = audit(manifest)
    assert json.loads(json.dumps(result)) == result
    text = describe_audit(result)
    for part in (
        "45 images",
        "identical: 1 pairs, 0 with conflicting labels, 1 across parts",
        "images/00003.png (a), images/00004.png (a), mirrored top to bottom",
        "groups in several parts as distributed: 1, of 2 images",
        "rare class d: 1 images; 1 groups cannot be divided",
    ):
        assert part in text
