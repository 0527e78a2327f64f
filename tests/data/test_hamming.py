"""drcls.data.hamming: the index finds exactly what comparing all with all finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drcls.data import hamming
from drcls.data.hamming import compare_all, pairs_within


def injected(num_codes, num_bytes, most, seed):
    """Return random codes and copies of a third of them with 0 to `most` bits flipped."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (num_codes, num_bytes), dtype=np.uint8)
    bits = np.unpackbits(codes[: num_codes // 3], axis=1)
    for row in bits:
        row[rng.choice(len(row), rng.integers(0, most + 1), replace=False)] ^= 1
    return np.concatenate([codes, np.packbits(bits, axis=1)])


def test_pairs_by_hand():
    codes = np.array([[0b0000], [0b0001], [0b1110]], np.uint8)
    assert pairs_within(codes, 0).tolist() == []
    assert pairs_within(codes, 3).tolist() == [[0, 1], [0, 2]]
    assert pairs_within(codes, 4).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert pairs_within(codes[:1], 1, codes).tolist() == [[0, 0], [0, 1]]


@settings(max_examples=12, deadline=None)
@given(num_bytes=st.integers(60, 80), distance=st.integers(0, 46), seed=st.integers(0, 99))
def test_index_finds_what_comparing_all_finds(num_bytes, distance, seed):
    codes = injected(120, num_bytes, 2 * distance + 2, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "FEW_COMPARISONS", 0)
        patch.setattr(hamming, "_BLOCK", 50)
        found, across = pairs_within(codes, distance), pairs_within(codes[:70], distance, codes)
    expected = compare_all(codes, codes, distance)
    np.testing.assert_array_equal(found, expected[expected[:, 0] < expected[:, 1]])
    np.testing.assert_array_equal(across, expected[expected[:, 0] < 70])


def test_many_equal_codes_are_all_paired():
    codes = np.repeat(injected(50, 72, 0, 1)[:50], 30, axis=0)
    assert len(pairs_within(codes, 46)) == 50 * 30 * 29 // 2


@pytest.mark.slow
def test_index_finds_what_comparing_all_finds_on_20000():
    codes = injected(15_000, 72, 60, 0)
    expected = compare_all(codes, codes, 46)
    np.testing.assert_array_equal(pairs_within(codes, 46), expected[expected[:, 0] < expected[:, 1]])
