"""The fastest forward pass of a network: onnxruntime where that pays and answers as Keras does, else Keras."""

import hashlib
import importlib.util
import os
import tempfile
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path

import keras
import numpy as np
from keras import ops

from drcls.forward.inference import ANY_SIDE, refused
from drcls.forward.onnx import (
    computes_in_float32,
    constants_in_numpy,
    not_convertible,
    open_session,
    write_function,
)

ENGINES = ("auto", "keras", "onnx")
PACKAGES = ("onnx", "onnxruntime", "tf2onnx")  # the extra `export`
# Pixels. Seconds of converting over the seconds that onnxruntime saves a pixel, two cores: 35 million for
# EfficientNet-Lite0 at 128 px, 38 for the multi-scale network at 96 px, 45 for MobileNet and 57 for DenseNet121 at
# 224 px, 64 for DenseNet121 at 64 px, 73 for three residual blocks at 128 px. Both grow with the network's depth.
PAYS_FROM = 50_000_000
AT_ONCE = 4  # images of 224 px and what a layer makes of them stay in a core's cache
TOLERANCE = 1e-4  # of the largest answer
_CONVERTED = weakref.WeakKeyDictionary()  # model -> dict from what is computed to `_Conversion`


class ForwardPass:
    """Scores, or embeddings, of images: compiled once by Keras, and by onnxruntime where many images follow.

    Converting a network takes seconds, and a gigabyte for a deep one. It is therefore left until `expect` has
    announced 50 million pixels: 1,000 images of 224 px, 5,400 of 96 px. From about there it took less time than
    onnxruntime saves, in six measurements that stand beside `PAYS_FROM`. It happens once for each model as long as its
    weights stay as they are; who trains the model between two calls announces images anew. The first images are
    computed by both; where the answers differ by more than 1e-4 of the largest, Keras computes all. Keras also
    computes everything where onnxruntime or the converter is not installed, where TensorFlow is not the backend or
    finds a GPU, and where the network does not compute in float32.

    Args:
        forward: function of `keras.ops` from a tensor (n, ...) to a tensor (n, C), which runs the network in inference.
        model: `keras.Model` that it runs, with one input of images.
        what: str, what it computes, for messages; one model may have several.
        batch_size: int, images per step of Keras, at most.
        engine: "auto"; "keras"; or "onnx", which converts for any number of images and raises an error where "auto"
            falls back to Keras.

    Raises:
        ValueError: on another engine or a batch of no image; with "onnx", on the first call, where the network cannot
            be converted.
        RuntimeError: with "onnx", where one of the other reasons above forbids it.

    Example:

    >>> import keras, numpy as np
    >>> from drcls.forward import ForwardPass
    >>> model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> forward = ForwardPass(lambda images: model(images, training=False), model, "means")
    >>> forward.expect(5)
    >>> forward(np.ones((5, 4, 4, 3), "uint8")).shape, forward.engine
    ((5, 3), 'keras')
    """

    def __init__(self, forward, model, what, batch_size=32, engine="auto"):
        if engine not in ENGINES:
            raise ValueError(f"engine {engine!r} received; expected one of {list(ENGINES)}")
        check_batch_size(batch_size)
        if engine == "onnx" and (reason := _obstacle(model)):
            raise RuntimeError(
                f"the {what} of model {model.name!r} cannot be computed by onnxruntime: {reason}"
            )
        self.model, self.what, self.batch_size, self.wanted = model, what, batch_size, engine
        self.engine = "onnx" if engine == "onnx" else "keras"
        self._step, self._filled = _compile(forward, model)
        self._conversion, self._pixels = None, 0

    def expect(self, num_images):
        """Say that so many more images follow; all announced so far choose the engine. Open sides count as 64."""
        self._pixels += num_images * prod(side or ANY_SIDE for side in self.model.input_shape[1:-1])
        if self.wanted == "auto" and self._pixels >= PAYS_FROM and not _obstacle(self.model):
            self.engine = "onnx"
        self._conversion = None

    def __call__(self, images):
        """Return float32 NumPy (N, C) for uint8 or float (N, ...) on the model's own scale."""
        images = np.asarray(images).astype(self.model.inputs[0].dtype, copy=False)
        if self.engine == "onnx" and len(images):
            self._conversion = self._conversion or self._convert(images[:AT_ONCE])
            if self._conversion.run:
                return self._conversion.run(images)
        return self._by_keras(images)

    def _by_keras(self, images):
        parts = []
        for start in range(0, max(len(images), 1), self.batch_size):
            part = images[start : start + self.batch_size]
            missing = self.batch_size - len(part) if self._filled else 0
            rows = (
                np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)]) if missing else part
            )
            parts.append(ops.convert_to_numpy(self._step(rows))[: len(part)])
        return np.concatenate(parts)

    def _convert(self, images):
        """Return the model's conversion, a new one where there is none of the weights as they are."""
        known, weights = _CONVERTED.setdefault(self.model, {}), _digest(self.model)
        if self.what not in known or known[self.what].weights != weights:
            known[self.what] = _Conversion(weights, *self._checked(images))
            if self.wanted == "auto" and known[self.what].reason:
                warnings.warn(
                    f"{known[self.what].reason}. Keras computes the {self.what} instead", stacklevel=4
                )
        if self.wanted == "onnx" and known[self.what].reason:
            raise ValueError(known[self.what].reason)
        return known[self.what]

    def _checked(self, images):
        """Return the function through onnxruntime and None, or None and why there is none."""
        expected = self._by_keras(images)
        try:
            run = _in_threads(_open(self._step, self.model))
            received, alone = run(images), run(images[:1])
        except ValueError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base class but this
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            return None, str(refused(self.model, "ONNX", error))
        difference = np.abs(expected - received).max(initial=np.abs(expected[:1] - alone).max())
        if not difference <= TOLERANCE * np.abs(expected).max():
            return None, (
                f"the {self.what} of model {self.model.name!r} through onnxruntime differ from Keras' by "
                f"{difference:.1e}; expected at most {TOLERANCE:.0e} of the largest"
            )
        return run, None


