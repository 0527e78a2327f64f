"""Grad-CAM: one compiled batch against tf-keras-vis, image by image and in one batch.

    python -m pytest benchmarks/bench_grad_cam.py --benchmark-columns=min,median,rounds

The figure in brackets behind each time is its ratio to the fastest. `grad_cam` compiles anew in every call, a
`GradCAM` once for all calls. 32 images at 64 px through ten convolutions, and 64 images at 224 px through
DenseNet121, both with random weights.
tf-keras-vis builds a Keras model anew in every call and runs it eagerly, a cost that single images pay most.
"""

import cv2
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


@pytest.fixture(scope="module")
def densenet():
    keras.utils.set_random_seed(0)
    return keras.applications.DenseNet121(weights=None, classes=5, classifier_activation=None)


def our_densenet(model, images):
    return lambda: grad_cam(model, images, CLASS_INDEX, "relu")


def peer_densenet(model, images):
    peer, score = Gradcam(model), CategoricalScore([CLASS_INDEX])
    return lambda: np.concatenate(
        [
            peer(score, image[None], penultimate_layer="relu", seek_penultimate_conv_layer=False)
            for image in images
        ]
    )


def test_densenet_maps_agree(densenet):
    images = np.random.default_rng(0).random((2, 224, 224, 3)).astype("float32") * 255
    ours = our_densenet(densenet, images)()
    theirs = Gradcam(densenet)(
        CategoricalScore([CLASS_INDEX] * 2),
        images,
        penultimate_layer="relu",
        seek_penultimate_conv_layer=False,  # or it goes on to the convolution before
        expand_cam=False,
        normalize_cam=False,
    )
    # They enlarge with SciPy, ours with OpenCV: compared are equally enlarged maps.
    theirs = np.stack([cv2.resize(np.asarray(raw), (224, 224)) for raw in theirs])
    np.testing.assert_allclose(ours, theirs / theirs.max(axis=(1, 2), keepdims=True), atol=1e-3)


@pytest.mark.parametrize("way", [our_densenet, peer_densenet])
def test_grad_cam_of_densenet(benchmark, densenet, way):
    images = np.random.default_rng(0).random((64, 224, 224, 3)).astype("float32") * 255
    benchmark.group = "Grad-CAM of 64 images at 224 px, DenseNet121"
    assert benchmark.pedantic(way(densenet, images), rounds=1).shape == (64, 224, 224)
