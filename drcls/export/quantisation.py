"""int8 by static quantisation: weights and activations on 256 levels, whose range is measured on images.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference" (CVPR 2018), section 2; the scales are per output channel for weights (onnxruntime and LiteRT).
"""

from pathlib import Path

import numpy as np

from drcls.export.litert import convert_litert, run_litert
from drcls.forward.inference import inference_model, refused, temporary_folder
from drcls.forward.onnx import export_onnx, run_onnx

BATCH = 16


def export_int8(model, file, format, calibration):
    """Write a model in int8.

    Args:
        model: built `keras.Model` with one input of images.
        file: path of the `.onnx` or `.tflite` file to write; an earlier file is replaced.
        format: str, "onnx" or "litert".
        calibration: uint8 or float (N, H, W, channels), training images that the ranges are measured on.

    Returns:
        function (N, H, W, channels) -> float32 (N, C), of the file that was written.

    Raises:
        ValueError: where the model cannot be quantised.
    """
    file, images = Path(file), np.asarray(calibration, "float32")
    structure = inference_model(model).input
    with temporary_folder(file.parent) as temporary:
        if format == "litert":
            content = convert_litert(model, temporary, images)
            (temporary / "new").write_bytes(content)
            run = run_litert(content, structure)
        else:
            export_onnx(model, temporary / "float.onnx")
            _quantise_onnx(model, temporary, images)
            run = run_onnx(temporary / "new", structure)
        (temporary / "new").replace(file)
    return lambda inputs: run(np.asarray(inputs, "float32"))[0]


def loss_by_quantisation(expected, received, labels=None):
    """Say what int8 costs on the same images.

    Args:
        expected, received: float (N, C), outputs of the float32 and of the int8 network.
        labels: int (N,), true classes, or None.

    Returns:
        dict: "images" int; "same_class" float in 0..1, share of images whose most probable class is the same;
        "mean_difference" and "largest_difference" float, of the outputs; with labels also "accuracy_float32" and
        "accuracy_int8" in 0..1, else None.
    """
    before, after = expected.argmax(axis=1), received.argmax(axis=1)
    accuracies = [None, None]
    if labels is not None:
        accuracies = [float((predicted == np.asarray(labels)).mean()) for predicted in (before, after)]
    return {
        "images": len(expected),
        "same_class": float((before == after).mean()),
        "mean_difference": float(np.abs(expected - received).mean()),
        "largest_difference": float(np.abs(expected - received).max()),
        "accuracy_float32": accuracies[0],
        "accuracy_int8": accuracies[1],
    }


def _quantise_onnx(model, folder, images):
    """Quantise `float.onnx` of a folder into `new`, a batch norm first multiplied into the convolution before it.

    Left apart, as behind a depthwise convolution, its factors are rounded to 8 bits a second time: EfficientNet-Lite0,
    trained on APTOS 2019, then answered one image in nine differently. Weights keep all 8 bits. With 7, which
    processors without VNNI (x86 before 2019) would need, more answers change.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            name = inference_model(model).inputs[0].name
            starts = range(0, len(images), BATCH)
            self.batches = iter([{name: images[start : start + BATCH]} for start in starts])

        def get_next(self):
            return next(self.batches, None)

    try:
        quant_pre_process(folder / "float.onnx", folder / "fused.onnx", skip_symbolic_shape=True)
        quantize_static(
            folder / "fused.onnx",
            folder / "new",
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base class but this
        raise refused(model, "int8 ONNX", error) from error
