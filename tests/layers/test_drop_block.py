"""DropBlock against Eq. 11-12: what is dropped, how much, and what is kept."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy.ndimage import binary_opening

from drcls.layers import DropBlock2D


def kept(layer, shape):
    """Return the boolean mask of one training call: True where the map is kept."""
    return np.asarray(layer(np.ones(shape, "float32"), training=True)) > 0


def expected_dropped_share(height, width, block_size, rate):
    """Return (H, W): each place's probability of lying in some block, blocks starting with Eq. 12's gamma."""
    rows, columns = min(block_size, height), min(block_size, width)
    gamma = rate * height * width / (rows * columns * (height - rows + 1) * (width - columns + 1))
    num_blocks = np.zeros((height, width))
    for top in range(height - rows + 1):
        for left in range(width - columns + 1):
            num_blocks[top : top + rows, left : left + columns] += 1
    return 1 - (1 - gamma) ** num_blocks


def test_gamma_by_hand():
    # s = 2 on a 2 x 3 map: gamma = 0.3 * 2 * 3 / (4 * 1 * 2) = 0.225. A corner lies in one block, a middle
    # place in both: 1 - 0.775^2.
    middle = 0.399375
    share = [[0.225, middle, 0.225], [0.225, middle, 0.225]]
    np.testing.assert_allclose(expected_dropped_share(2, 3, 2, 0.3), share)


@pytest.mark.parametrize(
    "height, width, block_size",
    [(7, 7, 1), (2, 3, 2), (7, 7, 3), (8, 5, 4), (5, 9, 5), (3, 8, 5), (4, 4, 9), (1, 1, 3)],
)
def test_each_place_is_dropped_as_often_as_gamma_says(height, width, block_size):
    num_masks = (64, 128)
    layer = DropBlock2D(0.3, block_size, seed=1)
    dropped = ~kept(layer, (num_masks[0], height, width, num_masks[1]))
    expected = expected_dropped_share(height, width, block_size, 0.3)
    standard_error = np.sqrt(expected * (1 - expected) / np.prod(num_masks))
    np.testing.assert_array_less(np.abs(dropped.mean(axis=(0, 3)) - expected), 4.5 * standard_error)


@pytest.mark.parametrize("rate, share", [(0.1, 0.0947), (0.3, 0.2555)])
def test_overlap_keeps_the_share_somewhat_below_the_rate(rate, share):
    dropped = ~kept(DropBlock2D(rate, 3, seed=0), (64, 7, 7, 128))
    assert dropped.mean() == pytest.approx(share, abs=0.003)
    assert expected_dropped_share(7, 7, 3, rate).mean() == pytest.approx(share, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    block_size=st.integers(1, 6),
    rate=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**16),
)
def test_zeros_form_blocks_and_the_mean_is_kept(height, width, block_size, rate, seed):
    output = np.asarray(DropBlock2D(rate, block_size, seed)(np.ones((3, height, width, 4)), training=True))
    block = np.ones((min(block_size, height), min(block_size, width)))
    for image in output:
        for channel in range(4):
            dropped = image[:, :, channel] == 0
            assert np.array_equal(binary_opening(dropped, block), dropped)
        assert image.mean() == pytest.approx(1, abs=1e-5) or not image.any()
        # Eq. 11 has one mean(M) for the whole image.
        assert len(np.unique(image[image > 0])) <= 1


def test_kept_values_are_the_input_over_the_mean_of_the_mask():
    features = np.random.default_rng(0).normal(size=(4, 6, 6, 5)).astype("float32")
    output = np.asarray(DropBlock2D(0.3, 2, seed=3)(features, training=True))
    mask = output != 0
    assert 0 < mask.mean() < 1
    expected = features * mask / mask.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(output, expected, rtol=1e-5)


def test_a_fully_dropped_image_is_zero():
    output = np.asarray(DropBlock2D(0.9, 3, seed=0)(np.ones((200, 3, 3, 1)), training=True))
    share_of_zero_images = np.mean(~output.any(axis=(1, 2, 3)))
    assert share_of_zero_images == pytest.approx(0.9, abs=0.1)
    assert np.all(np.isfinite(output))


@pytest.mark.parametrize("arguments", [{}, {"training": False}])
def test_identity_outside_training(arguments):
    features = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype("float32")
    np.testing.assert_array_equal(DropBlock2D(0.5, 3)(features, **arguments), features)


def test_rate_0_is_the_identity_in_training():
    features = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype("float32")
    np.testing.assert_array_equal(DropBlock2D(0, 3)(features, training=True), features)


def test_the_seed_decides_the_masks():
    shape = (2, 8, 8, 4)
    first, second = DropBlock2D(0.3, 3, seed=5), DropBlock2D(0.3, 3, seed=5)
    masks = kept(first, shape)
    np.testing.assert_array_equal(masks, kept(second, shape))
    next_masks = kept(first, shape)
    np.testing.assert_array_equal(next_masks, kept(second, shape))
    assert np.any(masks != next_masks)
    assert np.any(masks != kept(DropBlock2D(0.3, 3, seed=6), shape))


def test_images_and_channels_have_masks_of_their_own():
    masks = kept(DropBlock2D(0.5, 2, seed=0), (2, 16, 16, 2))
    assert np.any(masks[0] != masks[1])
    assert np.any(masks[..., 0] != masks[..., 1])


def test_the_rate_rises_linearly_with_the_training_steps():
    layer = DropBlock2D(0.4, block_size=1, seed=0, schedule_steps=4)
    shape = (8, 32, 32, 8)
    shares = []
    for _ in range(6):
        shares.append(1 - kept(layer, shape).mean())
        layer(np.ones(shape))  # inference does not count
    np.testing.assert_allclose(shares, [0, 0.1, 0.2, 0.3, 0.4, 0.4], atol=0.01)
    assert int(layer.step) == 6
    assert layer.trainable_weights == []


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_the_mean(policy):
    output = DropBlock2D(0.2, 3, seed=0, dtype=policy)(np.ones((4, 24, 24, 16)), training=True)
    assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
    means = np.mean(ops.convert_to_numpy(ops.cast(output, "float32")), axis=(1, 2, 3))
    np.testing.assert_allclose(means, 1, atol=0.004)  # one rounding of the scale: 2^-8 in bfloat16
