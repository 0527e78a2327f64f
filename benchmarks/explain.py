"""LIME and partition SHAP: ours against the libraries with `model.predict`.

Both sides explain the same score of one image with the same draws. The network is the lightweight multi-scale
attention network with random weights.
"""

import keras
import numpy as np
import shap
from lime.lime_image import LimeImageExplainer

from benchmarks.comparison import Comparison
from drcls.explain import lime, shap_partition
from drcls.explain.lime import superpixels
from drcls.explain.scores import score_model
from drcls.models import build_multiscale_attention

SIZE, CLASS_INDEX, NUM_SAMPLES, NUM_EVALUATIONS = 96, 2, 1000, 500


def comparisons():
    network = untrained_network()
    image = np.kron(np.random.default_rng(0).integers(0, 256, (12, 12, 3)), np.ones((8, 8, 1))).astype(
        "uint8"
    )
    our_lime, our_shap = ours(network, image)
    yield Comparison(
        what=f"LIME, {NUM_SAMPLES} samples at {SIZE} px",
        ours=our_lime,
        peers={"lime": plain_lime(network, image)},
        goals={"lime": 4},
        work=1,
        check=lambda: check_alike(our_lime(), plain_lime(network, image)()),
        how="The samples' images, one score each and the weighted regression, for one image.",
        limits="Both sides spend most of the time in the same forward passes.",
    )
    yield Comparison(
        what=f"partition SHAP, {NUM_EVALUATIONS} evaluations at {SIZE} px",
        ours=our_shap,
        peers={"shap": plain_shap(network, image)},
        goals={"shap": 4},
        work=1,
        # The batch decides which rectangles are parted next, and so the answer; shap's own is 10.
        check=lambda: check_alike(our_shap(), plain_shap(network, image, batch_size=64)()),
        how="One image; shap in its own batches of 10, the answers compared in batches of 64.",
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


def ours(network, image):
    options = {"class_index": CLASS_INDEX, "normalise": False}
    return (
        lambda: lime(network, image[None], num_samples=NUM_SAMPLES, **options)[0],
        lambda: shap_partition(network, image[None], max_evaluations=NUM_EVALUATIONS, **options)[0],
    )


def check_alike(received, expected):
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def plain_lime(network, image):
    scores, segments = score_model(network), superpixels(image, 64)

    def explain():
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


def plain_shap(network, image, **options):
    scores = score_model(network)
    masker = shap.maskers.Image(f"blur({SIZE // 4},{SIZE // 4})", image.shape)
    explainer = shap.PartitionExplainer(lambda images: scores.predict(images, verbose=0), masker)

    def explain():
        values = explainer(
            image[None].astype("float32"),
            max_evals=NUM_EVALUATIONS,
            outputs=[CLASS_INDEX],
            silent=True,
            **options,
        ).values
        return values.reshape(image.shape).sum(axis=-1)

    return explain
