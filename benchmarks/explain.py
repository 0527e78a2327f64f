"""LIME and partition SHAP: ours against the libraries with `model.predict`.

Both sides explain the same score of the same images with the same draws. The network is the lightweight multi-scale
attention network with random weights. There are as many images as make `drcls.explain` choose onnxruntime by itself.
"""

import time

import keras
import numpy as np
import shap
from lime.lime_image import LimeImageExplainer

from benchmarks.comparison import Comparison
from drcls.explain import lime, shap_partition
from drcls.explain.lime import superpixels
from drcls.explain.scores import score_function, score_model
from drcls.models import build_multiscale_attention

SIZE, CLASS_INDEX, NUM_SAMPLES, NUM_EVALUATIONS = 96, 2, 1000, 500
NUM_IMAGES = {"lime": 6, "shap": 12}


def comparisons():
    network = untrained_network()
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (max(NUM_IMAGES.values()), 12, 12, 3))
    images = np.kron(coarse, np.ones((1, 8, 8, 1))).astype("uint8")
    started = time.perf_counter()
    score_function(network, engine="onnx")(images[:4])
    converting = (
        "Ours computes through onnxruntime; compiling, converting and comparing the network, "
        f"{time.perf_counter() - started:.0f} s here, happens once for each network and is not timed. "
        "With fewer images Keras computes, and the ratio is lower."
    )
    few = images[: NUM_IMAGES["lime"]]
    our_lime, our_shap = ours(network, few, images)
    yield Comparison(
        what=f"LIME, {NUM_SAMPLES} samples at {SIZE} px",
        ours=our_lime,
        peers={"lime": one_by_one(plain_lime(network), few)},
        goals={"lime": 4},
        work=len(few),
        check=lambda: check_alike(our_lime(), one_by_one(plain_lime(network), few)()),
        how=f"{len(few)} images: the samples' images, one score each and the weighted regression. {converting}",
        limits="Both sides spend most of the time in the same forward passes.",
    )
    yield Comparison(
        what=f"partition SHAP, {NUM_EVALUATIONS} evaluations at {SIZE} px",
        ours=our_shap,
        peers={"shap": one_by_one(plain_shap(network), images)},
        goals={"shap": 4},
        work=len(images),
        # The batch decides which rectangles are parted next, and so the answer; shap's own is 10.
        check=lambda: check_alike(our_shap(), one_by_one(plain_shap(network, batch_size=64), images)()),
        how=f"{len(images)} images; shap in its own batches of 10, the answers compared in batches of 64. {converting}",
        limits="Both sides spend most of the time in the same forward passes.",
    )


def untrained_network():
    keras.utils.set_random_seed(0)
    network = build_multiscale_attention(SIZE, list("abcde"), widths=(16, 32, 48, 64))
    # The scores start at zero: all evidence would be rounding.
    scores = network.get_layer("scores")
    scores.set_weights(
        [np.random.default_rng(0).normal(size=weight.shape) for weight in scores.get_weights()]
    )
    images = np.random.default_rng(1).integers(0, 256, (8, SIZE, SIZE, 3)).astype("float32")
    for _ in range(30):  # fresh moving averages leave scores that hardly differ
        network(images, training=True)
    return network


def ours(network, few, images):
    options = {"class_index": CLASS_INDEX, "normalise": False}
    return (
        lambda: lime(network, few, num_samples=NUM_SAMPLES, **options),
        lambda: shap_partition(network, images, max_evaluations=NUM_EVALUATIONS, **options),
    )


def check_alike(received, expected):
    for mine, theirs in zip(received, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-3 * np.abs(theirs).max())


def one_by_one(explain, images):
    return lambda: np.stack([explain(image) for image in images])


def plain_lime(network):
    scores = score_model(network)

    def explain(image):
        segments = superpixels(image, 64)
        explanation = LimeImageExplainer(random_state=0).explain_instance(
            image.astype("float64"),
            lambda images: scores.predict(images, verbose=0),
            labels=(CLASS_INDEX,),
            top_labels=None,
            num_samples=NUM_SAMPLES,
            segmentation_fn=lambda _: segments,
            random_seed=0,
        )
        weights = dict(explanation.local_exp[CLASS_INDEX])
        return np.vectorize(weights.get)(segments)

    return explain


def plain_shap(network, **options):
    scores = score_model(network)
    masker = shap.maskers.Image(f"blur({SIZE // 4},{SIZE // 4})", (SIZE, SIZE, 3))
    explainer = shap.PartitionExplainer(lambda images: scores.predict(images, verbose=0), masker)

    def explain(image):
        values = explainer(
            image[None].astype("float32"),
            max_evals=NUM_EVALUATIONS,
            outputs=[CLASS_INDEX],
            silent=True,
            **options,
        ).values
        return values.reshape(image.shape).sum(axis=-1)

    return explain
