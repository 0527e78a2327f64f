"""What a model calls its classes, whatever it is built of."""

import keras
import pytest
from keras import layers

from drcls.forward.layer_graph import class_names
from drcls.layers import ClassProbabilities

NAMES = ["ill", "well"]


def head(name="head"):
    scores = keras.Input((4,))
    return keras.Model(scores, ClassProbabilities(NAMES)(layers.Dense(2)(scores)), name=name)


def on_images(*after):
    images = keras.Input((8, 8, 3))
    x = layers.Dense(4)(layers.GlobalAveragePooling2D()(images))
    for layer in after:
        x = layer(x)
    return keras.Model(images, x)


@pytest.mark.parametrize(
    "model",
    [
        on_images(layers.Dense(2), ClassProbabilities(NAMES)),
        on_images(head()),
        on_images(
            keras.Sequential([head(), layers.Dropout(0.1), layers.Dense(2), ClassProbabilities(NAMES)])
        ),
        keras.Sequential([keras.Input((4,)), head()]),
    ],
    ids=["flat", "nested", "nested in a sequence", "a sequence"],
)
def test_the_classes_of_a_model_are_those_of_its_output_layer_however_deep(model):
    assert class_names(model) == NAMES


class OwnModel(keras.Model):
    """A model that Keras knows no graph of."""

    def __init__(self):
        super().__init__()
        self.probabilities = ClassProbabilities(NAMES)

    def call(self, inputs):
        return self.probabilities(inputs)


@pytest.mark.parametrize(
    "model", [on_images(layers.Dense(2, "softmax")), on_images(head(), layers.Dense(2)), OwnModel()]
)
def test_a_model_whose_output_names_no_classes_has_none(model):
    assert class_names(model) is None
