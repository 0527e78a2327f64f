"""Corruptions: by hand where that is possible, worse with severity, repeatable; the stronger augmentations too."""

import random

import keras
import numpy as np
import pytest

from drcls.data import BATCH_AUGMENTATIONS, CORRUPTIONS, BatchAugmentation, corrupt, corrupt_all
from drcls.data.corruptions import BRIGHTNESS, CONTRAST, OCCLUSION, OVERLAY, SEVERITIES
from drcls.data.overlays import TEST_OVERLAYS, draw_overlay


def cells(number=6, side=48):
    rng = np.random.default_rng(0)
    rows, columns = np.indices((side, side)) - side / 2
    disc = (np.hypot(rows, columns) < side / 4)[..., None]
    images = np.where(disc, [90, 60, 130], [235, 215, 190]) + rng.normal(0, 4, (number, side, side, 3))
    return np.clip(images, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_bytes_in_bytes_out_worse_with_severity_and_repeatable(name):
    images = cells()
    before = images.copy()
    damage = []
    for severity in SEVERITIES:
        corrupted = corrupt_all(images, name, severity, seed=0)
        assert corrupted.dtype == np.uint8 and corrupted.shape == images.shape
        np.testing.assert_array_equal(corrupted, corrupt_all(images, name, severity, seed=0))
        damage.append(np.mean((corrupted.astype(float) - images) ** 2))
    np.testing.assert_array_equal(images, before)
    assert damage[0] > 0 and (np.diff(damage) > 0).all(), damage


def test_amounts_by_hand():
    grey = np.full((20, 20, 3), 128, np.uint8)
    shift = corrupt(grey, "brightness", 3, np.random.default_rng(0)).astype(int) - 128
    assert set(np.unique(np.abs(shift))) == {BRIGHTNESS[2]} and len(np.unique(shift)) == 1
    steps = np.zeros((20, 20, 3), np.uint8)
    steps[:10] = 200
    halved = corrupt(steps, "contrast", 3, np.random.default_rng(0))
    assert sorted(np.unique(halved)) == [50, 150] and CONTRAST[2] == 0.5
    covered = corrupt(np.zeros((20, 20, 3), np.uint8), "occlusion", 2, np.random.default_rng(0))
    assert (covered == 128).all(axis=2).sum() == round(np.sqrt(OCCLUSION[1] * 400)) ** 2
    black = corrupt(np.zeros((20, 20, 3), np.uint8), "overlay", 5, np.random.default_rng(0)).astype(float)
    distances = [np.abs(black - OVERLAY[4] * draw_overlay(name, 20, 20)).max() for name in TEST_OVERLAYS]
    assert min(distances) <= 1
    noisy = corrupt(np.full((60, 60, 3), 128, np.uint8), "noise", 2, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(12, rel=0.05)
    white = np.full((20, 20, 3), 255, np.uint8)
    np.testing.assert_array_equal(corrupt(white, "stain", 5, np.random.default_rng(0)), white)
    np.testing.assert_array_equal(corrupt(white, "blur", 5, np.random.default_rng(0)), white)


@pytest.mark.parametrize(
    ("image", "name", "severity", "message"),
    [
        (np.zeros((8, 8, 3)), "blur", 1, "must be uint8.*received float64"),
        (np.zeros((8, 8), np.uint8), "blur", 1, r"received uint8 \(8, 8\)"),
        ([1], "blur", 1, "must be uint8"),
        (np.zeros((8, 8, 3), np.uint8), "rain", 1, "corruption must be one of .*received 'rain'"),
        (np.zeros((8, 8, 3), np.uint8), "blur", 0, "severity must be one of .*received 0"),
        (np.zeros((8, 8, 3), np.uint8), "blur", 6, "received 6"),
    ],
)
def test_bad_input_is_named(image, name, severity, message):
    with pytest.raises(ValueError, match=message):
        corrupt(image, name, severity, np.random.default_rng(0))


@pytest.mark.parametrize("name", BATCH_AUGMENTATIONS)
def test_strong_augmentation_follows_its_seed_and_keeps_its_form(name):
    images, labels = cells(4, 16).astype(np.float32), np.eye(4, dtype=np.float32)
    augment = BatchAugmentation(name)
    state = random.getstate()
    shown, mixed = augment(images, labels, 5)
    assert random.getstate() == state
    assert shown.dtype == mixed.dtype == np.float32 and shown.shape == images.shape
    assert shown.min() >= 0 and shown.max() <= 255
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-5)
    for values, again in zip((shown, mixed), augment(images, labels, 5), strict=True):
        np.testing.assert_array_equal(values, again)
    others = [augment(images, labels, seed)[0] for seed in (6, 7, 8)]
    assert any(not np.array_equal(shown, other) for other in others)
    if name in ("RandAugment", "AugMix"):
        np.testing.assert_array_equal(mixed, labels)


@pytest.mark.parametrize("name", BATCH_AUGMENTATIONS)
def test_a_networks_lower_precision_changes_no_augmentation(name):
    images, labels = cells(4, 16).astype(np.float32), np.eye(4, dtype=np.float32)
    expected = BatchAugmentation(name)(images, labels, 3)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = BatchAugmentation(name)(images, labels, 3)
    finally:
        keras.config.set_dtype_policy(policy)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# CutMix counts parts of pixels where it cuts whole ones.
@pytest.mark.parametrize(("name", "tolerance"), [("MixUp", 0.01), ("CutMix", 5)])
def test_labels_are_mixed_as_the_pixels_are(name, tolerance):
    levels = np.float32([0, 80, 160, 240])
    images = np.broadcast_to(levels[:, None, None, None], (4, 96, 96, 3)).copy()
    seen = []
    for seed in range(6):
        shown, mixed = BatchAugmentation(name)(images, np.eye(4, dtype=np.float32), seed)
        np.testing.assert_allclose(shown.mean(axis=(1, 2, 3)), mixed @ levels, atol=tolerance)
        seen.append(mixed.max(axis=1).min())
    assert min(seen) < 0.9


def test_one_image_alone_is_not_mixed():
    images, labels = cells(1, 16).astype(np.float32), np.eye(4, dtype=np.float32)[:1]
    shown, mixed = BatchAugmentation("MixUp")(images, labels, 0)
    np.testing.assert_array_equal(shown, images)
    np.testing.assert_array_equal(mixed, labels)


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(ValueError, match="must be one of .*AugMix.*received 'Mosaic'"):
        BatchAugmentation("Mosaic")
