"""What every layer owes Keras: settings that survive saving, half precision, other layouts, clear errors.

One backend in this process; test_backends.py trains the same layers on all three.
"""

import json

import keras
import numpy as np
import pytest
from keras import ops

import drcls.layers
from drcls.layers import (
    CBAM,
    ChannelAttention,
    ClassProbabilities,
    DropBlock2D,
    InverseLearnableWavelet2D,
    LearnableWavelet2D,
    SpatialAttention,
    SqueezeExcitation,
    TransformerEncoder,
)

# Each layer with every one of its arguments away from the default, as far as they go together.
LAYERS = {
    CBAM: {"reduction_ratio": 4, "kernel_size": 5, "near_identity": True},
    ChannelAttention: {"reduction_ratio": 4, "near_identity": True},
    ClassProbabilities: {"class_names": list("abcdefgh"), "explain_layer": "features"},
    DropBlock2D: {"rate": 0.2, "block_size": 5, "seed": 7, "schedule_steps": 100},
    InverseLearnableWavelet2D: {"wavelet": "sym4", "orthonormality_penalty": 0.5},
    LearnableWavelet2D: {"wavelet": "db2", "orthonormality_penalty": 0.5},
    SpatialAttention: {"kernel_size": 5, "near_identity": True},
    SqueezeExcitation: {"reduction_ratio": 4},
    TransformerEncoder: {
        "num_heads": 2,
        "key_dim": 3,
        "ff_dim": 4,
        "dropout_rate": 0.1,
        "seed": 5,
        "norm_first": True,
    },
}
ON_MAPS = [layer for layer in LAYERS if layer not in (ClassProbabilities, TransformerEncoder)]
each_layer = pytest.mark.parametrize("layer_class", LAYERS)
each_layer_on_maps = pytest.mark.parametrize("layer_class", ON_MAPS)


def example(layer_class):
    """A random input of 8 channels."""
    shape = (2, 6, 10, 8) if layer_class in ON_MAPS else (2, 12, 8)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def with_random_weights(layer, shape):
    layer.build(shape)
    rng = np.random.default_rng(1)
    if not isinstance(layer, DropBlock2D):
        layer.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in layer.get_weights()])
    return layer


def test_no_public_layer_is_left_out():
    assert {layer.__name__ for layer in LAYERS} == set(drcls.layers.__all__)


@each_layer
def test_config_round_trip(layer_class):
    arguments = LAYERS[layer_class] | {"name": "layer", "trainable": False}
    if layer_class in ON_MAPS:
        arguments |= {"data_format": "channels_first", "dtype": "mixed_bfloat16"}
    config = layer_class(**arguments).get_config()
    assert (arguments | {"dtype": config["dtype"]}).items() <= config.items()
    restored = keras.layers.deserialize(keras.layers.serialize(layer_class.from_config(config)))
    assert type(restored) is layer_class
    assert restored.get_config() == config


@each_layer
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_close_to_float32(layer_class, policy):
    inputs = example(layer_class)
    exact, half = (
        with_random_weights(layer_class(**LAYERS[layer_class], dtype=dtype), inputs.shape)
        for dtype in ("float32", policy)
    )
    output = half(inputs)
    assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
    expected = np.asarray(exact(inputs))
    received = ops.convert_to_numpy(ops.cast(output, "float32"))
    np.testing.assert_allclose(received, expected, atol=0.03 * np.abs(expected).max())


