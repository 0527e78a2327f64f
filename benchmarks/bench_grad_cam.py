"""Grad-CAM of 32 images: one compiled batch against tf-keras-vis, image by image and in one batch.

    python -m pytest benchmarks/bench_grad_cam.py --benchmark-columns=min,median,rounds

The figure in brackets behind each time is its ratio to the fastest. `grad_cam` compiles anew in every call, a
`GradCAM` once for all calls. The network has ten convolutions and random weights.
tf-keras-vis builds a Keras model anew in every call and runs it eagerly, a cost that single images pay most.
"""

import keras
import numpy as np
import pytest
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.scores import CategoricalScore

from drcls.explain import GradCAM, grad_cam

NUM_IMAGES, SIZE, CLASS_INDEX = 32, 64, 2
LAYER = "conv_4"


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    images = x = keras.Input((SIZE, SIZE, 3))
    for block in range(5):
        x = keras.layers.Conv2D(16 + 16 * block, 3, padding="same", activation="relu")(x)
        strides = 2 if block < 3 else 1
        x = keras.layers.Conv2D(16 + 16 * block, 3, strides, "same", activation="relu", name=f"conv_{block}")(
            x
        )
        x = keras.layers.BatchNormalization()(x)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(5, name="scores")(pooled))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((NUM_IMAGES, SIZE, SIZE, 3)).astype("float32")


def compiled_anew(network, images):
    return lambda: grad_cam(network, images, CLASS_INDEX, LAYER)


def compiled_once(network, images):
    explainer = GradCAM(network, LAYER)
    return lambda: explainer(images, CLASS_INDEX)


def peer_one_by_one(network, images):
    peer, score = Gradcam(network), CategoricalScore([CLASS_INDEX])
    return lambda: np.concatenate([peer(score, image[None], penultimate_layer=LAYER) for image in images])


def peer_in_one_batch(network, images):
    peer, score = Gradcam(network), CategoricalScore([CLASS_INDEX] * NUM_IMAGES)
    return lambda: peer(score, images, penultimate_layer=LAYER)


@pytest.mark.parametrize(
    "way, rounds", [(compiled_once, 5), (compiled_anew, 3), (peer_in_one_batch, 3), (peer_one_by_one, 1)]
)
def test_grad_cam(benchmark, network, images, way, rounds):
    benchmark.group = f"Grad-CAM of {NUM_IMAGES} images at {SIZE} px"
    explain = way(network, images)
    if rounds > 1:
        explain()  # the first call compiles, or fills the caches of TensorFlow
    assert benchmark.pedantic(explain, rounds=rounds).shape == (NUM_IMAGES, SIZE, SIZE)
    benchmark.extra_info["images_per_second"] = NUM_IMAGES / benchmark.stats.stats.min
