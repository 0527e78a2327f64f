"""The paper's augmentation policy: ours, Keras' ImageDataGenerator, Keras' layers and albumentations."""

import os
import time
import warnings

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations
import cv2
import keras
import numpy as np
import tensorflow as tf
from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

from benchmarks.comparison import Comparison
from drcls.data import Augmenter

SIZE, NUM_IMAGES = 224, 32
POLICY = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "fill_mode": "nearest",
}


def comparisons():
    images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    rows = np.empty(images.shape, np.float32)
    augmenter, rng = Augmenter(**POLICY), np.random.default_rng(0)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    warnings.filterwarnings("ignore", "Please import `affine_transform`", DeprecationWarning)
    yield Comparison(
        what=f"augmentation at {SIZE} px",
        ours=one_by_one(lambda image: augmenter(image, rng), images, rows),
        peers={
            "ImageDataGenerator": one_by_one(image_data_generator(), images, rows),
            "albumentations": one_by_one(albumentations_pipeline(), images, rows),
            "Keras layers": keras_layers(images),
        },
        goals={"ImageDataGenerator": 16, "albumentations": 1.5, "Keras layers": 2},
        work=NUM_IMAGES,
        check=check_same_pixels,
        rounds=11,
        clock=time.process_time,
        how="Rotation 40, shifts, shear and zoom 0.2, flips, bilinear, uint8 in and float32 out, one thread. The same "
        "draw gives ImageDataGenerator's pixels within 0.05 of 255; albumentations and the Keras layers draw by "
        "themselves. Keras' layers run in one compiled batch and have no shear here.",
    )
    cv2.setNumThreads(threads)


def one_by_one(augment, images, rows):
    def run():
        for image, row in zip(images, rows, strict=True):
            row[...] = augment(image)

    return run


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


def keras_layers(images):
    """The four layers in one compiled function; their CPU time is that of all their threads."""
    layers = keras.layers
    pipeline = keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(40 / 360, fill_mode="nearest"),
            layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
            layers.RandomZoom(0.2, 0.2, fill_mode="nearest"),
        ]
    )
    augment = tf.function(lambda batch: pipeline(batch, training=True))
    changed = np.asarray(augment(tf.constant(images))) != images
    assert changed.mean() > 0.5, "Keras' layers augment nothing"
    return lambda: np.asarray(augment(tf.constant(images)))


def check_same_pixels():
    """The same draws, made by ImageDataGenerator and by us, on a checkerboard of single pixels."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    image = np.repeat(255.0 * ((rows + columns) % 2)[..., None], 3, axis=-1).astype(np.float32)
    augmenter = Augmenter(**POLICY, legacy=True)
    generator = ImageDataGenerator(**POLICY, data_format="channels_last")
    rng = np.random.default_rng(0)
    for _ in range(10):
        draw = augmenter.draw(image.shape, rng)
        expected = generator.apply_transform(image.copy(), draw)
        np.testing.assert_allclose(augmenter.apply(image, draw), expected, rtol=0, atol=0.05)
