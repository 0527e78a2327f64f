"""The audit, by hand."""

import numpy as np
import pytest

from drcls.data import audit_leakage
from tests.data.tables import table


def test_identical_near_identical_and_related_images_are_told_apart():
    manifest = table({"a": 6, "b": 4})
    frame = manifest.frame
    near = bytearray.fromhex(frame.loc[1, "phash"])
    near[0] ^= 0b111  # three bits of 576
    frame.loc[6, "phash"] = near.hex()
    frame.loc[7, "group"] = frame.loc[2, "group"]
    train, test = manifest.select([0, 1, 2, 3]), manifest.select([0, 0, 4, 5, 6, 7, 8, 9])
    assert audit_leakage(train, test) == {
        "overall": 3 / 8,
        "identical": 2 / 8,
        "near_identical": 1 / 8,
        "turned": 0.0,
        "group": 4 / 8,
        "per_class": {"a": 2 / 4, "b": 1 / 4},
        "num_test": 8,
        "num_leaked": 3,
    }


def test_a_turned_copy_is_counted_apart_from_the_overall_share():
    manifest = table({"a": 3, "b": 3})
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(manifest.frame.loc[0, "phash"]), np.uint8)).reshape(
        24, 24
    )
    # Mirrored top to bottom: the frequencies of odd rows change their sign.
    bits[1::2] ^= 1
    manifest.frame.loc[4, "phash"] = np.packbits(bits).tobytes().hex()
    audit = audit_leakage(manifest.select([0, 1]), manifest.select([3, 4]))
    assert (audit["turned"], audit["group"], audit["overall"]) == (1 / 2, 1 / 2, 0)


def test_a_class_absent_from_test_has_no_share():
    manifest = table({"a": 3, "b": 3})
    audit = audit_leakage(manifest.select([0, 3]), manifest.select([1]))
    assert audit["per_class"] == {"a": 0.0, "b": None} and audit["overall"] == 0


def test_a_part_audited_against_itself_has_leaked_altogether():
    manifest = table({"a": 3, "b": 2})
    audit = audit_leakage(manifest, manifest)
    assert audit["overall"] == audit["identical"] == audit["group"] == 1 and audit["near_identical"] == 0
    assert audit["per_class"] == {"a": 1.0, "b": 1.0} and audit["num_leaked"] == 5


def test_an_identical_file_counts_whatever_its_name_group_and_perceptual_hash():
    manifest = table({"a": 2})
    manifest.frame.loc[1, "sha256"] = manifest.frame.loc[0, "sha256"]
    audit = audit_leakage(manifest.select([0]), manifest.select([1]))
    assert (audit["identical"], audit["near_identical"], audit["overall"]) == (1, 0, 1)


def test_an_empty_test_part_is_refused():
    manifest = table({"a": 3})
    with pytest.raises(ValueError, match="test part is empty"):
        audit_leakage(manifest, manifest.select([]))
