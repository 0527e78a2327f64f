"""Channel and spatial attention against Eq. 7-10."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy.signal import correlate2d

from drcls.layers import CBAM, ChannelAttention, SpatialAttention


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def random_weights(layer, seed):
    """Replace every weight by a draw, so that no zero or symmetric start hides a term."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])


def channel_attention_in_numpy(features, hidden_kernel, hidden_bias, score_kernel, score_bias):
    """Eq. 7 and 8, one image at a time."""

    def perceptron(pooled):
        return np.maximum(pooled @ hidden_kernel + hidden_bias, 0) @ score_kernel + score_bias

    return np.stack(
        [f * sigmoid(perceptron(f.mean(axis=(0, 1))) + perceptron(f.max(axis=(0, 1)))) for f in features]
    )


def spatial_attention_in_numpy(features, kernel, bias=0.0):
    """Eq. 9 and 10, one image at a time; `kernel` is (k, k, 2, 1)."""
    refined = []
    for f in features:
        score = correlate2d(f.mean(axis=-1), kernel[:, :, 0, 0], mode="same")
        score += correlate2d(f.max(axis=-1), kernel[:, :, 1, 0], mode="same")
        score += bias
        refined.append(f * sigmoid(score)[:, :, None])
    return np.stack(refined)


def test_channel_attention_by_hand():
    # Two places: channel 0 holds 1 and 3 (mean 2, maximum 3), channel 1 holds 0 and -2 (mean -1, maximum 0).
    features = np.array([[[[1.0, 0.0], [3.0, -2.0]]]])
    layer = ChannelAttention(reduction_ratio=2)
    layer.build(features.shape)
    layer.set_weights([np.array(weight) for weight in ([[1], [1]], [0], [[0.25, -0.5]], [0, 0])])
    # The hidden unit is ReLU(2 - 1) = 1 and ReLU(3 + 0) = 3: scores 0.25 (1 + 3) = 1 and -0.5 (1 + 3) = -2.
    expected = features * [0.731059, 0.119203]
    np.testing.assert_allclose(layer(features), expected, atol=1e-6)


def test_spatial_attention_by_hand():
    features = np.array([[[[1.0, 3.0], [0.0, -2.0]]]])
    layer = SpatialAttention(kernel_size=1)
    layer.build(features.shape)
    layer.set_weights([np.reshape([1.0, -0.5], (1, 1, 2, 1))])
    # Mean - maximum / 2 is 2 - 1.5 = 0.5 at the first place and -1 - 0 = -1 at the second.
    expected = features * np.reshape([0.622459, 0.268941], (1, 1, 2, 1))
    np.testing.assert_allclose(layer(features), expected, atol=1e-6)


def test_cbam_is_channel_then_spatial_attention():
    features = np.random.default_rng(0).normal(size=(3, 6, 9, 8)).astype("float32")
    layer = CBAM(reduction_ratio=3, kernel_size=5)
    layer.build(features.shape)
    random_weights(layer, seed=1)
    *perceptron, kernel = layer.get_weights()
    assert perceptron[0].shape == (8, 2)
    expected = spatial_attention_in_numpy(channel_attention_in_numpy(features, *perceptron), kernel)
    np.testing.assert_allclose(layer(features), expected, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 4),
    scale=st.sampled_from([1e-3, 1.0, 100.0]),
    seed=st.integers(0, 2**16),
)
def test_attention_only_ever_shrinks(shape, scale, seed):
    features = (scale * np.random.default_rng(seed).normal(size=shape)).astype("float32")
    layer = CBAM(reduction_ratio=1, kernel_size=3)
    layer.build(shape)
    random_weights(layer, seed)
    refined = np.asarray(layer(features))
    assert np.all(np.abs(refined) <= np.abs(features))
    assert np.all(refined * features >= 0)


@pytest.mark.parametrize("layer", [ChannelAttention(2), SpatialAttention(3)])
def test_attention_lies_strictly_between_0_and_1(layer):
    attention = np.asarray(layer(np.ones((2, 4, 5, 4), "float32")))
    assert np.all((attention > 0) & (attention < 1))


def test_near_identity_starts_with_every_gate_at_0_9():
    features = (100 * np.random.default_rng(0).normal(size=(2, 6, 9, 8))).astype("float32")
    for layer, share in (
        (ChannelAttention(2, near_identity=True), 0.9),
        (SpatialAttention(3, near_identity=True), 0.9),
        (CBAM(2, 3, near_identity=True), 0.81),
    ):
        np.testing.assert_allclose(layer(features), share * features, rtol=1e-5)
    layer = CBAM(2, 3, near_identity=True)
    layer.build(features.shape)
    random_weights(layer, seed=1)
    *perceptron, kernel, bias = layer.get_weights()
    refined = channel_attention_in_numpy(features, *perceptron)
    expected = spatial_attention_in_numpy(refined, kernel, bias)
    np.testing.assert_allclose(layer(features), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("layer_class", [ChannelAttention, SpatialAttention, CBAM])
def test_half_precision_means_do_not_overflow(layer_class, policy):
    # 60,000 fits in float16, the sum of two does not.
    refined = layer_class(dtype=policy)(np.full((1, 16, 16, 32), 60000.0))
    assert keras.backend.standardize_dtype(refined.dtype) == policy.removeprefix("mixed_")
    assert np.all(np.isfinite(ops.convert_to_numpy(ops.cast(refined, "float32"))))


def test_float64_stays_float64():
    features = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    layer = CBAM(2, 3, dtype="float64")
    layer.build(features.shape)
    *perceptron, kernel = layer.get_weights()
    expected = spatial_attention_in_numpy(channel_attention_in_numpy(features, *perceptron), kernel)
    np.testing.assert_allclose(layer(features), expected, atol=1e-12)


def test_a_reduction_ratio_that_leaves_no_hidden_unit_is_refused():
    with pytest.raises(ValueError, match=r"number of channels \(8\).*reduction_ratio=16"):
        CBAM()(keras.Input((5, 5, 8)))
