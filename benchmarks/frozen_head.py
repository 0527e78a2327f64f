"""A head on a frozen backbone: trained on embeddings computed once, against training inside the whole network.

    python -m pytest benchmarks/bench_frozen_head.py --benchmark-columns=min,median,rounds

256 images at 64 px, MobileNet with random weights, 5 epochs; computing the embeddings is part of our time. Both
end with the same head (tests/models/test_blood_cell_networks.py). Compiling is not timed. The more epochs, the
larger the ratio: the backbone is run once instead of once an epoch.
"""

import keras
import numpy as np
import pytest

from drcls.models import attach_head, build_backbone, build_dense_head, build_embedding_model, embed

NUM_IMAGES, SIZE, EPOCHS = 256, 64, 5
CLASSES = list("abcdefgh")


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(0)
    backbone = build_backbone("MobileNet", SIZE)
    backbone.trainable = False
    return backbone


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)


def compiled(model):
    model.compile(keras.optimizers.Lion(1e-4), "categorical_crossentropy", jit_compile=False)
    return model


def ours(backbone):
    forward = build_embedding_model(backbone).predict_on_batch
    head = compiled(build_dense_head(backbone.output_shape[-1], CLASSES, seed=0))

    def fit(images, labels, epochs):
        head.fit(embed(backbone, images, forward=forward), labels, batch_size=32, epochs=epochs, verbose=0)

    return fit


def plain(backbone):
    model = compiled(attach_head(backbone, build_dense_head(backbone.output_shape[-1], CLASSES, seed=0)))

    def fit(images, labels, epochs):
        model.fit(images.astype("float32"), labels, batch_size=32, epochs=epochs, verbose=0)

    return fit


@pytest.mark.parametrize("way", [ours, plain])
def test_frozen_head(benchmark, backbone, images, way):
    benchmark.group = f"head on a frozen MobileNet, {NUM_IMAGES} images, {EPOCHS} epochs"
    fit, labels = way(backbone), np.eye(8, dtype="float32")[np.arange(NUM_IMAGES) % 8]
    fit(images[:32], labels[:32], 1)
    benchmark.pedantic(fit, args=(images, labels, EPOCHS), rounds=3)
