"""Every layer and the loss on TensorFlow, JAX and torch, each in a process of its own."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import drcls
from tests.layers.one_backend import counted_steps, fit_once, small_network

SCRIPT = Path(__file__).with_name("one_backend.py")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network trained for one step and saved, with images and what it makes of them."""
    folder = tmp_path_factory.mktemp("saved")
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).normal(size=(4, 6, 7, 4)).astype("float32")
    network = small_network()
    fit_once(network, images)
    assert counted_steps(network) == 1
    network.save(folder / "model.keras")
    np.savez(folder / "examples.npz", images=images, outputs=network.predict_on_batch(images))
    return folder / "model.keras", folder / "examples.npz"


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_saved_network_gives_the_same_outputs_and_trains_on_every_backend(backend, saved):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        # Compiling is most of this test's time, and what is compiled runs once.
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
    }
    process = subprocess.run(
        [sys.executable, SCRIPT, *saved], env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout.splitlines()[-1])
    assert result["backend"] == backend
    assert result["tensorflow_imported"] == (backend == "tensorflow")
    assert result["largest_difference"] < 1e-6
    assert (result["steps_loaded"], result["steps_after_fit"]) == (1, 2)
    assert math.isfinite(result["loss"])
    assert result["survives_sure_mistakes"] == [True] * 3
    assert result["trains_bfloat16"] or backend == "torch"
    assert not result["trains_bfloat16"] or math.isfinite(result["loss_bfloat16"])


@pytest.mark.parametrize("package", [drcls.layers, drcls.losses])
def test_saved_files_name_the_class_and_not_its_module(package):
    for name in package.__all__:
        assert keras.saving.get_registered_object(f"drcls>{name}") is getattr(package, name)
