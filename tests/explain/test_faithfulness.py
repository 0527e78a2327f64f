import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drcls.explain import (
    GradCAM,
    agreement,
    deletion_auc,
    energy_pointing_game,
    grad_cam,
    insertion_auc,
    pointing_game,
    randomisation_check,
)
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


@pytest.mark.parametrize(
    ("places", "scored"), [((2, 2), False), ((3, 9), False), ((4, 4), True), (None, True)]
)
def test_maps_of_few_places_are_not_scored(places, scored):
    """A perfect 2 x 2 map, enlarged, is hottest at a corner of its quarter."""
    result = pointing_game(one_hot_map(4, 4)[None], square_mask()[None], places=places)
    assert (result["hits"], result["rate"]) == ((1, 1.0) if scored else (None, None))
    assert result["images"] == 1 and result["chance_rate"] == pytest.approx(9 / 81)


def test_small_maps_are_few_places_themselves():
    assert pointing_game(np.eye(3)[None], np.eye(3)[None])["rate"] is None


def test_grad_cam_tells_its_places(trained):
    assert GradCAM(trained).places == (8, 8) and GradCAM(trained, "conv_1").places == (16, 16)
    anything = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(anything))
    assert GradCAM(keras.Model(anything, keras.layers.Dense(2)(x))).places is None


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


# Mass in the lesion, deletion and insertion, agreement.


def linear_model(weights):
    """A model of which the second score is the weighted sum of the first channel, the first score 0."""
    height, width = weights.shape
    inputs = keras.Input((height, width, 3))
    flat = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(flat))
    kernel = np.zeros((height, width, 3, 2))
    kernel[..., 0, 1] = weights
    model.set_weights([kernel.reshape(-1, 2), np.zeros(2)])
    return model


def test_mass_in_lesion_by_hand():
    heat = np.array([[[1.0, 3.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[5.0, 1.0], [1.0, 1.0]]])
    masks = np.array([[[0, 1], [0, 0]], [[1, 1], [0, 0]], [[0, 0], [0, 0]]])
    # 3 of 4, a blank map, and an image without a lesion.
    expected = {"mass": 0.375, "by_area": 0.375, "images": 2, "blank": 1, "without_lesion": 1}
    assert energy_pointing_game(heat, masks) == expected
    assert energy_pointing_game(heat[2:], masks[2:])["mass"] is None
    with pytest.raises(ValueError, match="0 or more; received -1"):
        energy_pointing_game(-heat[:1] / 3, masks[:1])
    with pytest.raises(ValueError, match="one shape"):
        energy_pointing_game(heat[0], masks[0])


@given(seed=st.integers(0, 2**16))
def test_a_uniform_map_has_the_mass_of_the_area(seed):
    masks = np.random.default_rng(seed).random((3, 6, 5)) < 0.4
    result = energy_pointing_game(np.ones((3, 6, 5)), masks)
    assert result["mass"] == (None if result["images"] == 0 else pytest.approx(result["by_area"]))


def test_deletion_by_hand():
    # One bright pixel of four carries the score: 4 * (255 - mean) decides. Its mean colour is 63.75.
    image = np.zeros((1, 2, 2, 3), "float32")
    image[0, 0, 0] = 255
    model = linear_model(np.array([[0.1, 0.0], [0.0, 0.0]]))
    first, last = 1 / (1 + np.exp(-25.5)), 1 / (1 + np.exp(-6.375))
    hottest_first = np.array([[[4.0, 3.0], [2.0, 1.0]]])
    area = deletion_auc(model, image, hottest_first, 1, num_steps=4)
    assert area == pytest.approx([(first + last) / 8 + 3 * last / 4], abs=1e-5)
    area = deletion_auc(model, image, -hottest_first, 1, num_steps=4)
    assert area == pytest.approx([3 * first / 4 + (first + last) / 8], abs=1e-5)


def test_the_right_map_inserts_fast_and_deletes_fast():
    weights = np.zeros((16, 16))
    weights[3:7, 9:13] = 0.0005
    model = linear_model(weights)
    images = np.full((2, 16, 16, 3), 20.0)
    images[:, 3:7, 9:13] = 250
    right = np.stack([weights, weights])
    wrong = right[:, ::-1, ::-1]
    for measure, sign in ((insertion_auc, 1), (deletion_auc, -1)):
        assert np.all(sign * (measure(model, images, right, 1) - measure(model, images, wrong, 1)) > 0.02)


def test_areas_refuse_what_does_not_fit():
    model = linear_model(np.ones((4, 4)))
    images, maps = np.zeros((1, 4, 4, 3)), np.zeros((1, 4, 4))
    with pytest.raises(ValueError, match=r"one shape \(N, H, W\); received \(1, 2, 4\) and \(1, 4, 4\)"):
        deletion_auc(model, images, maps[:, :2], 0)
    with pytest.raises(ValueError, match="class_index must lie in"):
        insertion_auc(model, images, maps, 7)
    with pytest.raises(ValueError, match="received None"):
        insertion_auc(model, images, maps, None)
    with pytest.raises(ValueError, match="num_steps must be a whole number of 1 or more; received 2.5"):
        insertion_auc(model, images, maps, 0, num_steps=2.5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_maps_that_are_not_finite_are_refused_by_every_measure(value):
    model, images, maps = linear_model(np.ones((4, 4))), np.zeros((1, 4, 4, 3)), np.full((1, 4, 4), value)
    measures = [
        lambda: deletion_auc(model, images, maps, 0),
        lambda: insertion_auc(model, images, maps, 0),
        lambda: agreement({"a": np.zeros((1, 4, 4)), "b": maps}),
        lambda: energy_pointing_game(maps, np.ones((1, 4, 4))),
        lambda: pointing_game(maps, np.ones((1, 4, 4))),
        lambda: randomisation_check(model, images, lambda *_: maps),
    ]
    for measure in measures:
        with pytest.raises(ValueError, match="heat maps must be finite; received NaN or infinity"):
            measure()


def test_agreement_of_maps_of_several_sizes_is_refused():
    with pytest.raises(ValueError, match=r"received \(1, 4, 2\) and \(1, 4, 4\)"):
        agreement({"a": np.zeros((1, 4, 4)), "b": np.zeros((1, 4, 2))})


def test_agreement_is_rank_correlation():
    maps = np.arange(8.0).reshape(2, 2, 2)
    flat = np.ones_like(maps)
    table = agreement({"a": maps, "squared": maps**2, "reversed": -maps, "flat": flat})
    assert table["a"]["a"] == pytest.approx(1) and table["a"]["squared"] == pytest.approx(1)
    assert table["a"]["reversed"] == pytest.approx(-1)
    assert table["a"]["flat"] == table["flat"]["a"] == 0
