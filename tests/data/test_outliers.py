"""Finding what does not belong: hues, the threshold, and the score against the injected truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.phantoms.leukocytes import write_leukocytes
from drcls.data import find_outliers, load_manifest, read_injected, score_detection
from drcls.data.image_ops import read_image
from drcls.data.outliers import HUE_BINS, hue_histogram, otsu_threshold


def test_hues_by_hand():
    grey = hue_histogram(np.full((8, 8, 3), 128, np.uint8))
    assert grey.shape == (HUE_BINS,) and grey.sum() < 1.5
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    histogram = hue_histogram(red)
    # CIELAB puts sRGB's red at a = 80, b = 67: 40 degrees, chroma 104.
    assert histogram.argmax() == HUE_BINS // 2 + 1 and histogram.sum() == pytest.approx(104, abs=2)
    half = np.concatenate([red, np.full((8, 8, 3), 128, np.uint8)])
    assert hue_histogram(half).sum() == pytest.approx(52, abs=2)


@given(st.integers(0, 2**32 - 1))
def test_hues_know_no_place(seed):
    image = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    shuffled = np.random.default_rng(seed).permutation(image.reshape(-1, 3)).reshape(9, 6, 3)
    np.testing.assert_allclose(hue_histogram(shuffled), hue_histogram(image), atol=1e-4)


def test_the_threshold_parts_two_groups():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.4, 0.02, 900), rng.normal(0.6, 0.02, 100)
    threshold = otsu_threshold(np.concatenate([low, high]))
    assert low.max() < threshold < high.min()
    assert otsu_threshold(np.array([0.5, 0.5])) == 0.5
    assert 1 <= otsu_threshold(np.array([0.0, 1.0, 10.0, 11.0])) < 10


def test_precision_and_recall_by_hand():
    flagged = np.array([1, 1, 1, 0, 0], bool)
    injected = np.array([1, 1, 0, 1, 0], bool)
    score = score_detection(flagged, injected)
    assert score["precision"] == pytest.approx(2 / 3) and score["recall"] == pytest.approx(2 / 3)
    assert (score["num_injected"], score["num_flagged"], score["num_found"]) == (3, 3, 2)
    nothing = score_detection(np.zeros(5, bool), np.zeros(5, bool))
    assert nothing["precision"] is None and nothing["recall"] is None


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = write_leukocytes(tmp_path_factory.mktemp("data") / "cells", 400, 32, seed=0, progress=False)
    manifest = load_manifest(folder)
    return manifest, np.stack([read_image(path) for path in manifest.paths])


def test_injected_overlays_are_found_without_being_known(cells):
    manifest, images = cells
    overlays = np.char.startswith(read_injected(manifest), "overlay")
    found = find_outliers(images, seed=0)
    score = score_detection(found.flagged, overlays)
    assert score["recall"] > 0.85 and score["precision"] > 0.5
    again = find_outliers(images, seed=0)
    np.testing.assert_array_equal(again.scores, found.scores)
    rows = np.arange(0, 400, 2)
    np.testing.assert_array_equal(
        find_outliers(images, 0, rows).scores, find_outliers(images[rows], seed=0).scores
    )


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="at least 32 images; received 31"):
        find_outliers(np.zeros((31, 8, 8, 3), np.uint8), seed=0)
