"""The paper's augmentation policy at 224 px on one core: ours, Keras' ImageDataGenerator and albumentations.

    python -m pytest benchmarks/bench_augment.py

Each side turns the same uint8 images into float32 ones, with one thread and bilinear interpolation. The sides
take turns, so that a busy machine slows all of them, and the quickest of several rounds counts, in CPU time of
the thread.
"""

import os
import time

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations
import cv2
import numpy as np
import pytest
from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

from drcls.data import Augmenter

SIZE, NUM_IMAGES, ROUNDS = 224, 32, 12
POLICY = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "fill_mode": "nearest",
}


def ours():
    augmenter, rng = Augmenter(**POLICY), np.random.default_rng(0)
    return lambda image: augmenter(image, rng)


def image_data_generator():
    generator = ImageDataGenerator(**POLICY, data_format="channels_last")
    return lambda image: generator.random_transform(image.astype(np.float32))


def albumentations_pipeline():
    # One Affine, which also composes one matrix, is albumentations' quickest way to the policy.
    affine = albumentations.Affine(
        rotate=(-40, 40),
        translate_percent={"x": (-0.2, 0.2), "y": (-0.2, 0.2)},
        shear={"x": (-0.2, 0.2), "y": (0, 0)},
        scale={"x": (0.8, 1.2), "y": (0.8, 1.2)},
        interpolation=cv2.INTER_LINEAR,
        border_mode=cv2.BORDER_REPLICATE,
        p=1,
    )
    pipeline = albumentations.Compose([albumentations.HorizontalFlip(p=0.5), affine], seed=0)
    return lambda image: pipeline(image=image)["image"]


@pytest.fixture
def one_thread():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")
def test_augmentation_speed(one_thread, capsys):
    images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    row = np.empty(images.shape[1:], np.float32)
    sides = {
        "drcls": ours(),
        "ImageDataGenerator": image_data_generator(),
        "albumentations": albumentations_pipeline(),
    }
    seconds = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, augment in sides.items():
            seconds[name].append(time_of(augment, images, row))
    rates = {name: NUM_IMAGES / min(times) for name, times in seconds.items()}
    with capsys.disabled():
        print(f"\n{SIZE} px, one core, the quickest of {ROUNDS} rounds of {NUM_IMAGES} images")
        for name, rate in rates.items():
            print(f"{name:20} {rate:6.0f} images/s   drcls is {rates['drcls'] / rate:5.2f} times as fast")
    assert rates["drcls"] >= 12 * rates["ImageDataGenerator"]
    assert rates["drcls"] > rates["albumentations"]


def time_of(augment, images, row):
    """Return the CPU seconds that one thread takes to augment the images, each into the float32 row."""
    start = time.thread_time()
    for image in images:
        row[...] = augment(image)
    return time.thread_time() - start
