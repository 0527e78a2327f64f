"""What `train_classifier` is asked for by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from drcls.own_images.network import build_loss


@pytest.mark.parametrize("name", ["cross_entropy", "weighted", "balanced_softmax", "focal"])
def test_the_surest_mistakes_are_learned_from(name):
    scores = tf.Variable([[17.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = build_loss(name, np.array([10, 10]))(
            np.array([[0.0, 1.0]], "float32"), keras.ops.softmax(scores)
        )
    assert np.abs(tape.gradient(loss, scores).numpy()).min() > 0.5
