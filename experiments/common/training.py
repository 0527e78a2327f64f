"""How every experiment trains a network: augmented batches, the best epoch kept; Adam under a warmed-up cosine where
the experiment names no other optimizer.
"""

import os

import keras

from drcls.data import Augmenter, Batches
from drcls.evaluate import predict
from drcls.runs import save_model
from drcls.train import train, warmed_up_cosine


def fit_network(model, loss, config, cache, parts, folder, callbacks=(), optimizer=None, mix=None):
    """Train a network on the training part, save it, and predict the test part.

    Args:
        model: `keras.Model` that gives class probabilities.
        loss: Keras loss, or its name.
        config: dict with `seed`, `batch_size`, `augmentation` (None: none), `epochs`, `monitor`, and for Adam
            `learning_rate` and `warmup_share`.
        cache: `ImageCache` of the data set, or anything with its `images` and `rows`.
        parts: dict of `Manifest`, from `split`.
        folder: Path of the run folder; `model.keras` and `history.csv` are written there.
        callbacks: further Keras callbacks.
        optimizer: Keras optimizer instead of Adam.
        mix: see `Batches`.

    Returns:
        float32 (N, C), probabilities of the test part; int, the epoch kept.
    """
    batches = Batches(
        cache,
        parts["train"],
        config["batch_size"],
        Augmenter(**config["augmentation"]) if config["augmentation"] is not None else None,
        shuffle=True,
        seed=config["seed"],
        workers=max(1, (os.cpu_count() or 1) // 2),
        mix=mix,
    )
    if optimizer is None:
        steps = config["epochs"] * len(batches)
        schedule = warmed_up_cosine(config["learning_rate"], steps, config["warmup_share"])
        optimizer = keras.optimizers.Adam(schedule)
    model.compile(
        optimizer,
        loss,
        metrics=["accuracy", keras.metrics.F1Score(average="macro", name="macro_f1")],
        # XLA compiles for minutes on a CPU and then runs slower; JAX knows no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
    validation, test = (Batches(cache, parts[name], config["batch_size"]) for name in ("validation", "test"))
    best = train(model, batches, validation, folder, config["epochs"], config["monitor"], callbacks)
    save_model(model, folder / "model.keras")
    return predict(model, test), best
