"""drcls.data.duplicates: hashes that survive storing, clusters that join exactly what belongs together."""

import hashlib
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drcls.data import duplicates
from drcls.data.image_ops import decode_image


def picture(seed, side=128):
    """Return a picture with structure at all scales, as photographs have, unlike that of another seed."""
    rng = np.random.default_rng(seed)
    scales = [rng.normal(0, 160 / n, (n, n, 3)) for n in (4, 8, 16, 32)]
    layers = [cv2.resize(scale, (side, side), interpolation=cv2.INTER_CUBIC) for scale in scales]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def distance(first, second):
    bits = [np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8)) for text in (first, second)]
    return int((bits[0] != bits[1]).sum())


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), quality=st.integers(90, 100))
def test_hash_survives_good_jpeg(seed, quality):
    image = picture(seed)
    stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    again = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    hashes = [duplicates.perceptual_hash(image), duplicates.perceptual_hash(again)]
    assert distance(*hashes) <= duplicates.NEAR_DISTANCE


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), side=st.integers(96, 300), gain=st.floats(0.8, 1.1))
def test_hash_survives_resizing_and_brightening(seed, side, gain):
    image = picture(seed)
    changed = cv2.convertScaleAbs(
        cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), alpha=gain, beta=3
    )
    hashes = [duplicates.perceptual_hash(image), duplicates.perceptual_hash(changed)]
    assert distance(*hashes) <= duplicates.NEAR_DISTANCE


def test_hashes_of_different_pictures_are_far_apart():
    hashes = [duplicates.perceptual_hash(picture(seed)) for seed in range(40)]
    assert {len(text) for text in hashes} == {duplicates.HASH_SIDE**2 // 4}
    assert len(duplicates.near_identical_pairs(hashes, max_distance=4 * duplicates.NEAR_DISTANCE)) == 0


TURNS = {
    "mirrored left to right": np.fliplr,
    "mirrored top to bottom": np.flipud,
    "turned by 180 degrees": lambda image: np.rot90(image, 2),
    "turned by 90 degrees to the left": np.rot90,
    "turned by 90 degrees to the right": lambda image: np.rot90(image, -1),
    "mirrored along the falling diagonal": lambda image: image.transpose(1, 0, 2),
    "mirrored along the rising diagonal": lambda image: np.rot90(image, 2).transpose(1, 0, 2),
}


@pytest.mark.parametrize("name", duplicates.ORIENTATIONS)
def test_turned_and_mirrored_copies_are_found_and_named(name):
    copy = np.ascontiguousarray(TURNS[name](picture(1)))
    copy = cv2.imdecode(cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, 95])[1], cv2.IMREAD_COLOR)
    hashes = [duplicates.perceptual_hash(image) for image in (picture(0), picture(1), copy, picture(2))]
    assert distance(hashes[1], hashes[2]) > 100
    pairs, numbers = duplicates.turned_pairs(hashes)
    assert pairs.tolist() == [[1, 2]] and [duplicates.ORIENTATIONS[n] for n in numbers] == [name]
    pairs, numbers = duplicates.turned_pairs(hashes[1:2], hashes[2:])
    assert pairs.tolist() == [[0, 0]] and [duplicates.ORIENTATIONS[n] for n in numbers] == [name]
    assert len(set(duplicates.unite_groups(list("abcd"), list("wxyz"), hashes))) == 3


def test_different_pictures_are_no_turned_copies():
    hashes = [duplicates.perceptual_hash(picture(seed)) for seed in range(60)]
    assert len(duplicates.turned_pairs(hashes)[0]) == 0
    assert duplicates.turned_pairs([])[0].shape == (0, 2)


def flip_bits(text, count):
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))
    bits[:count] ^= 1
    return np.packbits(bits).tobytes().hex()


def test_pairs_are_those_within_the_distance():
    first = duplicates.perceptual_hash(picture(0))
    other = duplicates.perceptual_hash(picture(1))
    limit = duplicates.NEAR_DISTANCE
    hashes = [first, other, flip_bits(first, limit), other, flip_bits(first, limit + 1)]
    pairs = duplicates.near_identical_pairs(hashes)
    assert sorted(map(tuple, pairs)) == [(0, 2), (1, 3), (2, 4)]
    across = duplicates.near_identical_pairs([other, first], hashes[2:])
    assert sorted(map(tuple, across)) == [(0, 1), (1, 0)]


def test_no_hashes_no_pairs():
    assert duplicates.near_identical_pairs([]).shape == (0, 2)
    assert duplicates.near_identical_pairs(["00"], []).shape == (0, 2)


def test_hashes_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"\[2, 4\]"):
        duplicates.near_identical_pairs(["00", "0000"])


def test_find_duplicates_tells_identical_from_near():
    a, b, c = (duplicates.perceptual_hash(picture(seed)) for seed in range(3))
    #          0    1    2                    3    4    5
    hashes = [a, a, flip_bits(a, 3), b, b, c]
    sha256 = ["x", "x", "y", "z", "z", "w"]
    identical, near = duplicates.find_duplicates(sha256, hashes)
    assert identical == [[0, 1], [3, 4]]
    assert near == [[0, 1, 2]]
    assert duplicates.conflicting(identical, ["Mild", "Mild", "Severe", "Mild", "Severe", "Mild"]) == [[3, 4]]


def test_groups_are_joined_along_chains():
    a, b, c = (duplicates.perceptual_hash(picture(seed)) for seed in range(3))
    d = duplicates.perceptual_hash(picture(3))
    # Patients 7 and 8 share a file, patients 8 and 9 a near copy, patient 10 shares nothing.
    groups = ["7", "7", "8", "8", "9", "10"]
    sha256 = ["1", "2", "2", "3", "4", "5"]
    hashes = [a, b, b, c, flip_bits(c, 2), d]
    assert duplicates.unite_groups(groups, sha256, hashes) == ["7", "7", "7", "7", "7", "10"]


@pytest.fixture(scope="module")
def aptos_files(sources):
    with zipfile.ZipFile(sources("aptos2019_gaussian_224.zip")) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        return [(name, archive.read(name)) for name in names]


def test_identical_files_of_aptos(aptos_files):
    labels = [name.split("/")[1] for name, _ in aptos_files]
    pairs = duplicates.identical_pairs([hashlib.sha256(data).hexdigest() for _, data in aptos_files])
    identical = duplicates.clusters(len(aptos_files), pairs)
    assert (len(identical), sum(map(len, identical))) == (123, 251)
    assert len(duplicates.conflicting(identical, labels)) == 30


@pytest.mark.slow
def test_near_identical_images_of_aptos_are_the_same_photograph(aptos_files):
    images = [decode_image(data) for _, data in aptos_files]
    sha256 = [hashlib.sha256(data).hexdigest() for _, data in aptos_files]
    hashes = [duplicates.perceptual_hash(image) for image in images]
    pairs = [(i, j) for i, j in duplicates.near_identical_pairs(hashes) if sha256[i] != sha256[j]]
    assert len(pairs) == 12
    for i, j in pairs:
        small = [cv2.resize(images[k], (64, 64), interpolation=cv2.INTER_AREA).ravel() for k in (i, j)]
        assert np.corrcoef(*small)[0, 1] > 0.99
    distances = [
        distance(hashes[i], hashes[j]) for i, j in duplicates.near_identical_pairs(hashes, max_distance=58)
    ]
    # Nothing lies between the copies of one photograph and the nearest two photographs.
    assert [d for d in distances if 24 < d < 58] == []
