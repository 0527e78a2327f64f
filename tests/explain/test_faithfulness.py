import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drcls.explain import grad_cam, pointing_game
from drcls.explain.faithfulness import hottest_pixel


def one_hot_map(row, column, size=9):
    heat_map = np.zeros((size, size), "float32")
    heat_map[row, column] = 1
    return heat_map


def square_mask(size=9):
    mask = np.zeros((size, size), bool)
    mask[3:6, 3:6] = True
    return mask


def test_counts_by_hand():
    heat_maps = np.stack(
        [one_hot_map(4, 4), one_hot_map(3, 6), one_hot_map(0, 0), np.zeros((9, 9)), one_hot_map(4, 4)]
    )
    masks = np.stack([square_mask()] * 4 + [np.zeros((9, 9), bool)])
    assert pointing_game(heat_maps, masks) == {
        "hits": 1,
        "images": 4,
        "rate": 0.25,
        "chance_rate": pytest.approx(9 / 81),
        "without_lesion": 1,
        "blank": 1,
        "tolerance": 0,
    }


def test_tolerance_is_the_distance_to_the_mask():
    heat_maps, masks = (
        one_hot_map(2, 2)[None],
        square_mask()[None],
    )  # one step diagonally: sqrt(2) pixels away
    assert pointing_game(heat_maps, masks, tolerance=1)["hits"] == 0
    assert pointing_game(heat_maps, masks, tolerance=1.5)["hits"] == 1
    assert pointing_game(heat_maps, masks, tolerance=1)["chance_rate"] == pytest.approx((9 + 12) / 81)


def test_masks_may_be_stored_as_0_and_255():
    masks = 255 * square_mask()[None].astype("uint8")
    assert pointing_game(one_hot_map(4, 4)[None], masks)["rate"] == 1


def test_no_lesion_at_all_gives_no_rate():
    result = pointing_game(np.ones((2, 9, 9)), np.zeros((2, 9, 9)))
    assert (result["rate"], result["chance_rate"], result["images"], result["without_lesion"]) == (
        None,
        None,
        0,
        2,
    )


def test_random_maps_score_the_chance_rate():
    rng = np.random.default_rng(0)
    masks = np.stack([square_mask()] * 3000)
    result = pointing_game(rng.random((3000, 9, 9)), masks)
    assert result["rate"] == pytest.approx(result["chance_rate"], abs=4 * np.sqrt(0.11 * 0.89 / 3000))


def test_trained_model_beats_chance(trained, draw_images):
    images, labels, masks = draw_images(24, seed=4)
    result = pointing_game(grad_cam(trained, images, class_index=labels), masks, tolerance=2)
    assert result["rate"] > 2 * result["chance_rate"]


def test_hottest_pixel_of_a_plateau_is_its_middle():
    heat_map = np.zeros((9, 9))
    heat_map[0:5, 6:9] = 1
    assert hottest_pixel(heat_map) == (2, 7)
    two_peaks = one_hot_map(1, 1) + one_hot_map(7, 7)
    assert hottest_pixel(two_peaks) in [(1, 1), (7, 7)]
    assert hottest_pixel(np.full((9, 9), 0.5)) is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tolerance=st.floats(0, 12))
def test_more_tolerance_never_loses_a_hit(seed, tolerance):
    rng = np.random.default_rng(seed)
    heat_maps, masks = rng.random((6, 9, 9)), rng.random((6, 9, 9)) > 0.97
    strict, lenient = (pointing_game(heat_maps, masks, t) for t in (tolerance, tolerance + 1))
    assert 0 <= strict["hits"] <= lenient["hits"] <= lenient["images"]
    assert strict["images"] + strict["without_lesion"] == 6
    if strict["images"]:
        assert 0 < strict["chance_rate"] <= lenient["chance_rate"] <= 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"heat_maps": np.zeros((2, 9, 9))}, r"\(2, 9, 9\) and \(1, 9, 9\)"),
        ({"heat_maps": np.zeros((9, 9)), "masks": np.zeros((9, 9))}, r"received \(9, 9\)"),
        ({"heat_maps": np.full((1, 9, 9), np.nan)}, "NaN"),
        ({"tolerance": -1}, "0 or more pixels; received -1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        pointing_game(**{"heat_maps": one_hot_map(4, 4)[None], "masks": square_mask()[None], **arguments})
