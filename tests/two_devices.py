"""Trains a small network on one device or on two virtual ones, in a process of its own.

KERAS_BACKEND=jax XLA_FLAGS=--xla_force_host_platform_device_count=2 python -m tests.two_devices DATA RUN NUM_DEVICES

DataParallel on JAX, MirroredStrategy on TensorFlow; `drcls.train` is the same for both.
"""

import contextlib
import sys
from pathlib import Path

import keras

from drcls.data import Augmenter, Batches, ImageCache, load_manifest
from drcls.layers import CBAM, ClassProbabilities, TransformerEncoder
from drcls.losses import WeightedCategoricalCrossentropy
from drcls.train import train


def distributed(num_devices):
    """Return the context in which the network is built, for a number of virtual processors."""
    if keras.backend.backend() == "jax":
        if num_devices > 1:
            devices = keras.distribution.list_devices()
            if len(devices) != num_devices:
                raise RuntimeError(f"JAX has {devices}; expected {num_devices} devices")
            keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
        return contextlib.nullcontext()
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration() for _ in range(num_devices)]
    )
    if num_devices == 1:
        return contextlib.nullcontext()
    strategy = tf.distribute.MirroredStrategy(
        [device.name for device in tf.config.list_logical_devices("CPU")]
    )
    if strategy.num_replicas_in_sync != num_devices:
        raise RuntimeError(f"{strategy.num_replicas_in_sync} replicas; expected {num_devices}")
    return strategy.scope()


def build(class_names):
    """A network without dropout and batch norm, which draw and average per device on TensorFlow."""
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    maps = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(keras.layers.Rescaling(1 / 255)(images))
    tokens = keras.layers.Reshape((-1, 8))(CBAM(2, 3)(maps))
    pooled = keras.layers.GlobalAveragePooling1D()(TransformerEncoder(2, 4, norm_first=True)(tokens))
    scores = keras.layers.Dense(len(class_names))(pooled)
    model = keras.Model(images, ClassProbabilities(class_names)(scores))
    model.compile(
        keras.optimizers.Adam(0.01),
        WeightedCategoricalCrossentropy([1.0, 2.0, 3.0]),
        metrics=["accuracy"],
        jit_compile=keras.backend.backend() == "jax",
    )
    return model


def main(data, run, num_devices):
    with distributed(int(num_devices)):
        manifest = load_manifest(data)
        cache = ImageCache(manifest, 16)
        batches = Batches(cache, manifest, 8, Augmenter(rotation_range=20), shuffle=True, seed=3)
        train(build(manifest.classes), batches, Batches(cache, manifest, 8), Path(run), 4, "val_accuracy")


if __name__ == "__main__":
    main(*sys.argv[1:])