def check_batch_size(batch_size):
    """Raise a ValueError unless it is a whole number of images, 1 or more: slices by others lose images silently."""
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of 1 or more; received {batch_size!r}")


@dataclass(frozen=True)
class _Conversion:
    """A model as it was when it was converted: the digest of its weights, and the function or why there is none."""

    weights: bytes
    run: callable
    reason: str


def _obstacle(model):
    """Return why a model is not given to onnxruntime, or None."""
    if keras.backend.backend() != "tensorflow":
        return f"the converter needs the TensorFlow backend; this is {keras.backend.backend()!r}"
    if keras.distribution.list_devices("gpu"):
        return "TensorFlow finds a GPU, and this onnxruntime computes on processors"
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        return f"{', '.join(missing)} not installed; the extra `export` of drcls installs it"
    if not computes_in_float32(model):
        return "it does not compute in float32 alone"
    return None


def _compile(forward, model):
    """Return the compiled function, and whether it is compiled for one number of images alone."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def traced(images):
            with constants_in_numpy(model):
                return forward(images)

        return tf.function(traced, input_signature=[_signature(model)], autograph=False), False
    if backend == "jax":
        import jax

        @jax.jit
        def computed(values, images):
            with keras.StatelessScope(zip(model.variables, values, strict=True)):
                return forward(images)

        # Weights are handed over at each call: what is compiled would keep those of the first.
        return lambda images: computed([variable.value for variable in model.variables], images), True
    return forward, False


def _signature(model):
    import tensorflow as tf

    return tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype, name="images")


def _open(step, model):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        try:
            write_function(step, [_signature(model)], file)
        except not_convertible() as error:
            raise refused(model, "ONNX", error) from error
        return open_session(file, num_threads=1)


def _in_threads(session):
    """Return a function that gives a few images at a time to each core.

    A session of several threads parts every layer and waits for the slowest thread after each: on two idle cores it
    took 1.1 to 1.3 times as long, and twice as long beside another process, where its threads also spin.
    """
    name, num_threads = session.get_inputs()[0].name, _num_cores()
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="forward")

    def run(images):
        size = max(1, min(AT_ONCE, len(images) // num_threads))

        def part(start):
            return session.run(None, {name: images[start : start + size]})[0]

        return np.concatenate(list(pool.map(part, range(0, len(images), size))))

    return run


def _num_cores():
    limit = int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0))  # what limits TensorFlow limits this too
    return limit or os.cpu_count() or 1


def _digest(model):
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(weight)))
    return digest.digest()
