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
photograph of one eye or a shift of several pixels is beyond this hash.

Turned and mirrored copies are found by their hashes alone: mirroring changes the signs of the odd frequencies, a
quarter turn also exchanges rows and columns. That moves a hash by 7 bits (median) and at most 41 of the 529 whose
place is known in all eight orientations (600 images of four sets). The public brain tumour set holds hundreds of
such pairs; in APTOS 2019, EyePACS and the blood cells of Acevedo et al. the nearest two images in any other
orientation lie 53 bits apart or more.
"""

import cv2
import numpy as np
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from drcls.data.hamming import pairs_within

HASH_SIDE = 24
NEAR_DISTANCE = 46
TURNED_DISTANCE = 42  # of 529 bits, the same share
_BLOCK = 2**16
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
    # As np.median, in a third of its time.
    ascending = np.sort(frequencies, axis=None)
    median = (ascending[ascending.size // 2 - 1] + ascending[ascending.size // 2]) / 2
    return np.packbits(frequencies > median).tobytes().hex()


def _codes(hashes):
    """Turn N hexadecimal hashes into uint8 (N, B), packed bits."""
    lengths = {len(text) for text in hashes}
    if len(lengths) > 1:
        raise ValueError(f"perceptual hashes of {sorted(lengths)} hexadecimal digits cannot be compared")
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)


def hash_distance(first, second):
    """Return in how many bits two hexadecimal hashes differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


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
    codes = _codes([*hashes, *(others if others is not None else [])])
    return pairs_within(codes[: len(hashes)], max_distance, None if others is None else codes[len(hashes) :])


def _orientations():
    """Return dict, what is done to a picture -> (whether rows and columns are exchanged, bits that then flip)."""
    odd = np.arange(1, HASH_SIDE) % 2
    rows, columns = np.broadcast_to(odd[:, None], (len(odd),) * 2), np.broadcast_to(odd, (len(odd),) * 2)
    return {
        "mirrored left to right": (False, columns),
        "mirrored top to bottom": (False, rows),
        "turned by 180 degrees": (False, rows ^ columns),
        "turned by 90 degrees to the left": (True, rows),
        "turned by 90 degrees to the right": (True, columns),
        "mirrored along the falling diagonal": (True, np.zeros_like(rows)),
        "mirrored along the rising diagonal": (True, rows ^ columns),
    }


ORIENTATIONS = tuple(_orientations())


def turned_pairs(hashes, others=None):
    """Find the pairs of images of which the second shows the first turned or mirrored.

    Args:
        hashes: sequence of N perceptual hashes.
        others: sequence of M hashes to compare with; None to compare `hashes` with one another.

    Returns:
        (int64 (P, 2) of row numbers, int64 (P,) of numbers in `ORIENTATIONS`: what was done to the first). A pair
        stands once, in the first orientation that fits; where `others` is None first < second. Pairs that are
        near-identical as they are, such as two copies of a symmetric picture, may be among them.
    """
    second = hashes if others is None else others
    if not len(hashes) or not len(second):
        return np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    codes = _codes([*hashes, *second])
    first, second = codes[: len(hashes)], _turned(codes[len(hashes) :], False, 0)
    pairs, numbers = [], []
    for number, (exchanged, flipped) in enumerate(_orientations().values()):
        turned = _turned(first, exchanged, flipped)
        found = pairs_within(turned, TURNED_DISTANCE, second, later=others is None)
        pairs.append(found)
        numbers.append(np.full(len(found), number))
    pairs, once = np.unique(np.concatenate(pairs), axis=0, return_index=True)
    return pairs, np.concatenate(numbers)[once]


def _turned(codes, exchanged, flipped):
    """Return what the codes become, of the bits that are hashed in every orientation: uint8 (N, 67).

    These are frequencies 1 to 23 along both sides: hashed are columns from 1 and rows from 0.
    """
    turned = []
    for start in range(0, len(codes), _BLOCK):
        bits = np.unpackbits(codes[start : start + _BLOCK], axis=1).reshape(-1, HASH_SIDE, HASH_SIDE)
        bits = bits[:, 1:, : HASH_SIDE - 1]
        bits = (bits.transpose(0, 2, 1) if exchanged else bits) ^ np.uint8(flipped)
        turned.append(np.packbits(bits.reshape(len(bits), -1), axis=1))
    return np.concatenate(turned)


def _near_chain(hashes):
    """Chain the rows of equal hash and pair the distinct hashes that are near: int64 (P, 2)."""
    first = {}
    for row, text in enumerate(hashes):
        first.setdefault(text, row)
    rows = np.fromiter(first.values(), np.int64)
    return np.concatenate([identical_pairs(hashes), rows[near_identical_pairs(list(first))]])


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
    pairs = np.concatenate([same_bytes, _near_chain(hashes)])
    near = [rows for rows in clusters(len(sha256), pairs) if len({sha256[row] for row in rows}) > 1]
    return clusters(len(sha256), same_bytes), near


def conflicting(clusters_, labels):
    """Return the clusters whose rows have more than one label."""
    return [rows for rows in clusters_ if len({labels[row] for row in rows}) > 1]


def unite_groups(groups, sha256, hashes, turned=None):
    """Join the groups (patients, or images) that share an identical or near-identical image, turned or not.

    Args:
        groups: sequence of N strings, what a split must not tear apart as far as the source says.
        sha256: sequence of N hexadecimal digests.
        hashes: sequence of N perceptual hashes.
        turned: int64 (P, 2), the pairs of `turned_pairs` where they are known already.

    Returns:
        list of N strings: for each image the alphabetically first group of those joined with its own.
    """
    turned = turned_pairs(hashes)[0] if turned is None else turned
    pairs = [identical_pairs(groups), identical_pairs(sha256), _near_chain(hashes), turned]
    numbers = cluster_numbers(len(groups), np.concatenate(pairs))
    first = {}
    for number, group in zip(numbers, groups, strict=True):
        first[number] = min(first.get(number, group), group)
    return [first[number] for number in numbers]
