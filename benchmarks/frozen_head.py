"""A head on a frozen backbone: trained on embeddings computed once, against training inside the whole network."""

import keras
import numpy as np

from benchmarks.comparison import Comparison
from drcls.models import attach_head, build_backbone, build_dense_head, build_embedding_model, embed

NUM_IMAGES, SIZE, EPOCHS = 256, 64, 5
CLASSES = list("abcdefgh")


def comparisons():
    keras.utils.set_random_seed(0)
    backbone = build_backbone("MobileNet", SIZE)
    backbone.trainable = False
    images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.eye(8, dtype="float32")[np.arange(NUM_IMAGES) % 8]
    forward = build_embedding_model(backbone).predict_on_batch
    head = compiled(build_dense_head(backbone.output_shape[-1], CLASSES, seed=0))
    inside = build_dense_head(backbone.output_shape[-1], CLASSES, seed=0)
    network = compiled(attach_head(backbone, inside))
    start = head.get_weights()

    def ours(epochs=EPOCHS):
        features = embed(backbone, images, forward=forward)
        head.fit(features, labels, batch_size=32, epochs=epochs, shuffle=False, verbose=0)

    def plain(epochs=EPOCHS):
        network.fit(images.astype("float32"), labels, 32, epochs=epochs, shuffle=False, verbose=0)

    def check():
        """After an epoch from the same start both heads are the same."""
        head.set_weights(start)
        inside.set_weights(start)
        ours(epochs=1)
        plain(epochs=1)
        for received, expected in zip(head.get_weights()[:6], inside.get_weights()[:6], strict=True):
            np.testing.assert_allclose(received, expected, atol=1e-4)

    yield Comparison(
        what=f"{EPOCHS} epochs of a head on a frozen MobileNet at {SIZE} px",
        ours=ours,
        peers={"training inside the network": plain},
        goals={"training inside the network": 2},
        work=NUM_IMAGES * EPOCHS,
        check=check,
        how=f"{NUM_IMAGES} images, random weights; computing the embeddings is part of our time. The more epochs, the "
        "larger the ratio.",
    )


def compiled(model):
    model.compile(keras.optimizers.Lion(1e-4), "categorical_crossentropy", jit_compile=False)
    return model
