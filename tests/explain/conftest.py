"""A small trained classifier and its images, shared by the tests of drcls.explain."""

import keras
import numpy as np
import pytest
from keras import layers

NUM_CLASSES = 3
SIZE = 32


def draw(num_images, seed):
    """Draw noise with one bright square whose colour is the class: uint8 (N, 32, 32, 3), labels, masks."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 90, (num_images, SIZE, SIZE, 3)).astype("uint8")
    labels = rng.integers(0, NUM_CLASSES, num_images)
    masks = np.zeros((num_images, SIZE, SIZE), bool)
    for image, label, mask in zip(images, labels, masks, strict=True):
        row, column = rng.integers(2, SIZE - 10, 2)
        mask[row : row + 8, column : column + 8] = True
        image[mask, label] = 255
    return images, labels, masks


def feature_extractor(images):
    """Stack two convolutions with batch normalisation: (N, 32, 32, 3) in 0..255 -> (N, 8, 8, 12)."""
    x = layers.Rescaling(1 / 255, name="rescaling")(images)
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="conv_1")(x)
    x = layers.BatchNormalization(name="norm_1")(x)
    x = layers.ReLU(name="relu_1")(x)
    return layers.Conv2D(12, 3, strides=2, padding="same", activation="relu", name="conv_2")(x)


@pytest.fixture(scope="session")
def images():
    return draw(7, seed=1)[0]


@pytest.fixture(scope="session")
def draw_images():
    return draw


@pytest.fixture(scope="session")
def trained():
    """The small network, flat, with a softmax inside its last layer, trained to tell the colours apart."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 3), name="images")
    x = feature_extractor(inputs)
    x = layers.GlobalAveragePooling2D(name="pooling")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    model = keras.Model(
        inputs, layers.Dense(NUM_CLASSES, activation="softmax", name="scores")(x), name="small"
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    train_images, labels, _ = draw(96, seed=2)
    history = model.fit(train_images.astype("float32"), labels, batch_size=32, epochs=15, verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    return model


@pytest.fixture
def nested(trained):
    """Return a function: softmax layer or None -> the same network with its features nested."""

    def build(head=None):
        inner_inputs = keras.Input((SIZE, SIZE, 3), name="inner_images")
        backbone = keras.Model(inner_inputs, feature_extractor(inner_inputs), name="backbone")
        inputs = keras.Input((SIZE, SIZE, 3), name="images")
        x = layers.GlobalAveragePooling2D(name="pooling")(backbone(inputs))
        x = layers.Dense(NUM_CLASSES, activation=None if head else "softmax", name="scores")(x)
        model = keras.Model(inputs, head(x) if head else x, name="nested")
        model.set_weights(trained.get_weights())
        return model

    return build
