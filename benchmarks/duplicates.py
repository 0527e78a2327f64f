"""Finding near-identical images by the index over their hashes, against comparing all with all.

Hashes are random, with a copy of every hundredth in which up to 60 bits differ.
"""

import numpy as np

from benchmarks.comparison import Comparison
from drcls.data.duplicates import NEAR_DISTANCE
from drcls.data.hamming import pairs_within

NUM_HASHES, NUM_BYTES = 20_000, 72


def comparisons():
    codes = random_codes(NUM_HASHES)

    def ours():
        return pairs_within(codes, NEAR_DISTANCE)

    def all_with_all():
        """As one writes it first: the distances of one code after another to all that follow."""
        words = codes.view(np.uint64)
        found = []
        for row in range(len(words) - 1):
            unlike = np.bitwise_count(words[row] ^ words[row + 1 :]).sum(axis=1)
            near = row + 1 + np.flatnonzero(unlike <= NEAR_DISTANCE)
            found.append(np.stack([np.full(len(near), row), near], axis=1))
        return np.concatenate(found)

    yield Comparison(
        what=f"near-identical pairs of {NUM_HASHES:,} hashes",
        ours=ours,
        peers={"comparing all with all": all_with_all},
        goals={"comparing all with all": 5},
        work=NUM_HASHES,
        unit="hashes",
        check=lambda: np.testing.assert_array_equal(ours(), all_with_all()),
        how="Hashes of 576 bits, pairs within 46, with equal results. All with all counts bits in 64-bit words.",
        limits="It grows with the square of the number of hashes, the index hardly faster than the number itself.",
    )


def random_codes(count, seed=0):
    """Return codes uint8 (N, 72), a hundredth of them copies of others with 0 to 60 bits flipped."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (count, NUM_BYTES), dtype=np.uint8)
    num_copies = count // 100
    bits = np.unpackbits(codes[:num_copies], axis=1)
    for row in bits:
        row[rng.choice(len(row), rng.integers(0, 61), replace=False)] ^= 1
    codes[-num_copies:] = np.packbits(bits, axis=1)
    return codes
