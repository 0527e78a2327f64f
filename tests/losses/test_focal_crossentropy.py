"""The focal loss against Eq. 4 and Keras' own."""

import keras
import numpy as np
import pytest

from drcls.losses import FocalCrossentropy


def test_by_hand():
    # p = 1/2: alpha (1/2)^2 ln 2; p = 1/4: alpha (3/4)^2 ln 4.
    loss = FocalCrossentropy(alpha=1.5, gamma=2.0, reduction="none")
    y_pred = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]])
    expected = [1.5 * 0.25 * np.log(2), 1.5 * 0.5625 * np.log(4)]
    np.testing.assert_allclose(loss(np.array([0, 1]), y_pred), expected, rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.25, [0.5, 1.0, 2.0]])
def test_equals_keras(alpha):
    rng = np.random.default_rng(0)
    y_true, y_pred = np.eye(3)[rng.integers(3, size=8)], rng.dirichlet(np.ones(3), size=8)
    keras_own = keras.losses.CategoricalFocalCrossentropy(alpha=alpha, gamma=1.5)
    loss = FocalCrossentropy(alpha, gamma=1.5)
    assert float(loss(y_true, y_pred)) == pytest.approx(float(keras_own(y_true, y_pred)), rel=1e-6)


def test_gamma_0_and_alpha_1_are_the_plain_cross_entropy():
    rng = np.random.default_rng(0)
    labels, y_pred = rng.integers(3, size=8), rng.dirichlet(np.ones(3), size=8)
    plain = keras.losses.SparseCategoricalCrossentropy()(labels, y_pred)
    assert float(FocalCrossentropy(1.0, 0)(labels, y_pred)) == pytest.approx(float(plain), rel=1e-5)


@pytest.mark.parametrize(
    "alpha", [0, -1.0, float("nan"), float("inf"), True, [1.0], [1, -2], {0: 1, 2: 1}, None]
)
def test_a_bad_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be .*positive finite number.*Received: alpha="):
        FocalCrossentropy(alpha)


@pytest.mark.parametrize("gamma", [-1, float("nan"), float("inf"), "2", True, None])
def test_a_bad_gamma_is_refused(gamma):
    with pytest.raises(ValueError, match="gamma must be a finite number of 0 or more. Received: gamma="):
        FocalCrossentropy(gamma=gamma)


def test_one_column_is_refused():
    with pytest.raises(
        ValueError, match=r"two outputs, or keras.losses.BinaryFocal.*Received: y_pred.shape=\(2, 1\)"
    ):
        FocalCrossentropy()(np.array([[0], [1]]), np.array([[0.5], [0.5]]))