@each_layer
def test_one_step_of_training_runs_with_unknown_sizes(layer_class):
    inputs = example(layer_class)
    symbolic = keras.Input((*[None] * (inputs.ndim - 2), inputs.shape[-1]))
    layer = layer_class(**LAYERS[layer_class])
    network = keras.Sequential([symbolic, layer, keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    output = network.predict_on_batch(inputs)
    assert network.layers[0].output.shape[1:-1] == (None,) * (inputs.ndim - 2)
    assert layer.compute_output_shape(inputs.shape) == np.asarray(layer(inputs)).shape
    assert np.isfinite(network.train_on_batch(inputs, np.zeros_like(output)))


@each_layer_on_maps
def test_channels_first_gives_the_same_transposed(layer_class):
    maps = example(layer_class)
    transposed = np.transpose(maps, (0, 3, 1, 2))
    last = with_random_weights(layer_class(**LAYERS[layer_class]), maps.shape)
    first = layer_class(**LAYERS[layer_class], data_format="channels_first")
    first = with_random_weights(first, transposed.shape)
    for training in (False, True):
        expected = np.transpose(last(maps, training=training), (0, 3, 1, 2))
        np.testing.assert_allclose(first(transposed, training=training), expected, atol=1e-5)
    assert first.compute_output_shape(transposed.shape) == expected.shape
    keras.config.set_image_data_format("channels_first")
    try:
        assert layer_class(**LAYERS[layer_class]).data_format == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")


@each_layer_on_maps
@pytest.mark.parametrize("data_format", ["NHWC", "first", 1, True])
def test_a_bad_data_format_is_refused(layer_class, data_format):
    with pytest.raises(ValueError, match=r"one of \['channels_last', .*Received: data_format="):
        layer_class(**LAYERS[layer_class], data_format=data_format)


@each_layer_on_maps
def test_a_wrong_rank_or_unknown_channels_are_refused(layer_class):
    with pytest.raises(ValueError, match=r"\(batch, height, width, channels\).*Received.*\(None, 5, 4\)"):
        layer_class(**LAYERS[layer_class])(keras.Input((5, 4)))
    with pytest.raises(ValueError, match="known number of channels"):
        layer_class(**LAYERS[layer_class])(keras.Input((5, 4, None)))
    first = LAYERS[layer_class] | {"data_format": "channels_first"}
    with pytest.raises(ValueError, match=r"\(batch, channels, height, width\).*Received.*\(None, 5, 4\)"):
        layer_class(**first)(keras.Input((5, 4)))


@pytest.mark.parametrize(
    "layer_class, bad, message",
    [
        *[
            (layer, {"reduction_ratio": ratio}, "positive integer. Received: reduction_ratio=")
            for layer in (CBAM, ChannelAttention, SqueezeExcitation)
            for ratio in (0, -1, 1.5, "16", True, None)
        ],
        *[
            (layer, {"kernel_size": size}, "positive odd integer. Received: kernel_size=")
            for layer in (CBAM, SpatialAttention)
            for size in (0, 4, -7, 7.0, True, (7, 7))
        ],
        *[
            (layer, {"near_identity": value}, "near_identity must be True or False. Received:")
            for layer in (CBAM, ChannelAttention, SpatialAttention)
            for value in (1, None, "yes")
        ],
        *[
            (DropBlock2D, {"rate": rate}, r"number in \[0, 1\). Received: rate=")
            for rate in (1, 1.5, -0.1, float("nan"), "0.1", False, None)
        ],
        *[
            (DropBlock2D, {"block_size": size}, "positive integer. Received: block_size=")
            for size in (0, -1, 3.0, True, None, (3, 3))
        ],
        *[
            (DropBlock2D, {"schedule_steps": steps}, f"schedule_steps={steps}")
            for steps in (0, -5, 1.5, True)
        ],
        (DropBlock2D, {"seed": 0.5}, "seed=0.5"),
        *[
            (layer, {"wavelet": "db99"}, r"one of \['haar', .*Received: wavelet='db99'")
            for layer in (LearnableWavelet2D, InverseLearnableWavelet2D)
        ],
        *[
            (layer, {"orthonormality_penalty": penalty}, "Received: orthonormality_penalty=")
            for layer in (LearnableWavelet2D, InverseLearnableWavelet2D)
            for penalty in (-1, float("nan"), float("inf"), "1", True, None)
        ],
        *[
            (TransformerEncoder, {name: value}, f"{name} must be a positive integer. Received: {name}=")
            for name in ("num_heads", "key_dim", "ff_dim")
            for value in (0, -2, 1.5, "3", True)
        ],
        *[
            (TransformerEncoder, {"dropout_rate": rate}, "dropout_rate=")
            for rate in (1, -0.1, "0.1", False, None)
        ],
        *[
            (TransformerEncoder, {"norm_first": value}, "norm_first must be True or False. Received:")
            for value in (1, None, "yes")
        ],
        *[
            (ClassProbabilities, {"class_names": names}, "at least two different names; received")
            for names in (["a"], ["a", "a"], "abcdefgh", list(range(8)), 8, None)
        ],
    ],
)
def test_bad_arguments_are_refused(layer_class, bad, message):
    with pytest.raises(ValueError, match=message):
        layer_class(**LAYERS[layer_class] | bad)


NUMPY = {int: np.int64, float: np.float32, list: np.array}


@each_layer
def test_numbers_and_names_of_numpy_are_kept_as_pythons(layer_class):
    arguments = {
        key: NUMPY.get(type(value), type(value))(value) for key, value in LAYERS[layer_class].items()
    }
    config = json.loads(json.dumps(layer_class(**arguments).get_config()))
    expected = layer_class(**LAYERS[layer_class]).get_config()
    assert {key: config[key] for key in arguments} == {key: pytest.approx(expected[key]) for key in arguments}


@each_layer_on_maps
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_no_image_gives_no_map(layer_class, training, data_format):
    layer = layer_class(**LAYERS[layer_class], data_format=data_format)
    shape = layer.compute_output_shape((0, 8, 8, 8))
    assert ops.shape(layer(np.zeros((0, 8, 8, 8), "float32"), training=training)) == shape


each_layer_of_floats = pytest.mark.parametrize("layer_class", [*ON_MAPS, TransformerEncoder])


@each_layer_of_floats
@pytest.mark.parametrize("training", [False, True])
def test_integers_are_computed_as_the_floats_they_are(layer_class, training):
    pixels = np.random.default_rng(0).integers(0, 256, example(layer_class).shape).astype("uint8")
    results = []
    for images in (pixels, pixels.astype("float32")):
        layer = with_random_weights(layer_class(**LAYERS[layer_class]), pixels.shape)
        results.append(layer(ops.convert_to_tensor(images), training=training))
    assert {keras.backend.standardize_dtype(result.dtype) for result in results} == {"float32"}
    np.testing.assert_allclose(*map(ops.convert_to_numpy, results), rtol=1e-5)
