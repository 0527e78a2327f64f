"""LIME with 1,000 samples and partition SHAP with 500 evaluations: ours against the libraries with `model.predict`.

    python -m pytest benchmarks/bench_explain.py --benchmark-columns=min,median,rounds

Both sides explain the same score of one image with the same draws, and their maps are compared first. The network
is the lightweight multi-scale attention network at 96 px with random weights.
"""

import keras
import numpy as np
import pytest
import shap
from lime.lime_image import LimeImageExplainer

from drcls.explain import lime, shap_partition
from drcls.explain.lime import superpixels
from drcls.explain.scores import score_model
from drcls.models import build_multiscale_attention

SIZE, CLASS_INDEX, NUM_SAMPLES, NUM_EVALUATIONS = 96, 2, 1000, 500


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    model = build_multiscale_attention(SIZE, list("abcde"), widths=(16, 32, 48, 64))
    images = np.random.default_rng(1).integers(0, 256, (8, SIZE, SIZE, 3)).astype("float32")
    for _ in range(
        30
    ):  # fresh moving averages leave scores that hardly differ: all evidence would be rounding
        model(images, training=True)
    return model


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (12, 12, 3)), np.ones((8, 8, 1))).astype("uint8")


def our_lime(network, image):
    return lambda: lime(network, image[None], CLASS_INDEX, num_samples=NUM_SAMPLES, normalise=False)[0]


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


def our_shap(network, image):
    return lambda: shap_partition(
        network, image[None], CLASS_INDEX, max_evaluations=NUM_EVALUATIONS, normalise=False
    )[0]


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


def plain_shap_in_our_batches(network, image):
    # The batch decides which rectangles are parted next, and so the answer; shap's own is 10.
    return plain_shap(network, image, batch_size=64)


@pytest.mark.parametrize("ours, plain", [(our_lime, plain_lime), (our_shap, plain_shap_in_our_batches)])
def test_both_sides_answer_alike(network, image, ours, plain):
    expected, received = plain(network, image)(), ours(network, image)()
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("way", [our_lime, plain_lime])
def test_lime(benchmark, network, image, way):
    benchmark.group = f"LIME, {NUM_SAMPLES} samples of one image at {SIZE} px"
    benchmark.pedantic(way(network, image), rounds=1)


@pytest.mark.parametrize("way", [our_shap, plain_shap])
def test_shap(benchmark, network, image, way):
    benchmark.group = f"Partition SHAP, {NUM_EVALUATIONS} evaluations of one image at {SIZE} px"
    benchmark.pedantic(way(network, image), rounds=1)
