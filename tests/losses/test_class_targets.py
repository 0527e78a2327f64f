"""What all losses over classes share: how labels are given, smoothing, numbers per class, saved settings."""

import json
import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drcls.layers import ClassProbabilities
from drcls.losses import BalancedSoftmaxCrossentropy, FocalCrossentropy, WeightedCategoricalCrossentropy

NUMBERS = [4.0, 2.0, 1.0]
LOSSES = [BalancedSoftmaxCrossentropy, FocalCrossentropy, WeightedCategoricalCrossentropy]


def softmax(scores):
    exponentials = np.exp(scores)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def per_sample(loss_class, **arguments):
    return loss_class(NUMBERS, reduction="none", **arguments)


@pytest.mark.parametrize("loss_class", LOSSES)
@settings(max_examples=10, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=st.integers(0, 2**16))
def test_labels_of_any_rank_are_their_one_hot_rows(loss_class, shape, seed):
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(3, size=shape), rng.normal(size=(*shape, 3))
    for from_logits in (False, True):
        loss = per_sample(loss_class, from_logits=from_logits)
        y_pred = scores if from_logits else softmax(scores)
        flat = loss(np.eye(3)[labels.ravel()], y_pred.reshape(-1, 3))
        expected = np.reshape(flat, shape)
        for y_true in (labels, labels[..., None], np.eye(3)[labels]):
            np.testing.assert_allclose(loss(y_true, y_pred), expected, rtol=1e-5)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_scores_and_their_softmax_cost_the_same(loss_class):
    scores = np.random.default_rng(0).normal(size=(5, 3))
    labels = np.arange(5) % 3
    of_probabilities = per_sample(loss_class)(labels, softmax(scores))
    np.testing.assert_allclose(
        per_sample(loss_class, from_logits=True)(labels, scores), of_probabilities, rtol=1e-4
    )


@pytest.mark.parametrize("loss_class", LOSSES)
def test_smoothing_mixes_in_the_uniform_distribution(loss_class):
    y_pred = softmax(np.random.default_rng(0).normal(size=(4, 3)))
    labels = np.array([0, 1, 2, 1])
    mixed = 0.9 * np.eye(3)[labels] + 0.1 / 3
    np.testing.assert_allclose(
        per_sample(loss_class, label_smoothing=0.1)(labels, y_pred),
        per_sample(loss_class)(mixed, y_pred),
        rtol=1e-5,
    )


def test_with_equal_numbers_smoothing_is_that_of_keras():
    y_pred, labels = softmax(np.random.default_rng(0).normal(size=(4, 3))), np.array([0, 1, 2, 1])
    expected = float(keras.losses.CategoricalCrossentropy(label_smoothing=0.2)(np.eye(3)[labels], y_pred))
    for loss_class in (BalancedSoftmaxCrossentropy, WeightedCategoricalCrossentropy):
        loss = loss_class([1, 1, 1], label_smoothing=0.2)
        assert float(loss(labels, y_pred)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_numbers_may_be_a_sequence_an_array_or_a_dictionary(loss_class):
    labels, y_pred = np.arange(3), softmax(np.random.default_rng(0).normal(size=(3, 3)))
    expected = np.asarray(per_sample(loss_class)(labels, y_pred))
    for numbers in (tuple(NUMBERS), np.array(NUMBERS), {2: 1, 0: 4.0, 1: 2}):
        loss = loss_class(numbers, reduction="none")
        np.testing.assert_array_equal(loss(labels, y_pred), expected)
    assert len(set(expected.round(4))) == 3


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "0.1", True, None])
def test_a_bad_label_smoothing_is_refused(loss_class, share):
    with pytest.raises(
        ValueError, match="label_smoothing must be a number in 0..1. Received: label_smoothing="
    ):
        loss_class(NUMBERS, label_smoothing=share)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("true_shape, pred_shape", [((2, 2), (2, 3)), ((2, 3), (2, 2)), ((2,), (2, 4))])
