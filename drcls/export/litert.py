"""LiteRT (once TensorFlow Lite): a file for telephones and small boards."""

from pathlib import Path

import keras

from drcls.export.saved_model import write_saved_model
from drcls.forward.inference import (
    check_equal,
    inference_model,
    need_built,
    need_tensorflow,
    refused,
    temporary_folder,
)
from drcls.forward.onnx import computes_in_float32, copy_in_float32


def export_litert(model, file):
    """Write a model as LiteRT in float32, made of its built-in operations alone, with a free batch size.

    Load it with `interpreter = ai_edge_litert.interpreter.Interpreter(file)`. What it gives was compared with
    `predict` before the file appeared.

    Args:
        model: built `keras.Model`, Functional or Sequential.
        file: path of the `.tflite` file to write; an earlier file is replaced.

    Returns:
        Path of the file.

    Raises:
        RuntimeError: on a Keras backend other than TensorFlow.
        ValueError: where the model is not built, needs operations that LiteRT does not have, or would not give
            what `predict` gives.
    """
    need_tensorflow("LiteRT")
    need_built(model)
    if not computes_in_float32(model):
        model = copy_in_float32(model)
    file = Path(file)
    with temporary_folder(file.parent) as temporary:
        content = convert_litert(model, temporary)
        check_equal(model, run_litert(content, inference_model(model).input), "the LiteRT file")
        (temporary / "new.tflite").write_bytes(content)
        (temporary / "new.tflite").replace(file)
    return file


def convert_litert(model, folder, representative=None):
    """Convert a model: bytes of the `.tflite` file.

    Args:
        model: built `keras.Model`.
        folder: Path of a folder for the SavedModel in between.
        representative: None: float32. Otherwise float32 (N, H, W, 3), images to calibrate int8 on; inputs and outputs
            stay float32.
    """
    import tensorflow as tf

    write_saved_model(model, folder / "saved")
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if representative is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in representative)
    try:
        return converter.convert()
    except Exception as error:  # noqa: BLE001 - the converter's errors share no base class but this
        raise refused(model, "LiteRT", error) from error


def run_litert(content, structure):
    """Return the function of a LiteRT file: inputs in the model's structure -> list of arrays, one per output."""
    import tensorflow as tf

    runner = tf.lite.Interpreter(model_content=content).get_signature_runner("serving_default")
    names = [tensor.name for tensor in keras.tree.flatten(structure)]

    def run(inputs):
        outputs = runner(**dict(zip(names, keras.tree.flatten(inputs), strict=True)))
        return [outputs[name] for name in sorted(outputs, key=_number)]

    return run


def _number(name):
    """`output_12` -> 12."""
    return int(name.rpartition("_")[2])
