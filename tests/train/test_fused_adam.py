"""Adam as one operation a weight: the weights of Keras' own, in fewer nodes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from drcls.train.fused_adam import fuse_adam

SETTINGS = {
    "Adam": {},
    "Adam with averages": {"use_ema": True, "ema_momentum": 0.9},
    "Adam, clipped": {"global_clipnorm": 0.5, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-5},
    "Adam, every second step": {"gradient_accumulation_steps": 2},
    "AdamW": {"weight_decay": 0.01},
}


def optimizer_of(name):
    kind = getattr(keras.optimizers, name[:5].rstrip(" ,"))
    return kind(keras.optimizers.schedules.CosineDecay(0.01, 30), **SETTINGS[name])


def trajectory(optimizer, num_steps=30):
    """The weights after each of some steps along the same gradients, and the number of nodes of a step."""
    rng = np.random.default_rng(0)
    weights = [keras.Variable(rng.normal(size=shape), dtype="float32") for shape in ((4, 3), (3,), ())]
    optimizer.build(weights)

    @tf.function
    def step(gradients):
        optimizer.apply(gradients, weights)

    path = []
    for _ in range(num_steps):
        step([tf.constant(rng.normal(size=weight.shape), tf.float32) for weight in weights])
        path.append(np.concatenate([np.ravel(keras.ops.convert_to_numpy(weight)) for weight in weights]))
    graph = step.get_concrete_function([tf.TensorSpec(weight.shape) for weight in weights]).graph
    return np.stack(path), len(graph.get_operations())


@pytest.mark.parametrize("name", SETTINGS)
def test_the_weights_are_those_of_keras(name):
    fused = optimizer_of(name)
    fuse_adam(fused)
    expected, many = trajectory(optimizer_of(name))
    received, few = trajectory(fused)
    assert np.ptp(expected, axis=0).min() > 0.01
    np.testing.assert_allclose(received, expected, atol=1e-6)
    # Those of every second step are inside a condition, and not counted.
    assert few < many or name == "Adam, every second step"


def test_a_second_time_changes_nothing():
    optimizer = keras.optimizers.Adam()
    fuse_adam(optimizer)
    step = optimizer.update_step
    fuse_adam(optimizer)
    assert optimizer.update_step is step


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD(), keras.optimizers.Adam(amsgrad=True)])
def test_other_optimizers_stay(optimizer):
    fuse_adam(optimizer)
    assert "update_step" not in vars(optimizer)


def test_a_fused_optimizer_is_saved_as_keras_own(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    fuse_adam(model.optimizer)
    model.fit(np.ones((4, 2)), np.zeros((4, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is keras.optimizers.Adam and int(loaded.optimizer.iterations) == 1
    for received, expected in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (received, expected)))
