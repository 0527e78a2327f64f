"""Training as `train` does it on TensorFlow, against `fit` of Keras on three backends and against plain PyTorch.

python -m benchmarks.training_step NAME [fused]     what the processes of Keras run, each with its KERAS_BACKEND
python -m benchmarks.pytorch_side NAME              what the process of plain PyTorch runs
"""

import contextlib
import sys

import numpy as np

from benchmarks.comparison import Comparison
from benchmarks.side import Side

# Backbone -> side of the images, images a step, steps that are timed at once.
NETWORKS = {"DenseNet121": (64, 32, 4), "EfficientNetLite0": (128, 32, 4), "SqueezeNet": (128, 32, 8)}
# What `import drcls` turns on everywhere, and what TensorFlow's own choice depends on: the processor.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
# The environment of a process, the module that it runs, and what it tells it.
OURS = ({"KERAS_BACKEND": "tensorflow"}, "benchmarks.training_step", "fused")
PEERS = {
    "the same without oneDNN": ({"KERAS_BACKEND": "tensorflow", ONEDNN: "0"}, *OURS[1:]),
    "Keras on TensorFlow": ({"KERAS_BACKEND": "tensorflow"}, "benchmarks.training_step"),
    "Keras on JAX": ({"KERAS_BACKEND": "jax"}, "benchmarks.training_step"),
    "Keras on PyTorch": ({"KERAS_BACKEND": "torch"}, "benchmarks.training_step"),
    "PyTorch, compiled, channels last": ({"KERAS_BACKEND": "torch"}, "benchmarks.pytorch_side"),
}
LIMITS = (
    "PyTorch compiles the network into loops that normalise, add and rectify a feature map in one pass (a minute once, "
    "not timed). Without AVX-512, by TensorFlow's profile, 61% of the operations' time in a step of DenseNet121 goes "
    "into the gradients of its convolutions, 37% into those of the filters alone. Tried and not kept: XLA for what "
    "lies between the convolutions (slower, first step four times as long), and matrix products for the 1x1 "
    "convolutions (by five shapes worth about 5% of a step)."
)
CLASSES, LEARNING_RATE = list("abcde"), 1e-5


def comparisons():
    for name, (size, batch_size, steps) in NETWORKS.items():
        with contextlib.ExitStack() as stack:
            sides = {}
            for what, (environment, module, *told) in {"ours": OURS, **PEERS}.items():
                side = Side(sys.executable, "-m", module, name, *told, **environment)
                sides[what] = stack.enter_context(side)

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
                how=f"{steps} steps of {batch_size} images in `fit` (PyTorch: a plain loop), Adam, float32, without "
                "reading or augmentation, each side in a process of its own; compiling is not timed. Ours has Adam and "
                "batch normalisation as single operations, as `train` has; every TensorFlow here has oneDNN and keeps "
                "freed memory, as after `import drcls`, where the line does not say otherwise.",
                limits=LIMITS,
            )


def main(name, fused=None):
    """Compile a network of Keras; then for every line that is read, train some steps and print their mean loss."""
    answers, sys.stdout = sys.stdout, sys.stderr
    import keras

    from benchmarks.first_step import OneBatch
    from drcls.train import build_train_state
    from drcls.train.fused_adam import fuse_adam
    from drcls.train.fused_batch_norm import fused_batch_norm

    batches = OneBatch(*one_batch(name), NETWORKS[name][2])
    model = build_network(name)
    jit_compile = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "categorical_crossentropy", jit_compile=jit_compile)
    build_train_state(model, batches)
    if fused:
        fuse_adam(model.optimizer)
    with fused_batch_norm(model) if fused else contextlib.nullcontext():
        for _ in sys.stdin:
            loss = model.fit(batches, shuffle=False, verbose=0).history["loss"][0]
            print(loss, file=answers, flush=True)


def one_batch(name):
    """Return images, float32 (N, H, W, 3) in 0..255, and labels, float32 (N, 5)."""
    size, batch_size, _ = NETWORKS[name]
    images = np.random.default_rng(0).uniform(0, 255, (batch_size, size, size, 3)).astype("float32")
    return images, np.eye(len(CLASSES), dtype="float32")[np.arange(batch_size) % len(CLASSES)]


def build_network(name):
    """Return a network of Keras with the same weights on every backend."""
    from benchmarks.squeezenet import build_squeezenet
    from drcls.models import build_backbone, build_transfer_classifier

    size = NETWORKS[name][0]
    backbone = build_squeezenet(size) if name == "SqueezeNet" else build_backbone(name, size)
    model = build_transfer_classifier(backbone, CLASSES, dropout_rate=0.0)
    rng = np.random.default_rng(0)  # the backends draw different weights from one seed
    model.set_weights([_draw(rng, weight) for weight in model.get_weights()])
    return model


def _draw(rng, weight):
    """Kernels at random with He's variance; scales, biases and statistics as they are."""
    if weight.ndim < 2:
        return weight
    return rng.normal(0, np.sqrt(2 / np.prod(weight.shape[:-1])), weight.shape).astype("float32")


if __name__ == "__main__":
    main(*sys.argv[1:])
