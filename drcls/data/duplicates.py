"""Identical and near-identical images, and the labels on which they disagree.

Identical means the same bytes (SHA-256). Near-identical means the same picture stored twice: re-encoded,
resized or a little brightened, found by a perceptual hash. Two images of one cluster on both sides of a split
leak.

The hash has 576 bits, not the customary 64: on grey, high-pass filtered fundi a 64-bit hash calls different
eyes equal. On the 3662 images of the 224 px Gaussian copy of APTOS 2019 the twelve pairs of one photograph
stored under two names lie within 24 bits of each other, the nearest pair of two photographs 58 bits apart; on
2657 EyePACS images, which hold no duplicate, the nearest two lie 60 bits apart. Storing an image as JPEG of
quality 75 moves it by 20 bits (median, filtered) or 4 (unfiltered), at most 44; on noisier, synthetic pictures
one such copy in eight moves farther than the limit and is missed, from quality 90 on none of 400. A second
photograph of one eye, a shift of several pixels or a mirror image is beyond this hash.
"""

import cv2
import numpy as np
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HASH_SIDE = 24
NEAR_DISTANCE = 46
_BLOCK = 2048
# The first rows of the orthonormal cosine transform of type II, float32 (HASH_SIDE + 1, 4 * HASH_SIDE).
_COSINES = dct(np.eye(4 * HASH_SIDE), axis=0, norm="ortho")[: HASH_SIDE + 1].astype(np.float32)


def perceptual_hash(image):
    """Hash what the image shows: which of its low cosine frequencies are stronger than their median.

    Args:
        image: uint8 array (H, W, 3), RGB.

    Returns:
        str of 144 hexadecimal digits (24 x 24 bits).
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (4 * HASH_SIDE, 4 * HASH_SIDE), interpolation=cv2.INTER_AREA)
    # Without frequency 0 along the rows, which says how bright the image is, not what it shows.
    frequencies = _COSINES[:HASH_SIDE] @ small.astype(np.float32) @ _COSINES[1:].T
    return np.packbits(frequencies > np.median(frequencies)).tobytes().hex()


def _signs(hashes):
    """Turn hexadecimal hashes into float32 (N, bits) of -1 and +1, whose products count equal bits."""
    lengths = {len(text) for text in hashes}
    if len(lengths) > 1:
        raise ValueError(f"perceptual hashes of {sorted(lengths)} hexadecimal digits cannot be compared")
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1


def near_identical_pairs(hashes, others=None, max_distance=NEAR_DISTANCE):
    """Find the pairs of perceptual hashes that differ in few bits.

    Args:
        hashes: sequence of N hexadecimal hashes.
        others: sequence of M hashes to compare with; None to compare `hashes` with one another.
        max_distance: number of bits up to which two hashes show the same picture.

    Returns:
        int64 array (P, 2) of row numbers in `hashes` and `others`; first < second where `others` is None.
    """
    if not len(hashes) or (others is not None and not len(others)):
        return np.zeros((0, 2), np.int64)
    num_hashes = len(hashes)
    signs = _signs(list(hashes) + list(others if others is not None else []))
    # Two hashes of `bits` bits, `distance` of them unlike, have the product bits - 2 * distance.
    enough = signs.shape[1] - 2 * max_distance
    pairs = []
    for start in range(0, num_hashes, _BLOCK):
        block = signs[start : min(start + _BLOCK, num_hashes)]
        first = start if others is None else num_hashes
        found = np.argwhere(block @ signs[first:].T >= enough)
        pairs.append(found + (start, start) if others is None else found + (start, 0))
    pairs = np.concatenate(pairs)
    return pairs[pairs[:, 0] < pairs[:, 1]] if others is None else pairs


def identical_pairs(keys):
    """Chain the rows of equal key (SHA-256, patient): int64 (P, 2), each row with the previous of its key."""
    last, pairs = {}, []
    for row, key in enumerate(keys):
        if key in last:
            pairs.append((last[key], row))
        last[key] = row
    return np.array(pairs, np.int64).reshape(-1, 2)


def cluster_numbers(num_images, pairs):
    """Number the clusters: int (N,), equal for two rows that a chain of pairs connects."""
    edges = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(num_images, num_images))
    return connected_components(edges, directed=False)[1]


def clusters(num_images, pairs):
    """List the clusters of at least two rows that pairs tie together: lists of row numbers, in order."""
    members = {}
    for row, number in enumerate(cluster_numbers(num_images, pairs)):
        members.setdefault(int(number), []).append(row)
    return [rows for rows in members.values() if len(rows) > 1]


def find_duplicates(sha256, hashes):
    """Find the clusters of identical files and the clusters of near-identical images.

    Args:
        sha256: sequence of N hexadecimal digests of the source files.
        hashes: sequence of N perceptual hashes.

    Returns:
        (identical, near): two lists of clusters, a cluster being a list of row numbers. A near cluster holds
        at least two different files, and the copies of each.
    """
    same_bytes = identical_pairs(sha256)
    pairs = np.concatenate([same_bytes, near_identical_pairs(hashes)])
    near = [rows for rows in clusters(len(sha256), pairs) if len({sha256[row] for row in rows}) > 1]
    return clusters(len(sha256), same_bytes), near


def conflicting(clusters_, labels):
    """Return the clusters whose rows have more than one label."""
    return [rows for rows in clusters_ if len({labels[row] for row in rows}) > 1]


def unite_groups(groups, sha256, hashes):
    """Join the groups (patients, or images) that share an identical or near-identical image.

    Args:
        groups: sequence of N strings, what a split must not tear apart as far as the source says.
        sha256: sequence of N hexadecimal digests.
        hashes: sequence of N perceptual hashes.

    Returns:
        list of N strings: for each image the alphabetically first group of those joined with its own.
    """
    pairs = [identical_pairs(groups), identical_pairs(sha256), near_identical_pairs(hashes)]
    numbers = cluster_numbers(len(groups), np.concatenate(pairs))
    first = {}
    for number, group in zip(numbers, groups, strict=True):
        first[number] = min(first.get(number, group), group)
    return [first[number] for number in numbers]