def test_columns_that_are_not_the_classes_are_refused(loss_class, true_shape, pred_shape):
    with pytest.raises(ValueError, match=r"each of the 3 classes.*Received: y_true.shape="):
        loss_class(NUMBERS)(np.zeros(true_shape), np.zeros(pred_shape))


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("end", ["softmax", "class_probabilities"])
def test_a_softmax_taken_twice_is_warned_of(loss_class, end):
    if keras.backend.backend() == "jax":
        pytest.skip("JAX arrays do not tell that they are a softmax")
    inputs = keras.Input((3,))
    scores = keras.layers.Dense(3)(inputs)
    last = keras.layers.Softmax() if end == "softmax" else ClassProbabilities(["a", "b", "c"])
    network = keras.Model(inputs, last(scores))
    x, labels = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 1, 2, 1])
    network.compile("sgd", loss_class(NUMBERS, from_logits=True))
    with pytest.warns(UserWarning, match="from_logits=True, but y_pred comes from a softmax"):
        network.train_on_batch(x, labels)
    network.compile("sgd", loss_class(NUMBERS))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the loss was built")
        network.train_on_batch(x, labels)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("numbers", [NUMBERS, np.array([3, 4]), {0: 1, 1: 2}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_config_round_trip(loss_class, numbers, dtype):
    arguments = {
        "dtype": dtype,
        "from_logits": True,
        "label_smoothing": 0.1,
        "reduction": "sum",
        "name": "loss",
    }
    loss = loss_class(numbers, **arguments)
    config = loss.get_config()
    assert loss.dtype == config["dtype"] == dtype
    assert arguments.items() <= config.items()
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(restored, loss_class)
    assert restored.get_config() == config


@pytest.mark.parametrize("loss_class", LOSSES)
def test_a_series_is_read_by_its_classes(loss_class):
    counts = pd.Series([1] * 5 + [0] * 2 + [2] * 3).value_counts()
    by_class, by_place = loss_class(counts), loss_class([2, 5, 3])
    assert {**by_class.get_config(), "name": ""} == {**by_place.get_config(), "name": ""}
    with pytest.raises(ValueError, match="with classes 0..C-1"):
        loss_class(pd.Series({"a": 2, "b": 5}))


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("true_shape, pred_shape", [((1,), (4, 3)), ((1, 3), (4, 3)), ((4, 1), (4, 2, 3))])
def test_labels_of_another_number_of_images_are_refused(loss_class, true_shape, pred_shape):
    with pytest.raises(ValueError, match="Received: y_true.shape="):
        loss_class(NUMBERS)(np.zeros(true_shape), np.full(pred_shape, 1 / 3))


@pytest.mark.parametrize("loss_class", LOSSES)
def test_one_hot_labels_of_a_width_known_at_run_time_train(loss_class):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.data")
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((np.ones((4, 2), "float32"), np.eye(3)[[0, 1, 2, 1]])).batch(2)
    unknown = rows.map(
        lambda x, y: (x, tf.ensure_shape(tf.py_function(lambda z: z, [y], tf.float64), (None, None)))
    )
    assert unknown.element_spec[1].shape.as_list() == [None, None]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss_class(NUMBERS))
    same = keras.models.clone_model(model)
    same.set_weights(model.get_weights())
    same.compile("sgd", loss_class(NUMBERS))
    losses = [
        network.fit(data, shuffle=False, verbose=0).history["loss"]
        for network, data in ((model, unknown), (same, rows))
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_a_label_out_of_range_contributes_nothing(loss_class, label_smoothing):
    y_pred = softmax(np.random.default_rng(0).normal(size=(3, 3)))
    loss = per_sample(loss_class, label_smoothing=label_smoothing)
    found = loss(np.array([1, -1, 3]), y_pred)
    assert np.asarray(found)[1:].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found[0], loss(np.array([1]), y_pred[:1])[0], rtol=1e-6)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16", "int32"])
def test_half_precision_is_refused(loss_class, dtype):
    with pytest.raises(
        ValueError, match=f"dtype must be None, float32 or float64. Received: dtype='{dtype}'"
    ):
        loss_class(NUMBERS, dtype=dtype)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("floatx", ["float16", "bfloat16"])
def test_keras_half_precision_is_computed_in_float32(loss_class, floatx):
    """In bfloat16 the label 257 is 256, and 1e-9 is 0 in float16."""
    before = keras.config.floatx()
    keras.config.set_floatx(floatx)
    try:
        loss = loss_class([1.0] * 1000, from_logits=True)
    finally:
        keras.config.set_floatx(before)
    labels = np.array([257, 999])
    assert float(loss(labels, keras.ops.cast(30 * np.eye(1000)[labels], floatx))) < 1e-6
    assert float(loss(labels - 1, keras.ops.cast(30 * np.eye(1000)[labels], floatx))) > 5


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_policy_of_half_precision_leaves_the_loss_in_float32(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        loss = BalancedSoftmaxCrossentropy([1.0] * 1000, from_logits=True)
    finally:
        keras.config.set_dtype_policy(before)
    labels = np.array([257, 999])
    assert float(loss(labels, keras.ops.cast(30 * np.eye(1000)[labels], "float16"))) < 1e-6


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("loss_class", LOSSES)
def test_a_label_that_is_none(loss_class, label_smoothing):
    y_pred = softmax(np.random.default_rng(0).normal(size=(3, 3)))
    loss = per_sample(loss_class, label_smoothing=label_smoothing)
    for labels in (np.array([1, np.nan, 0.7]), np.array([[1], [np.nan], [0.7]])):
        found = np.asarray(loss(labels, y_pred))
        assert found[0] > 0 and np.isnan(found[1]) and found[2] == 0
    rows = np.array([[0, 1, 0], [np.nan, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(np.isnan(loss(rows, y_pred)), [False, True, False])


@pytest.mark.parametrize("number", [np.int64(1), np.float32(0.5), np.float64(0.5)])
def test_numpy_numbers_are_kept_as_pythons(number):
    arguments = [{"label_smoothing": number}, {"gamma": number}, {"alpha": number}]
    losses = [FocalCrossentropy(**one) for one in arguments]
    losses += [BalancedSoftmaxCrossentropy(NUMBERS, tau=number)]
    for loss in losses:
        restored = keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss))))
        assert restored.get_config() == loss.get_config()
