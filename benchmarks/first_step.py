"""The time until DenseNet121 has made its first training step: as `train` prepares it, against plain Keras."""

import contextlib

import keras
import numpy as np

from benchmarks.comparison import Comparison
from drcls.models import build_backbone, build_transfer_classifier
from drcls.train import build_train_state
from drcls.train.fused_adam import fuse_adam
from drcls.train.fused_batch_norm import fused_batch_norm

SIZE, BATCH_SIZE, CLASSES = 64, 32, list("abcde")


class OneBatch(keras.utils.PyDataset):
    """The same batch, some times an epoch."""

    def __init__(self, images, labels, times):
        # With one, TensorFlow may sleep after the last step: drcls/data/batches.py.
        super().__init__(workers=2)
        self.images, self.labels, self.times = images, labels, times

    def __len__(self):
        return self.times

    def __getitem__(self, index):
        return self.images, self.labels


def comparisons():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (BATCH_SIZE, SIZE, SIZE, 3)).astype("float32")
    labels = np.eye(len(CLASSES), dtype="float32")[np.arange(BATCH_SIZE) % len(CLASSES)]

    def fit(fuses, steps=1):
        """Build, compile and train; return the mean loss of the steps."""
        keras.utils.set_random_seed(0)
        model = build_transfer_classifier(build_backbone("DenseNet121", SIZE), CLASSES)
        model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", jit_compile=False)
        batches = OneBatch(images, labels, steps)
        build_train_state(model, batches)
        if fuses:
            fuse_adam(model.optimizer)
        with fused_batch_norm(model) if fuses else contextlib.nullcontext():
            return model.fit(batches, shuffle=False, verbose=0).history["loss"][0]

    def check():
        np.testing.assert_allclose(fit(True, 3), fit(False, 3), atol=1e-3)

    yield Comparison(
        what=f"first step of DenseNet121 at {SIZE} px",
        ours=lambda: fit(True),
        peers={"plain Keras": lambda: fit(False)},
        goals={"plain Keras": 1.75},
        work=1,
        unit="first steps",
        check=check,
        how=f"In `fit`, batch {BATCH_SIZE}, with building the network; the losses of three steps agree within 1e-3. "
        "The goal is ten seconds where plain Keras took 17.6. Adam and batch normalisation are single operations here.",
        limits="What is left is the network and its gradient, which TensorFlow traces, optimises and instantiates.",
    )
