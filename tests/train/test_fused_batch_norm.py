"""Batch normalisation as one operation: what Keras' own computes, in fewer nodes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from drcls.data import Batches, ImageCache
from drcls.train import BatchNormReestimation, train
from drcls.train.fused_batch_norm import fused_batch_norm
from tests.small_data import write_squares

SETTINGS = {
    "as it is": {},
    "without scale": {"scale": False},
    "without centre": {"center": False},
    "other numbers": {"momentum": 0.7, "epsilon": 0.05},
}


def training_step(settings, fused, shape=(4, 5, 6, 3), frozen=False):
    """The output, the gradients and the moving averages of a step, and the number of nodes that it takes."""
    images = keras.Input(shape[1:])
    inner = keras.Model(images, keras.layers.BatchNormalization(name="norm", **settings)(images))
    model = keras.Model(images, inner(images))
    layer = inner.get_layer("norm")
    rng = np.random.default_rng(0)
    layer.set_weights([weight + rng.uniform(0, 0.5, weight.shape) for weight in layer.get_weights()])
    layer.trainable = not frozen
    values = tf.constant(rng.normal(2, 3, shape), tf.float32)
    pull = tf.constant(rng.normal(size=shape), tf.float32)

    @tf.function
    def step(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            outputs = model(values, training=True)
            loss = tf.reduce_sum(outputs * pull)
        weights = [weight.value for weight in model.trainable_variables]
        return outputs, tape.gradient(loss, [values, *weights])

    if fused:
        with fused_batch_norm(model):
            outputs, gradients = step(values)
    else:
        outputs, gradients = step(values)
    nodes = len(step.get_concrete_function(values).graph.get_operations())
    return [outputs, *gradients, *layer.get_weights()], nodes


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (1, 1, 1, 3)])
@pytest.mark.parametrize("name", SETTINGS)
def test_outputs_gradients_and_averages_are_those_of_keras(name, shape):
    expected, many = training_step(SETTINGS[name], False, shape)
    received, few = training_step(SETTINGS[name], True, shape)
    assert len(received) == len(expected) and few < many
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_a_frozen_layer_keeps_its_statistics():
    expected, received = (training_step({}, fused, frozen=True)[0] for fused in (False, True))
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (keras.layers.BatchNormalization(axis=1), (4, 5, 6, 3)),
        (keras.layers.BatchNormalization(), (8, 5)),
        (keras.layers.BatchNormalization(renorm=True), (4, 5, 6, 3)),
        (keras.layers.BatchNormalization(dtype="mixed_bfloat16"), (4, 5, 6, 3)),
    ],
)
def test_other_inputs_take_the_way_of_keras(layer, shape):
    values = keras.Input(shape[1:])
    model = keras.Model(values, layer(values))
    batch = np.random.default_rng(0).normal(2, 3, shape).astype("float32")
    start = model.get_weights()
    expected = model(batch, training=True)
    moved = model.get_weights()
    model.set_weights(start)
    with fused_batch_norm(model):
        received = model(batch, training=True)
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (received, expected)))
    for one, other in zip(model.get_weights(), moved, strict=True):
        np.testing.assert_array_equal(one, other)


def test_inference_is_that_of_keras_inside_and_the_layer_is_its_own_again():
    images = keras.Input((4, 4, 2))
    model = keras.Model(images, keras.layers.BatchNormalization()(images))
    batch = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype("float32")
    expected = keras.ops.convert_to_numpy(model(batch))
    with pytest.raises(ZeroDivisionError), fused_batch_norm(model):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(batch)), expected)
        assert "call" in vars(model.layers[1])
        raise ZeroDivisionError
    assert "call" not in vars(model.layers[1])


def test_a_layer_that_is_fused_already_stays_so_until_the_outer_context_ends():
    images = keras.Input((4, 4, 2))
    model = keras.Model(images, keras.layers.BatchNormalization()(images))
    with fused_batch_norm(model):
        with fused_batch_norm(model):
            pass
        assert "call" in vars(model.layers[1])
    assert "call" not in vars(model.layers[1])


def test_re_estimated_statistics_are_the_same():
    rng = np.random.default_rng(0)
    batches = [rng.normal(2, 3, (4, 5, 6, 3)).astype("float32") for _ in range(3)]

    def statistics(fused):
        images = keras.Input((5, 6, 3))
        model = keras.Model(images, keras.layers.BatchNormalization()(images))
        if fused:
            with fused_batch_norm(model):
                BatchNormReestimation(model, batches)()
        else:
            BatchNormReestimation(model, batches)()
        return model.get_weights()

    for received, expected in zip(statistics(True), statistics(False), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-5)


def test_training_fuses_and_gives_the_layers_back(tmp_path):
    squares = write_squares(tmp_path / "data")
    images = keras.Input((16, 16, 3))
    norm = keras.layers.BatchNormalization()
    pooled = keras.layers.GlobalAveragePooling2D()(norm(images))
    outputs = keras.layers.Dense(len(squares.classes), activation="softmax")(pooled)
    model = keras.Model(images, outputs)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs=None: seen.append("call" in vars(norm))
    )
    train(model, Batches(ImageCache(squares, 16), squares, 4), None, tmp_path / "run", 1, None, [look])
    assert all(seen) and seen and "call" not in vars(norm)
