r"""Trains a small network on one device or on two virtual ones, in a process of its own.

KERAS_BACKEND=jax XLA_FLAGS=--xla_force_host_platform_device_count=2 \
    python -m tests.train.two_devices DATA RUN NUM_DEVICES
"""

import sys
from pathlib import Path

import keras
import numpy as np

from drcls.data import Augmenter, Batches, ImageCache, load_manifest
from drcls.evaluate import predict
from drcls.layers import CBAM, ClassProbabilities, TransformerEncoder
from drcls.losses import WeightedCategoricalCrossentropy
from drcls.train import train, use_devices


def split_the_processor():
    """Make two devices of the processor; on JAX, XLA_FLAGS does."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


def build(class_names, batch_norm):
    """A network without dropout, which draws per device on TensorFlow."""
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    scaled = keras.layers.Rescaling(1 / 255)(images)
    # A bias before batch norm has a gradient of rounding errors, which Adam makes as large as any other.
    maps = keras.layers.Conv2D(8, 3, strides=2, use_bias=not batch_norm)(scaled)
    if batch_norm:
        maps = keras.layers.BatchNormalization()(maps)
    maps = keras.layers.ReLU()(maps)
    tokens = keras.layers.Reshape((-1, 8))(CBAM(2, 3)(maps))
    pooled = keras.layers.GlobalAveragePooling1D()(TransformerEncoder(2, 4, norm_first=True)(tokens))
    scores = keras.layers.Dense(len(class_names))(pooled)
    model = keras.Model(images, ClassProbabilities(class_names)(scores))
    model.compile(
        keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.9),
        WeightedCategoricalCrossentropy([1.0, 2.0, 3.0]),
        metrics=["accuracy", keras.metrics.F1Score(average="macro", name="macro_f1")],
        jit_compile=keras.backend.backend() == "jax",
    )
    return model


def main(data, run, number):
    split_the_processor()
    manifest = load_manifest(data)
    cache = ImageCache(manifest, 16)
    batches = Batches(cache, manifest, 8, Augmenter(rotation_range=20), shuffle=True, seed=3)
    validation = Batches(cache, manifest, 8)
    with use_devices(int(number)):
        # Exact where every batch is averaged as one, and none is filled up.
        model = build(manifest.classes, keras.backend.backend() == "jax" and len(manifest) % 8 == 0)
        train(model, batches, validation, Path(run), 4, "val_accuracy")
        np.save(Path(run) / "predicted.npy", predict(model, validation))


if __name__ == "__main__":
    main(*sys.argv[1:])
