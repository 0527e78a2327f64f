"""The side of the deletion comparison that Xplique runs, in an environment with a TensorFlow that it works with.

python benchmarks/xplique_side.py FOLDER

FOLDER/deletion.npz holds images, heat maps, the class and the weights of `benchmarks.grad_cam.ten_convolutions`; for
every line that is read, the metric is computed and its mean printed. Nothing of drcls is imported here.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from xplique.metrics import Deletion


def main(folder):
    with np.load(Path(folder) / "deletion.npz") as stored:
        images, heat_maps = stored["images"], stored["heat_maps"]
        class_index, num_steps = int(stored["class_index"]), int(stored["num_steps"])
        weights = [stored[f"weight_{number}"] for number in range(int(stored["num_weights"]))]
    network = ten_convolutions(images.shape[1])
    network.set_weights(weights)
    targets = np.eye(network.output_shape[-1], dtype="float32")[np.full(len(images), class_index)]
    metric = Deletion(
        network,
        images,
        targets,
        batch_size=256,
        baseline_mode=mean_colour,
        steps=num_steps,
        max_percentage_perturbed=1.0,
    )
    for _ in sys.stdin:
        print(float(metric(heat_maps)), flush=True)


def mean_colour(images):
    """The mean colour of each image, as float32 (N, H, W, 3)."""
    return np.broadcast_to(np.mean(images, axis=(1, 2), keepdims=True), images.shape)


def ten_convolutions(size):
    """The network of `benchmarks.grad_cam`, with probabilities, in the Keras of this TensorFlow."""
    layers = tf.keras.layers
    images = x = tf.keras.Input((size, size, 3))
    for block in range(5):
        filters, strides = 16 + 16 * block, 2 if block < 3 else 1
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(filters, 3, strides, "same", activation="relu")(x)
        x = layers.BatchNormalization()(x)
    pooled = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(images, layers.Dense(5, activation="softmax")(pooled))


if __name__ == "__main__":
    main(*sys.argv[1:])
