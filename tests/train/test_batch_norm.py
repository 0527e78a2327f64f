"""Batch-norm statistics: by hand, untouched weights, frozen layers, and what inference gains from them."""

import keras
import numpy as np
import pytest

from drcls.layers import DropBlock2D
from drcls.train import BatchNormReestimation


def normalised(momentum=0.99, trainable=True):
    values = keras.Input((3,))
    norm = keras.layers.BatchNormalization(momentum=momentum, name="norm", trainable=trainable)
    return keras.Model(values, norm(values))


def statistics(model):
    norm = model.get_layer("norm")
    return [keras.ops.convert_to_numpy(value) for value in (norm.moving_mean, norm.moving_variance)]


def test_equal_batches_give_their_own_mean_and_variance_and_nothing_of_the_start():
    batch = np.array([[0, 1, 10], [2, 1, 30]], np.float32)
    model = normalised()
    assert BatchNormReestimation(model, [batch] * 5)() == 1
    mean, variance = statistics(model)
    np.testing.assert_allclose(mean, [1, 1, 20], rtol=1e-5)
    np.testing.assert_allclose(variance, [1, 0, 100], rtol=1e-4, atol=1e-4)


def test_batches_count_by_powers_of_the_momentum_that_sum_to_one():
    batches = [np.full((2, 3), value, np.float32) for value in (1, 2, 6)]
    model = normalised()
    BatchNormReestimation(model, batches)()
    weights = np.array([(2 / 3) ** 2, 2 / 3, 1])
    np.testing.assert_allclose(statistics(model)[0], weights @ [1, 2, 6] / weights.sum(), rtol=1e-5)


def test_a_second_call_ends_where_the_first_did():
    batches = [np.random.default_rng(i).normal(i, 2, (8, 3)).astype(np.float32) for i in range(4)]
    model = normalised()
    reestimate = BatchNormReestimation(model, batches)
    reestimate()
    first = statistics(model)
    reestimate()
    np.testing.assert_allclose(statistics(model), first, rtol=1e-4)


def test_a_frozen_layer_keeps_its_statistics():
    model = normalised(trainable=False)
    assert BatchNormReestimation(model, [np.ones((2, 3), np.float32)])() == 0
    np.testing.assert_array_equal(statistics(model), [np.zeros(3), np.ones(3)])


def test_weights_momentum_and_layers_of_nested_models_are_as_before():
    inner = normalised(momentum=0.7)
    values = keras.Input((3,))
    model = keras.Model(values, keras.layers.Dense(2)(inner(values)))
    before = [weight.numpy() for weight in model.trainable_variables]
    assert BatchNormReestimation(model, [np.ones((2, 3), np.float32)])() == 1
    for old, weight in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    assert inner.get_layer("norm").momentum == 0.7


def test_no_batch_is_an_error():
    with pytest.raises(ValueError, match="at least one batch"):
        BatchNormReestimation(normalised(), [])


def test_after_a_short_training_inference_agrees_with_training_mode():
    """Fourteen steps at momentum 0.99 leave 87 % of the initial statistics: chance before, right after."""
    keras.utils.set_random_seed(0)
    values = keras.Input((2,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(16)(values))
    model = keras.Model(values, keras.layers.Dense(2)(keras.layers.ReLU()(hidden)))
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1], 128))
    inputs = (rng.normal(0, 0.2, (256, 2)) + 40 + 2 * labels[:, None]).astype(np.float32)
    model.fit(inputs, labels, batch_size=64, epochs=14, verbose=0)

    def right(training):
        scores = keras.ops.convert_to_numpy(model(inputs, training=training))
        return np.mean(scores.argmax(axis=1) == labels)

    lagging = right(training=False)
    BatchNormReestimation(model, np.split(inputs, 4))()
    assert lagging < 0.6 < 0.97 < right(training=False)
    assert abs(right(training=False) - right(training=True)) < 0.03


def test_counted_steps_and_random_states_are_as_before():
    values = keras.Input((4, 4, 3))
    maps = keras.layers.BatchNormalization(name="norm")(values)
    dropped = DropBlock2D(0.5, 2, seed=1, schedule_steps=100)(maps)
    model = keras.Model(values, keras.layers.Dropout(0.5, seed=2)(dropped))
    model(np.ones((2, 4, 4, 3), "float32"), training=True)
    states = [variable for variable in model.non_trainable_variables if "norm" not in variable.path]
    before = [keras.ops.convert_to_numpy(state) for state in states]
    assert len(states) == 3
    assert BatchNormReestimation(model, [np.ones((2, 4, 4, 3), np.float32)] * 3)() == 1
    for state, value in zip(states, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(state), value)


@pytest.mark.parametrize("num_batches, atol", [(2, 0.7), (40, 0.15)])
def test_a_layer_that_is_called_twice_gets_the_statistics_of_both_calls(num_batches, atol):
    rng = np.random.default_rng(0)
    batches = [rng.normal(0, 2, (256, 2)).astype("float32") for _ in range(num_batches)]
    inputs = keras.Input((2,))
    twice, once = (keras.layers.BatchNormalization(name=name) for name in ("twice", "once"))
    shifted = keras.layers.Rescaling(1, offset=10)(inputs)
    model = keras.Model(inputs, keras.layers.Add()([twice(inputs), twice(shifted), once(inputs)]))
    assert BatchNormReestimation(model, batches)() == 2
    np.testing.assert_allclose(keras.ops.convert_to_numpy(twice.moving_mean), 5, atol=atol)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(once.moving_mean), 0, atol=0.2)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(once.moving_variance), 4, atol=0.5)


def test_a_network_of_one_batch_size_is_counted_too():
    inputs = keras.Input(batch_shape=(4, 2))
    model = keras.Model(inputs, keras.layers.BatchNormalization()(keras.ops.reshape(inputs, (4, 2))))
    assert BatchNormReestimation(model, [np.ones((4, 2), "float32")])() == 1


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_pass_that_fails_leaves_the_statistics_as_they_were(kind):
    model = normalised()
    before = statistics(model)
    reestimate = BatchNormReestimation(model, [np.ones((2, *model.input_shape[1:]), "float32")])

    def fail(*_, **__):
        raise kind

    reestimate._training_pass.network = type(
        "Broken", (), {"__call__": fail, "non_trainable_variables": []}
    )()
    with pytest.raises(kind):
        reestimate()
    for old, new in zip(before, statistics(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_features_that_are_no_numbers_give_statistics_that_are_none():
    model = normalised()
    batch = np.full((4, *model.input_shape[1:]), np.nan, "float32")
    assert BatchNormReestimation(model, [batch])() == 1
    assert np.isnan(statistics(model)[0]).all()
