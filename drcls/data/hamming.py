"""Pairs of binary codes that differ in few bits; of many codes, found without comparing all with all.

Of up to ten thousand codes all are compared with all, which is as fast. Of more, the bits are dealt into chunks, so
many that two codes within the distance differ in at most one bit of some chunk (the pigeonhole principle: 46 bits
cannot put two into each of 24 chunks). For every chunk and every bit of it the codes are sorted by the chunk without
that bit; only codes that are equal there are compared in full. The result is exact. Memory grows with the number of
codes, not with its square.

Reference:
    M. Norouzi, A. Punjani, D. J. Fleet, "Fast exact search in Hamming space with multi-index hashing", IEEE
    TPAMI 36(6), 2014.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# Below, comparing all with all is faster than sorting; shorter chunks would be equal by chance.
FEW_COMPARISONS = 10**8
MIN_CHUNK_BITS = 16
MAX_CHUNK_BITS = 32
_BLOCK = 2**20  # candidates that are compared at once
_TILE = 2**16  # comparisons of all with all at once; what they need stays in the processor's cache
_FIRST_WORDS = 3  # of 64 bits, so that their distance fits a byte


def pairs_within(codes, distance, others=None, later=False):
    """Find the pairs of codes that differ in at most `distance` bits.

    Args:
        codes: uint8 (N, B), packed bits.
        distance: int, at least 0.
        others: uint8 (M, B), codes to compare with; None to compare `codes` with one another.
        later: bool, find only pairs whose second row number is the larger one, as where `others` is None.

    Returns:
        int64 (P, 2), row numbers in `codes` and `others`, sorted.

    >>> pairs_within(np.array([[0b0000], [0b0001], [0b1110]], np.uint8), 1)
    array([[0, 1]])
    """
    second, later = (codes, True) if others is None else (others, later)
    num_chunks = distance // 2 + 1
    width = min(8 * codes.shape[1] // num_chunks, MAX_CHUNK_BITS)
    if len(codes) * len(second) <= FEW_COMPARISONS or width < MIN_CHUNK_BITS:
        pairs = compare_all(codes, second, distance, later)
    else:
        pairs = _search(codes, second, distance, num_chunks, width)
    return pairs[pairs[:, 0] < pairs[:, 1]] if later else pairs


def compare_all(codes, others, distance, later=False):
    """Find the pairs by comparing every code with every other: int64 (P, 2), sorted.

    Where only pairs are wanted whose second row is the larger, half of the comparisons are left out.
    """
    first, second = _words(codes), _words(others)
    columns = max(1, min(len(second), _TILE))
    rows = _TILE // columns

    def compare_rows(start):
        found = [np.zeros((0, 2), np.int64)]
        for column in range(start if later else 0, len(second), columns):
            near = _compare_tile(first[start : start + rows], second[column : column + columns], distance)
            found.append(near + (start, column))
        pairs = np.concatenate(found)
        return pairs[np.lexsort(pairs.T[::-1])]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(compare_rows, range(0, len(first), rows)))
    return np.concatenate([np.zeros((0, 2), np.int64), *found])


def _words(codes):
    """Pad packed bits to words: uint64 (N, W), each word's column in one piece of memory."""
    return np.asfortranarray(np.pad(codes, ((0, 0), (0, -codes.shape[1] % 8))).view(np.uint64))


def _compare_tile(first, second, distance):
    """Compare some codes with some others: int64 (P, 2).

    Only those that are alike in their first words are compared in full; unrelated pictures hardly ever are.
    """
    unlike = np.zeros((len(first), len(second)), np.uint8)
    for word in range(min(_FIRST_WORDS, first.shape[1])):
        unlike += np.bitwise_count(first[:, word, None] ^ second[None, :, word])
    one, two = np.divmod(np.flatnonzero(unlike <= distance), len(second))
    near = np.bitwise_count(first[one] ^ second[two]).sum(axis=1, dtype=np.int64) <= distance
    return np.stack([one[near], two[near]], axis=1)


def _search(codes, others, distance, num_chunks, width):
    lanes = _deal(codes, num_chunks, width)
    others_lanes = lanes if others is codes else _deal(others, num_chunks, width)

    def search_chunk(chunk):
        table = np.ascontiguousarray(lanes[:, chunk])
        other_table = table if others is codes else np.ascontiguousarray(others_lanes[:, chunk])
        found = [np.zeros(0, np.int64)]
        for one, two in _candidates(table, other_table, width):
            found.append(_compare(one, two, lanes, others_lanes, distance))
        return np.unique(np.concatenate(found))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        keys = np.unique(np.concatenate(list(pool.map(search_chunk, range(num_chunks)))))
    return np.stack(np.divmod(keys, len(others)), axis=1)


def _deal(codes, num_chunks, width):
    """Deal bits at random into chunks, one a column, and the rest into more: uint32 (N, chunks), an even number.

    Neighbouring bits of a perceptual hash are alike in many images; dealt at random, every chunk tells codes apart.
    """
    order = np.random.default_rng(0).permutation(8 * codes.shape[1])
    columns = [order[start : start + width] for start in range(0, num_chunks * width, width)]
    rest = order[num_chunks * width :]
    columns += [rest[start : start + 32] for start in range(0, len(rest), 32)]
    lanes = np.zeros((len(codes), len(columns) + len(columns) % 2), np.uint32)
    for number, bits in enumerate(columns):
        for place, bit in enumerate(bits):
            lanes[:, number] |= ((codes[:, bit // 8] >> (7 - bit % 8)) & 1).astype(np.uint32) << np.uint32(
                place
            )
    return lanes


def _candidates(table, other_table, width):
    """Yield the pairs (rows, other rows) whose chunk differs in no bit or in one, each pair once."""
    for bit in range(width):
        mask = np.uint32(1 << bit)
        keys, rows = _sorted(table & ~mask)
        other_keys, other_rows = (keys, rows) if other_table is table else _sorted(other_table & ~mask)
        first = np.searchsorted(other_keys, keys, "left")
        # Most keys are nowhere among the others; only the rest are searched a second time.
        met = np.flatnonzero(other_keys[np.minimum(first, len(other_keys) - 1)] == keys)
        keys, rows, first = keys[met], rows[met], first[met]
        count = np.searchsorted(other_keys, keys, "right") - first
        ends = np.cumsum(count)
        start = 0
        while start < len(keys):
            # As many codes as have a block of candidates together, at least one.
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, "right")))
            counts = count[start:stop]
            places = np.repeat(first[start:stop] - (ends[start:stop] - counts - before), counts)
            one, two = np.repeat(rows[start:stop], counts), other_rows[places + np.arange(len(places))]
            unlike = table[one] ^ other_table[two]
            # Chunks that are equal are equal without any bit: they count at the first alone.
            keep = (unlike == mask) | ((unlike == 0) & (bit == 0))
            yield one[keep], two[keep]
            start = stop


def _sorted(keys):
    """Return sorted keys and their rows; numbers are sorted several times faster than they are arg-sorted."""
    packed = np.sort((keys.astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64))
    return (packed >> np.uint64(32)).astype(np.uint32), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _compare(one, two, lanes, others_lanes, distance):
    """Return the candidates that are within the distance as numbers `one * len(others) + two`."""
    unlike = np.zeros(len(one), np.uint16)
    words, other_words = lanes.view(np.uint64), others_lanes.view(np.uint64)
    for word in range(words.shape[1]):
        unlike += np.bitwise_count(words[one, word] ^ other_words[two, word])
    near = unlike <= distance
    return one[near] * np.int64(len(others_lanes)) + two[near]
