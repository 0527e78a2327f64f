"""How every experiment trains a network: augmented batches, the best epoch kept; Adam under a warmed-up cosine where
the experiment names no other optimizer.
"""

import keras
import numpy as np
import pandas as pd

from drcls.data import Augmenter, Batches, ImageCache
from drcls.evaluate import predict
from drcls.files import write_json
from drcls.runs import save_model
from drcls.train import compile_classifier, cosine_decay_with_warmup, train
from experiments.common.callbacks import watch
from experiments.common.run import VALIDATION


def train_and_predict(
    model, loss, config, cache, parts, folder, callbacks=(), optimizer=None, batch_augmentation=None
):
    """Train a network on the training part, save it, and predict the validation and the test part.

    Args:
        model: `keras.Model` that gives class probabilities.
        loss: Keras loss, or its name.
        config: dict with `seed`, `batch_size`, `augmentation` (None: none), `epochs`, `monitor`, and for Adam
            `learning_rate`, `warmup_share` and, where given, `weight_decay` and `ema_momentum` (AdamW, validated
            and kept with averaged weights).
        cache: `ImageCache` of the data set, or anything with its `images` and `rows`.
        parts: dict of `Manifest`, from `split`.
        folder: Path of the run folder; `model.keras`, `history.csv` and `validation.npy` are written there.
        callbacks: further Keras callbacks.
        optimizer: Keras optimizer instead of Adam.
        batch_augmentation: see `Batches`.

    Returns:
        float32 (N, C), probabilities of the test part; int, the epoch kept.
    """
    batches, best = fit(model, loss, config, cache, parts, folder, callbacks, optimizer, batch_augmentation)
    validation, test = (Batches(cache, parts[name], config["batch_size"]) for name in ("validation", "test"))
    save_model(model, folder / "model.keras")
    np.save(folder / VALIDATION, predict(model, validation))
    write_json(folder / "training.json", summarise_training(model, batches, best, config, folder))
    return predict(model, test), best


def fit(model, loss, config, cache, parts, folder, callbacks=(), optimizer=None, batch_augmentation=None):
    """Compile a network and train it on the training part; arguments as for `train_and_predict`.

    Returns:
        `Batches` of the training part; int, the epoch kept.
    """
    batches = Batches(
        cache,
        parts["train"],
        config["batch_size"],
        Augmenter(**config["augmentation"]) if config["augmentation"] is not None else None,
        shuffle=True,
        seed=config["seed"],
        batch_augmentation=batch_augmentation,
    )
    if optimizer is None:
        steps = config["epochs"] * len(batches)
        schedule = cosine_decay_with_warmup(config["learning_rate"], steps, config["warmup_share"])
        optimizer = build_optimizer(schedule, config)
    compile_classifier(model, optimizer, loss)
    validation = Batches(cache, parts["validation"], config["batch_size"])
    best = train(model, batches, validation, folder, config["epochs"], config["monitor"], callbacks)
    return batches, best


def fit_on_smaller_images(build, loss, config, manifest, parts, folder, tensorboard=False):
    """Train a network on small images, then on larger ones, before its last epochs on images of full size.

    An epoch on images of half the side costs a quarter. Each size is a training of its own, with its own warm-up and
    cosine, that starts from the weights of the size before. Each size draws order and augmentation from the same seed,
    so that its epochs repeat those of the size before.

    Args:
        build: function, side in pixels -> keras.Model with the same weights for every side.
        loss, config, parts: as for `train_and_predict`; `smaller_images` is a list of `[side, epochs]`, or missing.
        manifest: `Manifest` of the data set.
        folder: Path of the run folder; each size has the folder `SIDEpx` in it.
        tensorboard: bool, whether each size is logged in its folder.

    Returns:
        list of arrays, the weights to go on from; None where there were no smaller images.
    """
    weights = None
    for side, epochs in config.get("smaller_images") or ():
        model = build(side)
        if weights:
            model.set_weights(weights)
        home, settings = folder / f"{side}px", config | {"epochs": epochs}
        fit(model, loss, settings, ImageCache(manifest, side), parts, home, watch(home, tensorboard))
        weights = model.get_weights()
    return weights


def build_optimizer(learning_rate, config):
    """Return Adam, or AdamW where the configuration names a weight decay; with averaged weights where it says so."""
    average = {}
    if config.get("ema_momentum"):
        average = {"use_ema": True, "ema_momentum": config["ema_momentum"]}
    if config.get("weight_decay"):
        return keras.optimizers.AdamW(learning_rate, weight_decay=config["weight_decay"], **average)
    return keras.optimizers.Adam(learning_rate, **average)


def summarise_training(model, batches, best, config, folder):
    """Say how far a network was trained, for the record beside its test figures.

    Args:
        model: the trained keras.Model.
        batches: `Batches` of the training part.
        best: int, the epoch that was kept, without those on smaller images, which are added here.
        config: as for `train_and_predict`; `paper_steps` is the number of optimizer steps in the paper, where known.
        folder: Path of the run folder; its `history.csv` tells the epochs that were run, fewer than the configuration
            allows where training stopped early.

    Returns:
        dict with `best_epoch`, `epochs`, `steps` (of the optimizer), `paper_steps` (or None) and `train_accuracy`:
        on at most 2,048 training images without augmentation.
    """
    plain = model.evaluate(batches.unaugmented(2048), verbose=0, return_dict=True)
    before = sum(epochs for _, epochs in config.get("smaller_images") or ())
    epochs = before + len(pd.read_csv(folder / "history.csv"))
    return {
        "best_epoch": before + best,
        "epochs": epochs,
        "steps": epochs * len(batches),
        "paper_steps": config.get("paper_steps"),
        "train_accuracy": float(plain["accuracy"]),
    }
