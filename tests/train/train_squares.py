"""Trains a tiny network on coloured squares in a process of its own, which may kill itself on the way.

python -m tests.train.train_squares DATA RUN EPOCHS [EPOCH_TO_DIE_IN]
"""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

from drcls.data import Augmenter, Batches, ImageCache, load_manifest
from drcls.layers import ClassProbabilities, DropBlock2D
from drcls.train import train


class Die(keras.callbacks.Callback):
    """Kill the process in the second batch of an epoch, as a power cut would."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def tiny_model(class_names, learning_rate=0.01):
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    features = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="features")(
        keras.layers.Rescaling(1 / 255)(images)
    )
    dropped = DropBlock2D(0.3, 2, seed=0, schedule_steps=30)(features)
    pooled = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(dropped))
    scores = keras.layers.Dense(len(class_names))(pooled)
    model = keras.Model(images, ClassProbabilities(class_names, "features")(scores))
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, 30)),
        "categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def main(data, run, epochs, die_in=None):
    manifest = load_manifest(data)
    cache = ImageCache(manifest, 16)
    batches = Batches(cache, manifest, 4, Augmenter(rotation_range=20), shuffle=True, seed=3)
    model = tiny_model(manifest.classes)
    callbacks = [] if die_in is None else [Die(int(die_in))]
    best = train(
        model, batches, Batches(cache, manifest, 8), Path(run), int(epochs), "val_accuracy", callbacks
    )
    weights = np.concatenate([np.ravel(weight) for weight in model.get_weights()])
    np.savez(Path(run) / "result.npz", weights=weights, best=best)


if __name__ == "__main__":
    main(*sys.argv[1:])
