"""A data set small enough to train on within a second: coloured squares, one colour a class."""

import hashlib
import json

import cv2
import keras
import numpy as np
import pandas as pd

from drcls.data import load_manifest
from drcls.data.duplicates import perceptual_hash

CLASSES = ["red", "green", "blue"]


def write_squares(folder, per_class=8, size=16, seed=0):
    """Write a prepared data set of noisy coloured images and return its `Manifest`."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for index in range(3 * per_class):
        label = index % 3
        image = rng.integers(0, 120, (size, size, 3), dtype=np.uint8)
        image[..., label] += 100
        path = folder / "images" / f"{index:03d}.png"
        cv2.imwrite(str(path), image[..., ::-1])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(
            [
                f"images/{path.name}",
                CLASSES[label],
                str(index),
                digest,
                perceptual_hash(image),
                size,
                size,
                "",
            ]
        )
    columns = ["path", "label", "group", "sha256", "phash", "width", "height", "source_split"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "manifest.csv", index=False)
    (folder / "dataset.json").write_text(
        json.dumps(
            {"name": "squares", "title": "squares", "classes": CLASSES, "ordered": False, "phantom": True}
        )
    )
    return load_manifest(folder)


def save_tiny_backbone(path, size=16, channels=8):
    """Save a feature extractor that is built and trained within a second."""
    keras.utils.set_random_seed(0)
    images = keras.Input((size, size, 3))
    features = keras.layers.Rescaling(1 / 255)(images)
    features = keras.layers.Conv2D(channels, 3, strides=2, activation="relu")(features)
    keras.Model(images, features, name="tiny").save(path)
    return str(path)
