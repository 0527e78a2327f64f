"""The balanced softmax against Ren et al., and against the formula that the poster prints."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from drcls.losses import BalancedSoftmaxCrossentropy

APTOS_COUNTS = [1805, 370, 999, 193, 295]


def closed_form(counts, labels, logits):
    """- log(n_y exp(z_y) / sum n_k exp(z_k)), each sample by itself."""
    weighted = np.asarray(counts, "float64") * np.exp(logits)
    return -np.log(weighted[np.arange(len(labels)), labels] / weighted.sum(axis=1))


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_by_hand():
    # n exp(z) = 6, 2: the rare class has 2/8, the frequent one 6/8.
    loss = BalancedSoftmaxCrossentropy([3, 1], from_logits=True, reduction="none")
    logits = np.log([[2.0, 2.0], [2.0, 2.0]])
    np.testing.assert_allclose(loss(np.eye(2), logits), [np.log(8 / 6), np.log(4)], rtol=1e-6)


def test_aptos_at_zero_scores_is_the_surprise_of_each_class():
    loss = BalancedSoftmaxCrossentropy(APTOS_COUNTS, from_logits=True, reduction="none")
    expected = -np.log(np.array(APTOS_COUNTS) / 3662)
    np.testing.assert_allclose(loss(np.arange(5), np.zeros((5, 5))), expected, rtol=1e-5)
    assert expected.min() > 0.7 and expected.max() < 3


def test_the_formula_of_the_poster_is_negative():
    counts = np.array(APTOS_COUNTS, "float64")
    printed = -np.log(softmax(np.log(counts)) + np.log(counts))
    assert np.all(printed < -1.6)
    assert np.all(closed_form(counts, np.arange(5), np.zeros((5, 5))) > 0)


@settings(max_examples=30, deadline=None)
@given(num_classes=st.integers(2, 6), seed=st.integers(0, 2**16))
def test_equals_the_closed_form_with_labels_one_hot_and_probabilities(num_classes, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 2000, num_classes)
    labels = rng.integers(num_classes, size=7)
    logits = rng.normal(scale=3, size=(7, num_classes))
    expected = closed_form(counts, labels, logits)
    loss = BalancedSoftmaxCrossentropy(counts, from_logits=True, reduction="none")
    for y_true in (np.eye(num_classes)[labels], labels, labels[:, None]):
        np.testing.assert_allclose(loss(y_true, logits), expected, rtol=1e-4, atol=1e-5)
    of_probabilities = BalancedSoftmaxCrossentropy(counts, from_logits=False, reduction="none")
    np.testing.assert_allclose(of_probabilities(labels, softmax(logits)), expected, rtol=1e-4, atol=1e-5)
    # Only the ratios of the counts matter, and a constant added to the scores does not.
    scaled = BalancedSoftmaxCrossentropy(counts * 7.5, from_logits=True, reduction="none")
    np.testing.assert_allclose(scaled(labels, logits + 4), expected, rtol=1e-4, atol=1e-4)


def test_equal_counts_are_the_plain_cross_entropy():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(9, 4)), rng.integers(4, size=9)
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    assert float(
        BalancedSoftmaxCrossentropy([5, 5, 5, 5], from_logits=True)(labels, logits)
    ) == pytest.approx(float(plain))


@pytest.mark.parametrize("from_logits", [True, False])
def test_the_gradient_is_probability_minus_truth(from_logits):
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(1)
    counts, labels = np.array([50.0, 5.0, 1.0]), np.array([0, 1, 2, 2])
    logits = tf.Variable(rng.normal(size=(4, 3)), dtype="float32")
    loss = BalancedSoftmaxCrossentropy(counts, from_logits=from_logits, reduction="sum")
    with tf.GradientTape() as tape:
        value = loss(labels, logits if from_logits else ops.softmax(logits))
    expected = softmax(logits.numpy() + np.log(counts)) - np.eye(3)[labels]
    np.testing.assert_allclose(tape.gradient(value, logits), expected, atol=1e-5)


def test_a_sure_mistake_is_finite_and_has_a_gradient():
    tf = pytest.importorskip("tensorflow")
    logits = tf.Variable([[50.0, -10.0]])
    with tf.GradientTape() as tape:
        value = BalancedSoftmaxCrossentropy([9, 1], from_logits=False)(np.array([1]), ops.softmax(logits))
    assert float(value) == pytest.approx(60 + np.log(9), rel=1e-3)
    np.testing.assert_allclose(tape.gradient(value, logits), [[1.0, -1.0]], atol=1e-3)


def test_training_on_uneven_classes_learns_the_even_boundary():
    # Two normal densities at -1 and 1, the left one 9 times as frequent. The boundary of equally frequent
    # classes is 0; plain cross-entropy moves it to ln(9) / 2 = 1.1.
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-1, 1, 9000), rng.normal(1, 1, 1000)])[:, None]
    labels = np.repeat([0, 1], [9000, 1000])
    boundaries = {}
    for counts in ([9000, 1000], [1, 1]):
        keras.utils.set_random_seed(0)
        network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
        loss = BalancedSoftmaxCrossentropy(counts, from_logits=True)
        network.compile(keras.optimizers.Adam(0.1), loss)
        network.fit(x, labels, batch_size=1000, epochs=25, verbose=0)
        slope, offset = (np.diff(weight)[..., 0].item() for weight in network.get_weights())
        boundaries[counts[0]] = -offset / slope
    assert boundaries[9000] == pytest.approx(0, abs=0.1)
    assert boundaries[1] == pytest.approx(np.log(9) / 2, abs=0.15)


@pytest.mark.parametrize(
    "counts", [[], [3], [1, 0], [1, -2], [1, np.nan], [1, np.inf], ["1", "2"], 3, [[1, 2]]]
)
def test_bad_counts_are_refused(counts):
    with pytest.raises(ValueError, match="positive finite numbers.*Received: class_counts="):
        BalancedSoftmaxCrossentropy(counts)


@pytest.mark.parametrize(
    "true_shape, pred_shape", [((2, 2), (2, 3)), ((2, 3), (2, 2)), ((2,), (2, 4)), ((2,), (1, 2, 3))]
)
def test_columns_that_are_not_the_classes_are_refused(true_shape, pred_shape):
    with pytest.raises(ValueError, match=r"each of the 3 classes.*Received: y_true.shape="):
        BalancedSoftmaxCrossentropy([1, 2, 3])(np.zeros(true_shape), np.zeros(pred_shape))


def test_tau_is_the_power_of_the_counts():
    rng = np.random.default_rng(0)
    counts, labels, logits = np.array([50.0, 5.0, 1.0]), rng.integers(3, size=9), rng.normal(size=(9, 3))
    for tau in (0.0, 0.5, 1.0, 2.0):
        loss = BalancedSoftmaxCrossentropy(counts, from_logits=True, tau=tau, reduction="none")
        np.testing.assert_allclose(loss(labels, logits), closed_form(counts**tau, labels, logits), rtol=1e-4)


@pytest.mark.parametrize("tau", [-1, float("nan"), float("inf"), "1", True, None])
def test_a_bad_tau_is_refused(tau):
    with pytest.raises(ValueError, match="tau must be a finite number of 0 or more. Received: tau="):
        BalancedSoftmaxCrossentropy([1, 2], tau=tau)
