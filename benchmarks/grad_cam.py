"""Grad-CAM: one compiled batch against tf-keras-vis, image by image and in one batch.

tf-keras-vis builds a Keras model anew in every call and runs it eagerly, a cost that single images pay most.
"""

import cv2
import keras
import numpy as np
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.scores import CategoricalScore

from benchmarks.comparison import Comparison
from drcls.explain import GradCAM, grad_cam

SIZE, CLASS_INDEX = 64, 2
LAYER = "conv_4"


def comparisons():
    images = np.random.default_rng(0).random((32, SIZE, SIZE, 3)).astype("float32")
    network = ten_convolutions()
    explainer = GradCAM(network, LAYER)
    one_by_one, in_one_batch = peers(network, images, penultimate_layer=LAYER)
    yield Comparison(
        what=f"Grad-CAM of ten convolutions at {SIZE} px",
        ours=lambda: explainer(images, CLASS_INDEX),
        peers={"tf-keras-vis, image by image": one_by_one, "tf-keras-vis, one batch": in_one_batch},
        goals={"tf-keras-vis, image by image": 10, "tf-keras-vis, one batch": 3},
        work=len(images),
        check=lambda: check(network, images[:4], penultimate_layer=LAYER),
        how=f"{len(images)} images, random weights; ours is compiled once, before the timing.",
        limits="In one batch both sides run the same convolutions.",
    )
    keras.utils.set_random_seed(0)
    densenet = keras.applications.DenseNet121(weights=None, classes=5, classifier_activation=None)
    images = np.random.default_rng(0).random((16, 224, 224, 3)).astype("float32") * 255
    options = {"penultimate_layer": "relu", "seek_penultimate_conv_layer": False}
    densenet_explainer = GradCAM(densenet, "relu")
    yield Comparison(
        what="Grad-CAM of DenseNet121 at 224 px",
        ours=lambda: densenet_explainer(images, CLASS_INDEX),
        peers={"tf-keras-vis, image by image": peers(densenet, images, **options)[0]},
        goals={"tf-keras-vis, image by image": 10},
        work=len(images),
        check=lambda: check(densenet, images[:2], **options),
        how=f"{len(images)} images, random weights; ours is compiled once, before the timing.",
        limits="Both sides spend most of the time in the same convolutions.",
    )


def ten_convolutions():
    keras.utils.set_random_seed(0)
    images = x = keras.Input((SIZE, SIZE, 3))
    for block in range(5):
        filters, strides = 16 + 16 * block, 2 if block < 3 else 1
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        last = keras.layers.Conv2D(filters, 3, strides, "same", activation="relu", name=f"conv_{block}")
        x = keras.layers.BatchNormalization()(last(x))
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(5, name="scores")(pooled))


def peers(network, images, **options):
    peer, one, all_of_them = (
        Gradcam(network),
        CategoricalScore([CLASS_INDEX]),
        CategoricalScore([CLASS_INDEX] * len(images)),
    )
    return (
        lambda: np.concatenate([peer(one, image[None], **options) for image in images]),
        lambda: peer(all_of_them, images, **options),
    )


def check(network, images, **options):
    """They enlarge with SciPy, ours with OpenCV: compared are equally enlarged maps."""
    ours = grad_cam(network, images, CLASS_INDEX, options["penultimate_layer"])
    score = CategoricalScore([CLASS_INDEX] * len(images))
    theirs = Gradcam(network)(score, images, expand_cam=False, normalize_cam=False, **options)
    side = images.shape[1]
    theirs = np.stack([cv2.resize(np.asarray(raw), (side, side)) for raw in theirs])
    peaks = np.maximum(theirs.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    np.testing.assert_allclose(ours, theirs / peaks, atol=1e-3)
