"""Models for places without this package: TensorFlow SavedModel and ONNX."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import keras


def export_saved_model(model, folder):
    """Write a model as a SavedModel that needs TensorFlow alone.

    Load it with `loaded = tf.saved_model.load(folder)`, call `loaded.serve(images)`.

    Args:
        model: built `keras.Model`.
        folder: path of the folder to write; an earlier SavedModel there is replaced.

    Returns:
        Path of the folder.

    Raises:
        RuntimeError: on a Keras backend other than TensorFlow.
        ValueError: where the model is not built.
        FileExistsError: where the path exists and is no SavedModel.
    """
    _need_tensorflow("a SavedModel")
    _need_built(model)
    folder = Path(folder)
    if folder.exists() and not (folder / "saved_model.pb").is_file():
        raise FileExistsError(
            f"{folder} exists and is not a SavedModel; expected a new folder or a SavedModel"
        )
    with _temporary_folder(folder.parent) as temporary:
        model.export(temporary / "new", format="tf_saved_model", verbose=False)
        if folder.exists():
            folder.replace(temporary / "old")  # a folder that holds files cannot be written over
        (temporary / "new").replace(folder)
    return folder


def export_onnx(model, file):
    """Write a model as ONNX in float32, with a free batch size.

    Load it with `session = onnxruntime.InferenceSession(file)`, call
    `session.run(None, {session.get_inputs()[0].name: images})`.

    Args:
        model: built `keras.Model`. One trained in mixed precision is exported in float32, since the converter
            writes bfloat16 graphs that onnxruntime cannot load.
        file: path of the `.onnx` file to write; an earlier file is replaced.

    Returns:
        Path of the file.

    Raises:
        RuntimeError: on a Keras backend other than TensorFlow.
        ValueError: where the model is not built.
    """
    _need_tensorflow("ONNX")
    _need_built(model)
    file = Path(file)
    if not _computes_in_float32(model):
        model = _copy_in_float32(model)
    with _temporary_folder(file.parent) as temporary:
        # Given a signature, Keras does not ask for the model to have been called before.
        signature = [
            keras.InputSpec(shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
            for tensor in model.inputs
        ]
        with _normalization_in_numpy(model):
            model.export(temporary / "new", format="onnx", verbose=False, input_signature=signature)
        (temporary / "new").replace(file)
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
    import onnxruntime  # the extra `export`

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    with tempfile.TemporaryDirectory() as folder:
        file = export_onnx(model, Path(folder) / "model.onnx")
        session = onnxruntime.InferenceSession(file, options)
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def _need_tensorflow(what):
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"exporting {what} needs the TensorFlow backend; this is {backend!r}. A .keras file loads on "
            "every backend: set KERAS_BACKEND=tensorflow and export from there"
        )


def _need_built(model):
    if not model.built:
        raise ValueError(f"model {model.name!r} has not been built; give it an Input or call it once")


def _computes_in_float32(model):
    return all(
        layer.compute_dtype == "float32"
        for layer in _layers(model)
        if not isinstance(layer, keras.layers.InputLayer)
    )


def _layers(model):
    """Yield every layer that is no model itself, of nested models too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


@contextlib.contextmanager
def _normalization_in_numpy(model):
    """Hold the mean and variance of Normalization layers as NumPy arrays, which are traced as constants.

    Keras holds them as tensors, which tf2onnx takes for further inputs of the network.
    """
    layers = [layer for layer in _layers(model) if isinstance(layer, keras.layers.Normalization)]
    tensors = [(layer.mean, layer.variance) for layer in layers]
    try:
        for layer, moments in zip(layers, tensors, strict=True):
            layer.mean, layer.variance = map(keras.ops.convert_to_numpy, moments)
        yield
    finally:
        for layer, moments in zip(layers, tensors, strict=True):
            layer.mean, layer.variance = moments


def _copy_in_float32(model):
    def clone(layer):
        # Operations, such as `ops.flip`, have no dtype of their own.
        dtype = {"dtype": "float32"} if isinstance(layer, keras.layers.Layer) else {}
        return type(layer).from_config(layer.get_config() | dtype)

    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


@contextlib.contextmanager
def _temporary_folder(parent):
    """Make a folder beside the result, so that the finished result is moved and never half there."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".export-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
