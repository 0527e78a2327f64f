"""The input path while training: augmented batches from the cache, against the same steps on an array in memory."""

import tempfile
import time
from pathlib import Path

import cv2
import keras
import numpy as np
from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

from benchmarks.augment import POLICY
from benchmarks.comparison import Comparison
from data_prep.phantoms.fundus import write_fundus
from drcls.data import Augmenter, Batches, ImageCache, load_manifest
from drcls.data.batches import READERS
from drcls.models import build_backbone, build_three_residual_blocks, build_transfer_classifier

BATCH_SIZE, NUM_IMAGES, DEVICE_RATE = 32, 512, 1500
NO_WAITING = 0.97  # a device that waits 3 % of its time
ARRAY = "an array in memory"
LIMITS = (
    "The processor that augments is the one that trains or feeds: with as few cores as this machine has, CPU time of "
    "the input path is taken from the training."
)


def comparisons():
    with tempfile.TemporaryDirectory() as folder:
        write_fundus(Path(folder) / "data", num_images=NUM_IMAGES, size=224, progress=False)
        manifest = load_manifest(Path(folder) / "data")
        part = manifest.select(np.arange(NUM_IMAGES))
        large, small = ImageCache(manifest, 224), ImageCache(manifest, 128)
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        yield batches_on_one_thread(large, part)
        cv2.setNumThreads(threads)
        yield simulated_device(large, part)
        own = build_three_residual_blocks(128, manifest.classes)
        yield training("three residual blocks at 128 px", own, small, part)
        lite0 = build_transfer_classifier(build_backbone("EfficientNetLite0", 128), manifest.classes)
        yield training("EfficientNet-Lite0 at 128 px", lite0, small, part)
        yield reading_ahead("EfficientNet-Lite0 at 128 px", lite0, small, part)


def batches_on_one_thread(cache, part, num_batches=4):
    batches = Batches(cache, part, BATCH_SIZE, Augmenter(**POLICY), shuffle=True)
    flow = ImageDataGenerator(**POLICY).flow(cache.images[cache.rows(part)], part.labels, BATCH_SIZE)

    def make(sequence):
        """Make some batches, each forgotten before the next, as in training."""
        for index in range(num_batches):
            sequence[index]

    return Comparison(
        what="augmented batches at 224 px",
        ours=lambda: make(batches),
        peers={"ImageDataGenerator.flow": lambda: make(flow)},
        goals={"ImageDataGenerator.flow": 16},
        work=num_batches * BATCH_SIZE,
        check=lambda: check_content(cache, part),
        clock=time.process_time,
        how=f"Batches of {BATCH_SIZE} float32 images from the memory-mapped cache on one thread, the policy of "
        "the augmentation.",
    )


def check_content(cache, part):
    """Without augmentation both give the images of the cache."""
    ours, _ = Batches(cache, part, BATCH_SIZE)[0]
    theirs, _ = ImageDataGenerator().flow(
        cache.images[cache.rows(part)], part.labels, BATCH_SIZE, shuffle=False
    )[0]
    np.testing.assert_array_equal(ours, theirs)


def simulated_device(cache, part):
    """A network that costs the processor next to nothing, and a device that is busy as long as a fast GPU."""
    network = keras.Sequential(
        [
            keras.Input(cache.images.shape[1:]),
            keras.layers.AveragePooling2D(16),
            keras.layers.Flatten(),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Dense(len(part.classes), activation="softmax"),
        ]
    )
    return fit_against_array(
        what=f"input path of a device that takes {DEVICE_RATE} images/s of 224 px",
        network=network,
        cache=cache,
        part=part,
        callbacks=[BusyDevice(BATCH_SIZE / DEVICE_RATE)],
        how=f"After each batch the process sleeps as long as the device would compute; {READERS} threads augment. "
        f"Where neither side comes near {DEVICE_RATE} images/s, this machine cannot show a wait of 3 %.",
    )


class BusyDevice(keras.callbacks.Callback):
    """Sleep after every batch, as the host does while a device computes."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(self.seconds)


def training(name, network, cache, part):
    return fit_against_array(
        what=f"input path while training {name}",
        network=network,
        cache=cache,
        part=part,
        callbacks=[],
        how=f"One epoch of {len(part)} images in `fit` on this machine's processor; {READERS} threads augment.",
    )


def reading_ahead(name, network, cache, part, epochs=2, batch_size=16):
    """The threads of `Batches`, against the one thread that Keras uses where nothing else is asked for."""
    network.compile("adam", "categorical_crossentropy", jit_compile=False)
    augmenter = Augmenter(**POLICY)
    sides = [Batches(cache, part, batch_size, augmenter, workers=workers) for workers in (None, 1)]

    def check():
        """Whatever the threads, the batches are the same."""
        for ours, theirs in zip(*(batches[len(batches) // 2] for batches in sides), strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def fit(batches):
        network.fit(batches, epochs=epochs, shuffle=False, verbose=0)

    return Comparison(
        what=f"epochs of {name}",
        ours=lambda: fit(sides[0]),
        peers={"one thread, Keras' default": lambda: fit(sides[1])},
        goals={"one thread, Keras' default": 1},
        work=epochs * len(part),
        check=check,
        how=f"{epochs} epochs of {len(part)} augmented images in `fit`, batch {batch_size}; ours: {READERS} threads. "
        "With one, reading ahead is left to TensorFlow, whose autotuning often sleeps after the last step of an epoch: "
        "its pauses double, and an epoch then lasts until a pause ends (10.2 s, 20.5 s, 41 s).",
    )


def fit_against_array(what, network, cache, part, callbacks, how):
    network.compile("adam", "categorical_crossentropy", jit_compile=False)
    batches = Batches(cache, part, BATCH_SIZE, Augmenter(**POLICY), shuffle=True, workers=READERS)
    images = cache.images[cache.rows(part)].astype(np.float32)
    labels = np.eye(len(part.classes), dtype=np.float32)[part.labels]
    options = {"verbose": 0, "shuffle": False, "callbacks": callbacks}

    def check():
        """Without augmentation both train on the same batches: the first loss is the same."""
        state = network.get_weights()
        losses = []
        for data in ((Batches(cache, part.select(np.arange(BATCH_SIZE)), BATCH_SIZE),), (images, labels)):
            network.set_weights(state)
            x = data if len(data) == 1 else [array[:BATCH_SIZE] for array in data]
            losses.append(network.fit(*x, verbose=0, shuffle=False).history["loss"][0])
        np.testing.assert_allclose(*losses, rtol=1e-3)

    return Comparison(
        what=what,
        ours=lambda: network.fit(batches, **options),
        peers={ARRAY: lambda: network.fit(images, labels, BATCH_SIZE, **options)},
        goals={ARRAY: NO_WAITING},
        work=len(part),
        check=check,
        how=f"{how} Theirs neither reads nor augments.",
        limits=LIMITS,
    )
