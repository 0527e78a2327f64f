"""What the trials of test grids do; workers import it by name."""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

from drcls.data import Batches, ImageCache, load_manifest
from drcls.files import write_json
from drcls.grid import Trial, run_trials
from drcls.train import train
from tests.train.train_squares import tiny_model


def square(config, folder):
    """Square a number; some numbers fail, kill their process or leave nothing."""
    print("working on", config["number"])
    with (folder.parent / "started.txt").open("a") as file:
        file.write(f"{config['number']}\n")
    if config["number"] == 13:
        raise ArithmeticError("13 is unlucky")
    if config["number"] == 14:
        os.kill(os.getpid(), signal.SIGKILL)
    if config["number"] != 15:
        write_json(folder / "metrics.json", {"square": config["number"] ** 2})


def train_squares(config, folder):
    """Train a tiny network for one epoch and write its loss."""
    manifest = load_manifest(config["data"])
    model = tiny_model(manifest.classes)
    keras.utils.set_random_seed(config["seed"])
    train(
        model,
        Batches(ImageCache(manifest, 16), manifest, 4, seed=config["seed"], shuffle=True),
        None,
        folder,
        1,
        None,
    )
    weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
    write_json(folder / "metrics.json", {"weights": float(np.abs(weights).sum())})


def pause(config, folder):
    """Take a second."""
    import time

    time.sleep(1)
    square(config, folder)


def cells_of(root, numbers):
    return [Trial(Path(root) / str(number), {"number": number}) for number in numbers]


def trials_of(root, number, data=None):
    return [Trial(Path(root) / str(seed), {"seed": seed, "data": str(data)}) for seed in range(number)]


def train_and_stop(config, folder):
    """Train a tiny network for four epochs, going on with what is there, and write its weights."""
    manifest = load_manifest(config["data"])
    cache, model = ImageCache(manifest, 16), tiny_model(manifest.classes)
    batches = Batches(cache, manifest, 4, seed=config["seed"], shuffle=True)
    best = train(model, batches, Batches(cache, manifest, 8), folder, 4, "val_accuracy")
    weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
    write_json(folder / "metrics.json", {"best": best, "weights": float(np.abs(weights).sum())})


if __name__ == "__main__":
    from tests import grid_trials

    if sys.argv[1] == "train":
        print("begins")
        found = run_trials(trials_of(sys.argv[3], 6, sys.argv[2]), grid_trials.train_and_stop, "processes", 2)
        sys.exit(len(found))
    run_trials(cells_of(sys.argv[1], range(4)), grid_trials.pause, sys.argv[2], 2)
