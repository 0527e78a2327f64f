"""ONNX: a file that onnxruntime runs without Keras or TensorFlow, on a CPU often faster than they do."""

import contextlib
import os
import tempfile
from pathlib import Path

import keras

from drcls.forward.inference import (
    check_equal,
    inference_model,
    iterate_leaves,
    need_built,
    need_tensorflow,
    refused,
    temporary_folder,
)


def export_onnx(model, file):
    """Write a model as ONNX in float32, with a free batch size and the model's names of its inputs.

    Load it with `session = onnxruntime.InferenceSession(file)`, call
    `session.run(None, {session.get_inputs()[0].name: images})`. What it gives was compared with `predict` before
    the file appeared.

    Args:
        model: built `keras.Model`, Functional or Sequential. One trained in mixed precision is exported in float32,
            since the converter writes bfloat16 graphs that onnxruntime cannot load.
        file: path of the `.onnx` file to write; an earlier file is replaced.

    Returns:
        Path of the file.

    Raises:
        RuntimeError: on a Keras backend other than TensorFlow.
        ValueError: where the model is not built, cannot be written, or would not give what `predict` gives.
    """
    need_tensorflow("ONNX")
    need_built(model)
    file = Path(file)
    if not computes_in_float32(model):
        model = copy_in_float32(model)
    with temporary_folder(file.parent) as temporary:
        _write(model, temporary / "new.onnx")
        try:
            run = run_onnx(temporary / "new.onnx", inference_model(model).input)
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base class but this
            raise refused(model, "ONNX", error) from error
        check_equal(model, run, "the ONNX file")
        (temporary / "new.onnx").replace(file)
    return file


def onnx_function(model, num_threads=0):
    """Compile a model to a function through onnxruntime, which is often faster than Keras on a CPU.

    Args:
        model: built `keras.Model` with one input.
        num_threads: int; 0: all cores.

    Returns:
        function float32 (N, ...) -> float32 (N, ...).

    Raises:
        RuntimeError, ValueError: as `export_onnx`.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(export_onnx(model, Path(folder) / "model.onnx"), num_threads)
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def open_session(file, num_threads=0):
    """Open an ONNX file on the CPU with this many threads; 0: all cores."""
    import onnxruntime  # the extra `export`

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def run_onnx(file, structure):
    """Return the function of an ONNX file: inputs in the model's structure -> list of arrays, one per output."""
    session = open_session(file)
    names = [tensor.name for tensor in session.get_inputs()]
    expected = [tensor.name for tensor in keras.tree.flatten(structure)]

    def run(inputs):
        arrays = dict(zip(expected, keras.tree.flatten(inputs), strict=True))
        return session.run(None, {name: arrays[name] for name in names})

    return run


def write_function(function, signature, file):
    """Write a TensorFlow function as ONNX.

    Its weights become constants of the file. Half of tf2onnx's time goes into copies of the whole graph, which it
    takes before each of its optimisations so that one that fails is left out. They are made only where one fails.

    Args:
        function: `tf.function`.
        signature: list with its only argument: `tf.TensorSpec`, or the structure of them.
        file: path of the file to write.

    Raises:
        ValueError, TypeError, KeyError, NotImplementedError, tf.errors.OpError and others: where it cannot be written,
            see `not_convertible`.
    """
    import tf2onnx  # the extra `export`

    def write():
        tf2onnx.convert.from_function(function, signature, output_path=str(file))

    try:
        with _without_copies():
            write()
    except not_convertible():
        write()


def not_convertible():
    """Return the errors by which TensorFlow and tf2onnx refuse a network."""
    import tensorflow as tf

    return ValueError, TypeError, LookupError, AttributeError, NotImplementedError, tf.errors.OpError


@contextlib.contextmanager
def _without_copies():
    name = "TF2ONNX_CATCH_ERRORS"  # of tf2onnx
    before = os.environ.get(name)
    os.environ[name] = "FALSE"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _write(model, file):
    import tensorflow as tf

    wrapped = inference_model(model)
    signature = keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name), wrapped.input
    )
    function = tf.function(lambda inputs: wrapped(inputs, training=False), autograph=False)
    try:
        with constants_in_numpy(model):
            write_function(function, [signature], file)
    except not_convertible() as error:
        raise refused(model, "ONNX", error) from error


def computes_in_float32(model):
    return all(
        layer.compute_dtype == "float32"
        for layer in iterate_leaves(model)
        if not isinstance(layer, keras.layers.InputLayer)
    )


@contextlib.contextmanager
def constants_in_numpy(model):
    """Hold tensors that layers keep beside their weights as NumPy arrays, which are traced as constants.

    Normalization keeps its mean and variance so. tf2onnx takes them for further inputs of the network.
    """
    import tensorflow as tf

    kept = [
        (layer, name, value)
        for layer in iterate_leaves(model)
        for name, value in vars(layer).items()
        if isinstance(value, tf.Tensor)
    ]
    try:
        for layer, name, value in kept:
            setattr(layer, name, value.numpy())
        yield
    finally:
        for layer, name, value in kept:
            setattr(layer, name, value)


def copy_in_float32(model):
    """Return a model of the same weights that computes in float32 throughout."""

    def clone(layer):
        # Operations, such as `ops.flip`, have no dtype of their own.
        dtype = {"dtype": "float32"} if isinstance(layer, keras.layers.Layer) else {}
        return type(layer).from_config(layer.get_config() | dtype)

    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    copy.set_weights(model.get_weights())
    return copy
