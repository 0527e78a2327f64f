"""TensorFlow SavedModel: a folder that TensorFlow alone can run."""

from pathlib import Path

import keras

from drcls.forward.inference import (
    check_equal,
    inference_model,
    need_built,
    need_tensorflow,
    refused,
    temporary_folder,
)


def export_saved_model(model, folder):
    """Write a model as a SavedModel that needs TensorFlow alone, with a free batch size.

    Load it with `loaded = tf.saved_model.load(folder)`, call `loaded.serve(images)`. What it gives was compared
    with `predict` before the folder appeared.

    Args:
        model: built `keras.Model`, Functional or Sequential.
        folder: path of the folder to write; an earlier SavedModel there is replaced.

    Returns:
        Path of the folder.

    Raises:
        RuntimeError: on a Keras backend other than TensorFlow.
        ValueError: where the model is not built, cannot be written, or would not give what `predict` gives.
        FileExistsError: where the path exists and is no SavedModel.
    """
    need_tensorflow("a SavedModel")
    need_built(model)
    folder = Path(folder)
    if folder.exists() and not (folder / "saved_model.pb").is_file():
        raise FileExistsError(
            f"{folder} exists and is not a SavedModel; expected a new folder or a SavedModel"
        )
    with temporary_folder(folder.parent) as temporary:
        write_saved_model(model, temporary / "new")
        check_equal(model, run_saved_model(temporary / "new"), "the SavedModel")
        if folder.exists():
            folder.replace(temporary / "old")  # a folder that holds files cannot be written over
        (temporary / "new").replace(folder)
    return folder


def write_saved_model(model, folder):
    """Write the inference network of a model as a SavedModel, unchecked."""
    import tensorflow as tf

    wrapped = inference_model(model)
    try:
        wrapped.export(folder, format="tf_saved_model", verbose=False)
    except (ValueError, TypeError, NotImplementedError, AssertionError, tf.errors.OpError) as error:
        raise refused(model, "SavedModel", error) from error


def run_saved_model(folder):
    """Return the function of a SavedModel: inputs -> list of arrays, one per output."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    return lambda inputs: keras.tree.flatten(loaded.serve(keras.tree.map_structure(tf.constant, inputs)))
