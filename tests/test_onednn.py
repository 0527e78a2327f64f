"""oneDNN is on after the import, unless the user has chosen, and results stay what they were but for rounding."""

import os
import subprocess
import sys

import numpy as np
import pytest

PROGRAM = """
import os
import drcls
import tensorflow as tf
images = tf.reshape(tf.sin(tf.range(2 * 9 * 9 * 8, dtype="float32")), (2, 9, 9, 8))
kernel = tf.reshape(tf.cos(tf.range(3 * 3 * 8 * 8, dtype="float32")), (3, 3, 8, 8))
convolve = tf.function(lambda images: tf.nn.conv2d(images, kernel, 1, "SAME"))
print(os.environ["TF_ENABLE_ONEDNN_OPTS"], *convolve(images).numpy().ravel()[:100])
"""


def convolved(chosen):
    environment = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment | chosen, capture_output=True, text=True, check=True
    )
    switch, *values = answer.stdout.split()
    return switch, np.array(values, float)


@pytest.fixture(scope="module")
def default():
    return convolved({})


def test_the_import_turns_it_on(default):
    assert default[0] == "1"


def test_a_choice_of_the_user_stays_and_gives_the_same_results(default):
    switch, values = convolved({"TF_ENABLE_ONEDNN_OPTS": "0"})
    assert switch == "0"
    np.testing.assert_allclose(values, default[1], atol=1e-4)
