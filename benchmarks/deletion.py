"""Deletion, a measure of heat maps: ours against Xplique, which works with Keras 2 alone.

XPLIQUE_PYTHON names the interpreter of an environment with TensorFlow 2.15 and xplique; without it this subject is
left out. Both sides delete the same pixels of the same images and look at the same network.
"""

import os
import tempfile
from pathlib import Path

import keras
import numpy as np

from benchmarks.comparison import Comparison
from benchmarks.grad_cam import SIZE, ten_convolutions
from benchmarks.side import Side
from drcls.explain import deletion_auc

NUM_IMAGES, NUM_STEPS, CLASS_INDEX = 64, 20, 1  # a class whose probability changes on the way


def comparisons():
    python = os.environ.get("XPLIQUE_PYTHON")
    if not python:
        print("deletion: left out, XPLIQUE_PYTHON names no interpreter")
        return
    network = with_probabilities(ten_convolutions())
    rng = np.random.default_rng(0)
    images = rng.random((NUM_IMAGES, SIZE, SIZE, 3)).astype("float32")
    heat_maps = rng.random((NUM_IMAGES, SIZE, SIZE)).astype("float32")

    def ours():
        return deletion_auc(network, images, heat_maps, CLASS_INDEX, NUM_STEPS).mean()

    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), network, images, heat_maps)
        with Side(python, Path(__file__).with_name("xplique_side.py"), folder) as theirs:
            yield Comparison(
                what=f"deletion for ten convolutions at {SIZE} px, {NUM_STEPS} steps",
                ours=ours,
                peers={"Xplique": theirs},
                goals={"Xplique": 1},
                work=NUM_IMAGES,
                check=lambda: np.testing.assert_allclose(ours(), theirs(), rtol=1e-3),
                how=f"{NUM_IMAGES} images and heat maps at random, random weights; the means agree within 0.1 %. "
                "Xplique 1.5 with TensorFlow 2.15 predicts all images of a step at once, ours 32 at a time; "
                "ours also compiles the forward pass in every call.",
                limits="Both sides spend most of the time in the same forward passes.",
            )


def with_probabilities(network):
    """Return the network with a softmax behind its scores, and with scores that differ from image to image."""
    scores = network.get_layer("scores")
    kernel, bias = scores.get_weights()
    # Random features are small and alike.
    scores.set_weights([np.random.default_rng(0).normal(0, 1000, kernel.shape), bias])
    return keras.Model(network.input, keras.layers.Softmax(name="probabilities")(network.output))


def save(folder, network, images, heat_maps):
    """Write what the other process needs."""
    weights = network.get_weights()
    np.savez(
        folder / "deletion.npz",
        images=images,
        heat_maps=heat_maps,
        class_index=CLASS_INDEX,
        num_steps=NUM_STEPS,
        num_weights=len(weights),
        **{f"weight_{number}": weight for number, weight in enumerate(weights)},
    )
