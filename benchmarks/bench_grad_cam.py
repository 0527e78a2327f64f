"""Grad-CAM: one compiled batch against tf-keras-vis, image by image and in one batch.

    python -m pytest benchmarks/bench_grad_cam.py --benchmark-columns=min,median,rounds

The figure in brackets behind each time is its ratio to the fastest. `grad_cam` compiles anew in every call, a
`GradCAM` once for all calls. 32 images at 64 px through ten convolutions, and 64 images at 224 px through
DenseNet121, both with random weights.
tf-keras-vis builds a Keras model anew in every call and runs it eagerly, a cost that single images pay most.
"""

import keras
import numpy as np
import pytest
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.scores import CategoricalScore

from drcls.explain import GradCAM, grad_cam
from drcls.models import build_backbone, build_transfer_classifier

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
    return build_transfer_classifier(build_backbone("DenseNet121", 224), list("abcde"))


def our_densenet(model, images):
    return lambda: grad_cam(model, images, CLASS_INDEX)


def peer_densenet(model, images):
    scores = keras.Model(model.inputs, model.get_layer("scores").output)
    peer, score = Gradcam(scores), CategoricalScore([CLASS_INDEX])
    return lambda: np.concatenate(
        [peer(score, image[None], penultimate_layer="features", expand_cam=True) for image in images]
    )


def test_densenet_maps_agree(densenet):
    images = np.random.default_rng(0).random((2, 224, 224, 3)).astype("float32") * 255
    ours, theirs = (way(densenet, images)() for way in (our_densenet, peer_densenet))
    # Enlarged differently: ours with OpenCV, theirs with SciPy.
    assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99 for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("way", [our_densenet, peer_densenet])
def test_grad_cam_of_densenet(benchmark, densenet, way):
    images = np.random.default_rng(0).random((64, 224, 224, 3)).astype("float32") * 255
    benchmark.group = "Grad-CAM of 64 images at 224 px, DenseNet121"
    assert benchmark.pedantic(way(densenet, images), rounds=1).shape == (64, 224, 224)
