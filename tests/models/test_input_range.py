import keras
import numpy as np
import pytest
from keras import layers

from drcls.layers import ClassProbabilities
from drcls.models.input_range import expects_bytes


def network(*parts):
    return keras.Sequential(
        [keras.Input((8, 8, 3)), *parts, layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], False),
        ([layers.Rescaling(1 / 255)], True),
        ([layers.Rescaling(1 / 127.5, offset=-1)], True),
        ([layers.Rescaling(2.0, offset=-1)], False),  # 0..1 to -1..1
        ([layers.Normalization(mean=(0.48, 0.46, 0.41), variance=(0.05, 0.05, 0.05))], False),
        ([layers.Normalization(mean=(123.0, 117.0, 104.0), variance=(1.0, 1.0, 1.0))], True),
    ],
)
def test_scaling_layers_tell_what_is_expected(parts, expected):
    assert expects_bytes(network(*parts)) is expected


def test_scaling_inside_a_nested_model_and_our_last_layer_tell_it_too():
    inputs = keras.Input((8, 8, 3))
    assert expects_bytes(keras.Model(inputs, network(layers.Rescaling(1 / 255))(inputs)))
    assert expects_bytes(keras.Model(inputs, ClassProbabilities(["a", "b"])(network()(inputs))))


def test_means_learned_from_images_count():
    layer = layers.Normalization()
    layer.adapt(np.full((2, 8, 8, 3), 90.0, "float32"))
    assert expects_bytes(network(layer))
