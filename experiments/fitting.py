"""How every experiment trains a network: augmented batches, Adam under a warmed-up cosine, the best epoch kept."""

import os

import keras

from drcls.data import Augmenter, Batches
from drcls.evaluate import predict
from drcls.runs import save_model
from drcls.train import train, warmed_up_cosine


def fit_network(model, loss, config, cache, parts, folder, callbacks=()):
    """Train a network on the training part, save it, and predict the test part.

    Args:
        model: `keras.Model` that gives class probabilities.
        loss: Keras loss, or its name.
        config: dict with `seed`, `batch_size`, `augmentation`, `epochs`, `learning_rate`, `warmup_share` and
            `monitor`.
        cache: `ImageCache` of the data set.
        parts: dict of `Manifest`, from `split`.
        folder: Path of the run folder; `model.keras` and `history.csv` are written there.
        callbacks: further Keras callbacks.

    Returns:
        float32 (N, C), probabilities of the test part; int, the epoch kept.
    """
    batches = Batches(
        cache,
        parts["train"],
        config["batch_size"],
        Augmenter(**config["augmentation"]),
        shuffle=True,
        seed=config["seed"],
        workers=max(1, (os.cpu_count() or 1) // 2),
    )
    steps = config["epochs"] * len(batches)
    model.compile(
        keras.optimizers.Adam(warmed_up_cosine(config["learning_rate"], steps, config["warmup_share"])),
        loss,
        metrics=["accuracy", keras.metrics.F1Score(average="macro", name="macro_f1")],
        # XLA compiles for minutes on a CPU and then runs slower; JAX knows no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
    validation, test = (Batches(cache, parts[name], config["batch_size"]) for name in ("validation", "test"))
    best = train(model, batches, validation, folder, config["epochs"], config["monitor"], callbacks)
    save_model(model, folder / "model.keras")
    return predict(model, test), best
