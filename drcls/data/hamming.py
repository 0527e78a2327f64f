"""Pairs of binary codes that differ in few bits; of many codes, found without comparing all with all.

Of up to five thousand codes all are compared with all, which is as fast. Of more, the bits are dealt into chunks, so
many that two codes within the distance differ in at most one bit of some chunk (the pigeonhole principle: 46 bits
cannot put two into each of 24 chunks). For every chunk the codes are sorted by it, and each code looks up its own chunk
and those that differ from it in one bit; only codes that meet there are compared in full. The result is exact. Memory
grows with the number of codes, not with its square, and by some tens of MiB a thread, of which there are eight at most.

Reference:
    M. Norouzi, A. Punjani, D. J. Fleet, "Fast exact search in Hamming space with multi-index hashing", IEEE
    TPAMI 36(6), 2014.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# Below, comparing all with all is faster than sorting; shorter chunks would be equal by chance.
FEW_COMPARISONS = 3 * 10**7
MIN_CHUNK_BITS = 16
MAX_THREADS = 8
MAX_CHUNK_BITS = 24  # a byte for each of their values
_BLOCK = 2**20  # candidates that are compared at once
_ROWS = 2**11  # codes that are unpacked at once
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
        pairs = _search(codes, second, distance, num_chunks, width, later)
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


def _search(codes, others, distance, num_chunks, width, later):
    lanes = _deal(codes, num_chunks, width)
    others_lanes = lanes if others is codes else _deal(others, num_chunks, width)

    def search_chunk(chunk):
        found, chunks = [np.zeros(0, np.int64)], lanes[:, chunk]
        other_chunks = chunks if others is codes else others_lanes[:, chunk]
        for one, two in _candidates(chunks, other_chunks, width):
            if later:
                earlier = one < two
                one, two = one[earlier], two[earlier]
            found.append(_compare(one, two, lanes, others_lanes, distance))
        return np.unique(np.concatenate(found))

    with ThreadPoolExecutor(min(os.cpu_count(), MAX_THREADS)) as pool:
        keys = np.unique(np.concatenate(list(pool.map(search_chunk, range(num_chunks)))))
    return np.stack(np.divmod(keys, len(others)), axis=1)


def _deal(codes, num_chunks, width):
    """Deal bits at random into chunks, one a column, and the rest into more: uint32 (N, chunks), an even number.

    Neighbouring bits of a perceptual hash are alike in many images; dealt at random, every chunk tells codes apart.
    """
    num_bits = 8 * codes.shape[1]
    order = np.random.default_rng(0).permutation(num_bits)
    rest = num_chunks * width
    columns = [order[start : start + width] for start in range(0, rest, width)]
    columns += [order[start : start + 32] for start in range(rest, num_bits, 32)]
    # Every place takes a bit; those that are left take the first of the zeros behind them.
    places = np.full((len(columns) + len(columns) % 2, 32), num_bits)
    for number, bits in enumerate(columns):
        places[number, : len(bits)] = bits
    lanes = np.empty((len(codes), len(places)), np.uint32)
    for start in range(0, len(codes), _ROWS):
        bits = np.unpackbits(np.pad(codes[start : start + _ROWS], ((0, 0), (0, 1))), axis=1)
        dealt = np.packbits(np.take(bits, places.ravel(), axis=1), axis=1, bitorder="little")
        lanes[start : start + _ROWS] = dealt.view("<u4")
    return lanes


def _candidates(chunks, other_chunks, width):
    """Yield the pairs (rows, other rows) whose chunk differs in no bit or in one, each pair once, in blocks."""
    keys, rows = _sorted(chunks)
    other_keys, other_rows = (keys, rows) if other_chunks is chunks else _sorted(other_chunks)
    starts = np.flatnonzero(np.diff(other_keys, prepend=-1))
    values, counts = other_keys[starts], np.diff(starts, append=len(other_keys))
    known = np.zeros(1 << width, bool)
    known[values] = True
    for mask in [0, *(1 << np.arange(width))]:
        # Most keys are nowhere among the others, and one look says so; sorted keys look into the cache.
        met = np.flatnonzero(known[keys ^ mask])
        place = np.searchsorted(values, keys[met] ^ mask)
        first, count, met_rows = starts[place], counts[place], rows[met]
        ends = np.cumsum(count)
        start = 0
        while start < len(met):
            # As many codes as have a block of candidates together, at least one.
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, "right")))
            block = slice(start, stop)
            places = np.repeat(first[block] - (ends[block] - count[block] - before), count[block])
            yield np.repeat(met_rows[block], count[block]), other_rows[places + np.arange(len(places))]
            start = stop


def _sorted(chunks):
    """Return sorted chunks and their rows, int64; numbers are sorted several times faster than they are arg-sorted."""
    packed = np.sort((chunks.astype(np.int64) << 32) | np.arange(len(chunks)))
    return packed >> 32, packed & 0xFFFFFFFF


def _compare(one, two, lanes, others_lanes, distance):
    """Return the candidates that are within the distance as numbers `one * len(others) + two`."""
    words, other_words = lanes.view(np.uint64), others_lanes.view(np.uint64)
    unlike = np.zeros(len(one), np.uint16)
    for word in range(words.shape[1]):
        unlike += np.bitwise_count(words[one, word] ^ other_words[two, word])
        if word + 1 == _FIRST_WORDS:
            near = unlike <= distance
            one, two, unlike = one[near], two[near], unlike[near]
    near = unlike <= distance
    return one[near] * np.int64(len(others_lanes)) + two[near]
