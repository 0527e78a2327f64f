"""How a classifier is compiled: what every training here measures, and how its step is run."""

import keras


def compile_classifier(model, optimizer, loss):
    """Compile a network that gives class probabilities; `train` then finds `val_accuracy` and `val_macro_f1`.

    Args:
        model: keras.Model from images or features to probabilities (N, C).
        optimizer: Keras optimizer.
        loss: Keras loss, or its name.
    """
    model.compile(
        optimizer,
        loss,
        metrics=["accuracy", keras.metrics.F1Score(average="macro", name="macro_f1")],
        # XLA compiles for minutes on a CPU and then runs slower; JAX knows no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
