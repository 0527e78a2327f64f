"""The weighted cross-entropy against Eq. 17-18."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from sklearn.metrics import log_loss

from drcls.losses import BalancedSoftmaxCrossentropy, FocalCrossentropy, WeightedCategoricalCrossentropy

Y_TRUE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
Y_PRED = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_by_hand():
    # 2 ln 2 and 3 ln 4 = 6 ln 2: the mean is 4 ln 2, positive.
    loss = WeightedCategoricalCrossentropy([2.0, 5.0, 3.0])
    assert float(loss(Y_TRUE, Y_PRED)) == pytest.approx(4 * np.log(2))


@pytest.mark.parametrize(
    "reduction, expected", [("sum", 8 * np.log(2)), ("none", [2 * np.log(2), 6 * np.log(2)]), (None, None)]
)
def test_reductions_are_those_of_keras(reduction, expected):
    expected = [2 * np.log(2), 6 * np.log(2)] if expected is None else expected
    loss = WeightedCategoricalCrossentropy([2, 5, 3], reduction=reduction)
    np.testing.assert_allclose(loss(Y_TRUE, Y_PRED), expected, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(num_classes=st.integers(2, 6), seed=st.integers(0, 2**16), from_logits=st.booleans())
def test_equals_the_weighted_mean_of_scikit_learn(num_classes, seed, from_logits):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=12)
    scores = rng.normal(scale=2, size=(12, num_classes))
    weights = rng.uniform(0.1, 10, num_classes)
    loss = WeightedCategoricalCrossentropy(weights, from_logits=from_logits)
    value = float(loss(np.eye(num_classes)[labels], scores if from_logits else softmax(scores)))
    # scikit-learn divides by the sum of the samples' weights, Keras by their number.
    expected = log_loss(labels, softmax(scores), sample_weight=weights[labels], labels=np.arange(num_classes))
    assert value == pytest.approx(expected * weights[labels].mean(), rel=1e-4)


@pytest.mark.parametrize("from_logits", [False, True])
def test_soft_labels_follow_the_sum_over_classes(from_logits):
    y_true = np.array([[0.2, 0.5, 0.3]])
    scores = np.array([[1.0, -1.0, 0.5]])
    expected = -np.sum([0.2 * 1, 0.5 * 2, 0.3 * 4] * np.log(softmax(scores)[0]))
    loss = WeightedCategoricalCrossentropy([1, 2, 4], from_logits)
    assert float(loss(y_true, scores if from_logits else softmax(scores))) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("from_logits", [False, True])
def test_unit_weights_are_keras_own_crossentropy(from_logits):
    scores = np.random.default_rng(0).normal(size=(2, 3))
    y_pred = scores if from_logits else softmax(scores)
    expected = keras.losses.CategoricalCrossentropy(from_logits=from_logits)(Y_TRUE, y_pred)
    loss = WeightedCategoricalCrossentropy([1, 1, 1], from_logits)
    assert float(loss(Y_TRUE, y_pred)) == pytest.approx(float(expected), rel=1e-5)


def test_sure_answers_stay_finite():
    sure = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    losses = WeightedCategoricalCrossentropy([1, 1, 2], reduction="none")(Y_TRUE, sure)
    np.testing.assert_allclose(losses, [0, -2 * np.log(1e-30)], rtol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        WeightedCategoricalCrossentropy([1, 1, 1]),
        BalancedSoftmaxCrossentropy([1, 1, 1]),
        FocalCrossentropy(alpha=1.0, gamma=0.0),
    ],
    ids=lambda loss: loss.name,
)
@pytest.mark.parametrize("from_logits", [False, True])
def test_the_surest_mistakes_are_learned_from(loss, from_logits):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a gradient of TensorFlow")
    import tensorflow as tf

    loss = type(loss).from_config(loss.get_config() | {"from_logits": from_logits})
    scores = tf.constant([[40.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = loss(np.array([1]), scores if from_logits else tf.exp(tf.nn.log_softmax(scores)))
    assert float(value) == pytest.approx(40, rel=1e-5)
    np.testing.assert_allclose(tape.gradient(value, scores), [[1, -1, 0]], atol=1e-4)


def test_a_nan_prediction_gives_a_nan_loss():
    loss = WeightedCategoricalCrossentropy([1, 1, 1])
    assert np.isnan(float(loss(Y_TRUE, np.full((2, 3), np.nan))))


def test_half_precision_predictions_are_summed_in_float32():
    loss = WeightedCategoricalCrossentropy([2.0, 5.0, 3.0])
    value = loss(Y_TRUE, ops.cast(Y_PRED, "bfloat16"))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(4 * np.log(2))


@pytest.mark.parametrize(
    "weights",
    [
        [1.0, -1.0],
        [1.0, 0.0],
        [1.0, float("nan")],
        [1.0, float("inf")],
        [[1.0, 2.0]],
        2.0,
        "12",
        ["a", "b"],
        {0: 1.0, 2: 2.0},
        {"a": 1.0, "b": 2.0},
        [],
        [1.0],
        None,
    ],
)
def test_bad_weights_are_refused(weights):
    with pytest.raises(ValueError, match="positive finite numbers.*Received: class_weights="):
        WeightedCategoricalCrossentropy(weights)
