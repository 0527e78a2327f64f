"""Training in `fit`: TensorFlow, the default backend, against the same Keras network on JAX and on PyTorch.

python -m benchmarks.training_step NAME     what the processes of the comparison run, each with its KERAS_BACKEND
"""

import contextlib
import os
import subprocess
import sys

import numpy as np

from benchmarks.comparison import Comparison

# Backbone -> side of the images, images a step, steps that are timed at once.
NETWORKS = {"DenseNet121": (64, 32, 4), "EfficientNetLite0": (128, 32, 4)}
BACKENDS = {"Keras on JAX": "jax", "Keras on PyTorch": "torch"}
CLASSES = list("abcde")


class Side:
    """A process that trains a network on one backend, some steps each time that it is asked."""

    def __init__(self, name, backend):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.training_step", name],
            env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self):
        """Train, and return the mean loss of the steps, float."""
        print(file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a side ended with {self._process.wait()}; see its error above")
        return float(answer)

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def comparisons():
    for name, (size, batch_size, steps) in NETWORKS.items():
        with contextlib.ExitStack() as stack:
            sides = {}
            for what, backend in {"ours": "tensorflow", **BACKENDS}.items():
                sides[what] = Side(name, backend)
                stack.callback(sides[what].close)

            every = tuple(sides.values())

            def check(every=every):
                """From the same weights, the first steps cost the same on every backend."""
                losses = [side() for side in every]
                np.testing.assert_allclose(losses, losses[0], rtol=1e-3)

            ours = sides.pop("ours")
            yield Comparison(
                what=f"training {name} at {size} px",
                ours=ours,
                peers=sides,
                goals=dict.fromkeys(sides, 1),
                work=batch_size * steps,
                check=check,
                how=f"{steps} steps of {batch_size} images in `fit`, Adam, float32, without reading or augmentation, "
                "each backend in a process of its own; compiling is not timed.",
            )


def main(name):
    """Compile a network; then for every line that is read, train some steps and print their mean loss."""
    answers, sys.stdout = sys.stdout, sys.stderr
    import keras

    from benchmarks.first_step import OneBatch
    from drcls.models import build_backbone, build_transfer_classifier
    from drcls.train import build_train_state
    from drcls.train.fused_adam import fuse_adam

    size, batch_size, steps = NETWORKS[name]
    images = np.random.default_rng(0).uniform(0, 255, (batch_size, size, size, 3)).astype("float32")
    labels = np.eye(len(CLASSES), dtype="float32")[np.arange(batch_size) % len(CLASSES)]
    batches = OneBatch(images, labels, steps)
    model = build_transfer_classifier(build_backbone(name, size), CLASSES, dropout_rate=0.0)
    rng = np.random.default_rng(0)  # the backends draw different weights from one seed
    model.set_weights([_draw(rng, weight) for weight in model.get_weights()])
    jit_compile = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.Adam(1e-5), "categorical_crossentropy", jit_compile=jit_compile)
    build_train_state(model, batches)
    fuse_adam(model.optimizer)
    for _ in sys.stdin:
        loss = model.fit(batches, shuffle=False, verbose=0).history["loss"][0]
        print(loss, file=answers, flush=True)


def _draw(rng, weight):
    """Kernels at random with He's variance; scales, biases and statistics as they are."""
    if weight.ndim < 2:
        return weight
    return rng.normal(0, np.sqrt(2 / np.prod(weight.shape[:-1])), weight.shape).astype("float32")


if __name__ == "__main__":
    main(*sys.argv[1:])
