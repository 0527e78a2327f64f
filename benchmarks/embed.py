"""Embeddings: ours through Keras and onnxruntime, against `model.predict` called plainly.

    python -m pytest benchmarks/bench_embed.py --benchmark-columns=min,median,rounds

64 images at 224 px through DenseNet121 with random weights, pooled; all three give the same embeddings. Compiling and
exporting are not timed.
"""

import keras
import numpy as np
import pytest

from drcls.export import onnx_function
from drcls.models import build_backbone, build_embedding_model, embed

NUM_IMAGES, SIZE = 64, 224


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(0)
    return build_backbone("DenseNet121", SIZE)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)


def ours(backbone):
    forward = build_embedding_model(backbone).predict_on_batch
    return lambda images: embed(backbone, images, forward=forward)


def ours_onnx(backbone):
    forward = onnx_function(build_embedding_model(backbone))
    return lambda images: embed(backbone, images, forward=forward)


def plain(backbone):
    model = build_embedding_model(backbone)
    return lambda images: model.predict(images.astype("float32"), verbose=0)


@pytest.mark.parametrize("way", [ours, ours_onnx, plain])
def test_embed(benchmark, backbone, images, way):
    benchmark.group = f"embeddings of {NUM_IMAGES} images at {SIZE} px"
    compute = way(backbone)
    expected = plain(backbone)(images[:4])
    np.testing.assert_allclose(compute(images[:32])[:4], expected, atol=1e-4)
    benchmark.pedantic(compute, args=(images,), rounds=3)
    benchmark.extra_info["images_per_second"] = NUM_IMAGES / benchmark.stats.stats.min
