"""Squeeze and excitation against the equations of Hu et al."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from drcls.layers import SqueezeExcitation


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def with_random_weights(layer, shape, seed=0):
    layer.build(shape)
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


def test_by_hand():
    maps = np.array([[[[1.0, 4.0]], [[3.0, 0.0]]]])  # (1, 2, 1, 2): the channels' means are 2 and 2
    layer = SqueezeExcitation(reduction_ratio=2)
    layer.build(maps.shape)
    # Hidden: ReLU(2 + 2 * 2 - 5) = 1. Scores: ln 3 * 1 and -ln 3 * 1, of which the sigmoid is 3/4 and 1/4.
    weights = [[[1.0], [2.0]], [-5.0], [[np.log(3), -np.log(3)]], [0.0, 0.0]]
    layer.set_weights([np.array(weight) for weight in weights])
    np.testing.assert_allclose(layer(maps), [[[[0.75, 1.0]], [[2.25, 0.0]]]], atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(channels=st.integers(2, 9), ratio=st.integers(1, 2), seed=st.integers(0, 2**16))
def test_equals_the_equations_in_numpy(channels, ratio, seed):
    maps = np.random.default_rng(seed).normal(size=(2, 3, 4, channels)).astype("float32")
    layer = with_random_weights(SqueezeExcitation(ratio), maps.shape, seed)
    w_1, b_1, w_2, b_2 = layer.get_weights()
    hidden = np.maximum(maps.mean(axis=(1, 2)) @ w_1 + b_1, 0)
    expected = sigmoid(hidden @ w_2 + b_2)[:, None, None] * maps
    np.testing.assert_allclose(layer(maps), expected, atol=1e-5)
    # Each channel is scaled as a whole, and never enlarged.
    assert np.all(np.abs(layer(maps)) <= np.abs(maps) + 1e-6)


def test_number_of_weights():
    layer = SqueezeExcitation(16)
    layer.build((None, None, None, 64))
    assert layer.count_params() == 64 * 4 + 4 + 4 * 64 + 64


def test_a_large_map_does_not_overflow_in_half_precision():
    layer = SqueezeExcitation(2, dtype="mixed_float16")
    output = ops.convert_to_numpy(layer(np.full((1, 300, 300, 4), 5.0, "float16")))
    assert output.dtype == np.float16 and np.isfinite(output).all()


def test_a_reduction_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match=r"number of channels \(4\).*Received: reduction_ratio=8"):
        SqueezeExcitation(8)(keras.Input((3, 3, 4)))
