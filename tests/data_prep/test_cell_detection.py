"""data_prep.cell_detection: every stage of Algorithm 1, by hand and on smears whose cells are known."""

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.cell_detection import (
    DETECTION_DIAMETER,
    CircleSearch,
    SmearError,
    cut_cell,
    dark_bulges,
    detect_cells,
    equalise,
    estimate_cell_diameter,
    match_centres,
    on_foreground,
    round_diameters,
    upscale,
    widest_diameters,
    zero_pad,
)
from data_prep.cell_source import crosses_border, touches
from drcls.data.image_ops import read_image


def discs(circles, shape=(200, 300), cell=(150, 80, 110), background=(210, 205, 208)):
    """Draw discs of one colour, uint8 (H, W, 3)."""
    image = np.full((*shape, 3), background, np.uint8)
    for x, y, radius in circles:
        cv2.circle(image, (x, y), radius, cell, -1, cv2.LINE_AA)
    return image


def test_cells_of_phantoms_are_found(smears):
    known = pd.read_csv(smears / "cells.csv", dtype={"smear": str})
    hits = circles = 0
    for path in sorted((smears / "Dataset").iterdir()):
        own = known[known["smear"] == path.stem]
        found = detect_cells(read_image(path))
        assert found.cell_diameter == pytest.approx(2 * own["radius"].median(), rel=0.1)
        matched = match_centres(found.circles, own[["x", "y"]].to_numpy(), 0.5)
        right = matched >= 0
        errors = found.circles[right] - own[["x", "y", "radius"]].to_numpy()[matched[right]]
        assert np.median(np.hypot(errors[:, 0], errors[:, 1])) < 1.5
        assert np.abs(np.median(errors[:, 2])) < 2
        hits, circles = hits + right.sum(), circles + len(matched)
    assert hits / circles > 0.9 and hits / len(known) > 0.9


def test_stages_have_the_scale_of_the_detection(smears):
    image = read_image(smears / "Dataset" / "000.jpg")
    found = detect_cells(image)
    ratio = DETECTION_DIAMETER / found.cell_diameter
    assert found.upscaled.shape == (round(240 * ratio), round(320 * ratio), 3)
    assert found.equalised.shape == found.upscaled.shape[:2]
    again = detect_cells(image)
    np.testing.assert_array_equal(found.circles, again.circles)


def test_scale_is_the_median_of_round_whole_lonely_cells():
    # Radii 10, 12, 14; one cell at the border and a pair that touch do not count.
    image = discs([(40, 40, 10), (100, 40, 12), (160, 40, 14), (0, 150, 30), (100, 150, 20), (135, 150, 20)])
    assert estimate_cell_diameter(image) == pytest.approx(24, abs=1.5)


def test_an_ellipse_is_not_round():
    mask = np.zeros((100, 200), np.uint8)
    cv2.ellipse(mask, (100, 50), (60, 15), 0, 0, 360, 1, -1)
    assert not len(round_diameters(mask))


def test_a_colour_inverted_smear_is_refused(smears):
    image = read_image(smears / "Dataset" / "000.jpg")
    with pytest.raises(SmearError, match="colour-inverted: 8|9[0-9]% of the edges bulge"):
        detect_cells(255 - image)


def crowd(density, radius, pale, seed=0, shape=(360, 480)):
    """Draw a smear whose cells lie in rows; those of a density of 0.9 touch all their six neighbours.

    Returns:
        uint8 (H, W, 3), and how many cells have their centre in it.
    """
    rng, smear = np.random.default_rng(seed), np.full((*shape, 3), (212, 206, 210), np.float32)
    step, number = 2 * radius * np.sqrt(np.pi / np.sqrt(12) / density), 0
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    for line, top in enumerate(np.arange(-radius, shape[0] + radius, step * np.sqrt(3) / 2)):
        for left in np.arange(-radius, shape[1] + radius, step) + line % 2 * step / 2:
            x, y = rng.normal((left, top), 0.03 * radius)
            number += 0 <= x < shape[1] and 0 <= y < shape[0]
            part = slice(max(0, int(y - 2 * radius)), int(y + 2 * radius) + 1)
            distance = np.hypot(columns[part] - x, rows[part] - y) / radius
            inside = np.clip((1 - distance) * radius, 0, 1) * (0.75 + 0.25 * distance**2 if pale else 1)
            smear[part] *= 1 - inside[..., None] * np.array([0.35, 0.6, 0.45], np.float32)
    return np.clip(smear + rng.normal(0, 3, smear.shape), 0, 255).astype(np.uint8), number


@pytest.mark.parametrize("pale", [True, False])
@pytest.mark.parametrize(
    "radius, density", [(20, d) for d in (0.3, 0.6, 0.8, 0.85, 0.9)] + [(12, 0.85), (32, 0.9)]
)
def test_cells_that_touch_are_cells_and_the_gaps_between_them_are_not(radius, density, pale):
    image, number = crowd(density, radius, pale)
    found = detect_cells(image)
    assert found.cell_diameter == pytest.approx(2 * radius, rel=0.1)
    assert 0.75 * number <= len(found.circles) <= 1.05 * number
    with pytest.raises(SmearError, match="colour-inverted"):
        detect_cells(255 - image)


def test_the_diameters_of_cells_that_touch_are_those_of_their_widest_places():
    # A hole of a pale middle is filled; the gap between four cells is not.
    places = [(x, y, 40) for x in (60, 139, 218) for y in (60, 139, 218)]
    dark = (discs(places, (280, 280), (90, 90, 90))[..., 1] < 150).astype(np.uint8)
    cv2.circle(dark, (139, 139), 16, 0, -1)
    np.testing.assert_allclose(widest_diameters(dark), [80] * 9, atol=5)
    assert dark_bulges(dark) > 0.5 > dark_bulges(1 - dark)
    assert dark_bulges(np.zeros((50, 50), np.uint8)) == 1 and not len(
        widest_diameters(np.zeros((50, 50), np.uint8))
    )


@pytest.mark.parametrize(
    "image",
    [
        np.full((120, 160, 3), 200, np.uint8),
        np.zeros((120, 160, 3), np.uint8),
        np.random.default_rng(0).normal(200, 3, (120, 160, 3)).astype(np.uint8),
        discs([(60, 60, 3)], (120, 160)),
    ],
    ids=["blank", "black", "noise", "a speck"],
)
def test_a_smear_without_cells_is_refused(image):
    with pytest.raises(SmearError, match="no cells"):
        detect_cells(image)


def test_upscaling_keeps_a_flat_image_and_its_proportions():
    image = np.full((10, 20, 3), 77, np.uint8)
    for ratio, shape in ((2.5, (25, 50, 3)), (0.5, (5, 10, 3)), (1, (10, 20, 3))):
        enlarged = upscale(image, ratio)
        assert enlarged.shape == shape and (enlarged == 77).all()


def test_equalisation_raises_contrast():
    # Fifteen grey levels between cells and background, on uneven light.
    places = [(x, y, 30) for x in range(40, 300, 80) for y in (50, 130)]
    grey = discs(places, (200, 300), (140,) * 3, (155,) * 3)[..., 0]
    cells = grey < 148
    grey = (grey + np.linspace(-20, 20, 300)).astype(np.uint8)
    equalised = equalise(grey, CircleSearch())
    before, after = (float(x[~cells].mean()) - float(x[cells].mean()) for x in (grey, equalised))
    assert after > 1.5 * before


def test_circles_on_the_background_are_dropped():
    mask = np.zeros((100, 100), np.uint8)
    cv2.circle(mask, (30, 30), 20, 1, -1)
    circles = np.array([[30, 30, 20], [75, 75, 15], [50, 30, 20], [0, 30, 14.0]])
    kept = on_foreground(circles, mask, 0.6)
    np.testing.assert_array_equal(kept, circles[:1])
    # Only what lies in the image counts: of the last circle, a part of its right half.
    assert len(on_foreground(circles, mask, 0.02)) == 3
    assert on_foreground(np.zeros((0, 3)), mask, 0.5).shape == (0, 3)


def test_a_cell_beyond_the_border_is_black_there():
    image = np.full((20, 20, 3), 9, np.uint8)
    cell = cut_cell(image, (0, 10, 4))
    assert cell.shape == (8, 8, 3)
    assert (cell[:, :4] == 0).all() and (cell[:, 4:] == 9).all()


@given(
    x=st.floats(-5, 35),
    y=st.floats(-5, 25),
    radius=st.floats(0.1, 12),
    size=st.integers(8, 40),
    seed=st.integers(0, 9),
)
def test_cutting_and_padding_keep_pixels_and_add_only_zeros(x, y, radius, size, seed):
    image = np.random.default_rng(seed).integers(1, 256, (20, 30, 3), dtype=np.uint8)
    cell = cut_cell(image, (x, y, radius))
    side = len(cell)
    assert cell.shape == (side, side, 3) and side == max(1, round(2 * radius))
    top, left = round(y - side / 2), round(x - side / 2)
    # The same, written with a frame of zeros all around.
    framed = np.pad(image, ((40, 40), (40, 40), (0, 0)))
    np.testing.assert_array_equal(cell, framed[top + 40 : top + 40 + side, left + 40 : left + 40 + side])
    padded = zero_pad(cell, size)
    assert padded.shape == (size, size, 3)
    if side <= size:
        before = (size - side) // 2
        np.testing.assert_array_equal(padded[before : before + side, before : before + side], cell)
        assert padded.sum(dtype=np.int64) == cell.sum(dtype=np.int64)


def test_a_larger_cell_is_shrunk_to_fit():
    cell = np.full((40, 30, 3), 50, np.uint8)
    padded = zero_pad(cell, 20)
    assert (padded[:, 2:17] == 50).all() and (padded[:, :2] == 0).all() and (padded[:, 17:] == 0).all()


def test_centres_are_matched_nearest_first_and_once():
    circles = np.array([[0, 0, 10], [12, 0, 10], [100, 0, 10.0]])
    centres = np.array([[4, 0], [5, 0], [106, 0]])
    # Distances in radii: circle 0 to the centres 0.4, 0.5; circle 1: 0.8, 0.7; circle 2: 0.6 to the last.
    assert match_centres(circles, centres, 1).tolist() == [0, 1, 2]
    assert match_centres(circles, centres, 0.6).tolist() == [0, -1, 2]
    assert match_centres(circles, centres, 0.5).tolist() == [0, -1, -1]
    assert match_centres(circles, np.zeros((0, 2)), 1).tolist() == [-1, -1, -1]
    assert match_centres(np.zeros((0, 3)), centres, 1).tolist() == []


def test_border_and_touching_cells_are_told():
    circles = np.array([[10, 10, 10], [9, 30, 10], [30, 30, 10], [49, 30, 10], [65, 92, 10.0]])
    assert crosses_border(circles, 100, 100).tolist() == [False, True, False, False, True]
    assert touches(circles).tolist() == [False, False, True, True, False]
    assert touches(np.zeros((0, 3))).tolist() == []
