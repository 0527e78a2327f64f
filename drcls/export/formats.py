"""One function for every format: the file, its check against `predict`, int8 on request, and the card."""

from pathlib import Path

import keras
import numpy as np

from drcls.export.keras_file import export_keras
from drcls.export.litert import export_litert
from drcls.export.model_card import check_replaced, describe, files_beside, write_model_card
from drcls.export.quantisation import export_int8, loss_by_quantisation
from drcls.export.saved_model import export_saved_model
from drcls.forward.inference import draw_inputs, predictions
from drcls.forward.onnx import export_onnx
from drcls.models.saved import load_saved_model
from drcls.models.training_data import digest, is_model_of_run

FORMATS = {
    "keras": ("model.keras", export_keras),
    "saved_model": ("saved_model", export_saved_model),
    "onnx": ("model.onnx", export_onnx),
    "litert": ("model.tflite", export_litert),
}
INT8_FORMATS = ("onnx", "litert")


def export_model(model, to, format="onnx", int8=False, calibration=None, test=None, facts=None):
    """Write a model and its card into a folder, after comparing what was written with `predict`.

    Args:
        model: built `keras.Model`, Functional or Sequential; or the path of a `.keras` file or of a run folder, of
            which the card then tells protocol, leak audit and metrics.
        to: path of the folder: `model.keras`, `saved_model/`, `model.onnx` or `model.tflite` (`model_int8` in int8),
            `model_card.md` and `model_card.json` are written there. Earlier ones are replaced. A folder may hold
            one model in several formats.
        format: str, one of "keras", "saved_model", "onnx" and "litert".
        int8: bool, quantise; "onnx" and "litert" alone.
        calibration: uint8 or float (N, H, W, channels) in 0..255, training images that the ranges of int8 are
            measured on; a hundred or more.
        test: (images, labels) that the loss by int8 is measured on, images as for `calibration`, labels int (N,)
            or None; None: the calibration images, without labels.
        facts: dict, replaces or adds fields of the card, see `describe`.

    Returns:
        dict: "file" and "cards" paths, "format", "bytes" int, "int8" dict of `loss_by_quantisation` or None.

    Raises:
        FileNotFoundError: where there is no such model.
        RuntimeError: where the format needs another Keras backend.
        ValueError: on an unknown format, int8 without calibration images or for another format, a file that is no
            model, a model that the format cannot hold as `predict` has it, or a folder that holds another model.
    """
    check_request(format, int8, calibration)
    to = Path(to)
    card = describe(model)
    name, write = FORMATS[format]
    file, measured = to / name, None
    if int8:
        file = file.with_stem(f"{file.stem}_int8")
    if is_model_of_run(file):
        raise ValueError(f"{file} is the model of a run and would be written over; choose another folder")
    check_replaced(to, file.name)
    others = files_beside(to, file.name, card["source_sha256"])
    if not isinstance(model, keras.Model):
        model = load_saved_model(model)
    if int8:
        measured = _export_int8(model, file, format, calibration, test)
    else:
        write(model, file)
    size = sum(part.stat().st_size for part in (file, *file.rglob("*")) if part.is_file())
    written = {"file": file.name, "format": format, "bytes": size, "int8": measured}
    files = others | {file.name: digest(file)}
    cards = write_model_card(to, model, card | written | {"files": files} | (facts or {}))
    return written | {"file": file, "cards": cards}


def check_request(format, int8=False, calibration=None):
    """Refuse what cannot be asked for, before anything is loaded."""
    if format not in FORMATS:
        raise ValueError(f"format {format!r} received; expected one of {list(FORMATS)}")
    if int8 and format not in INT8_FORMATS:
        raise ValueError(f"int8 is written as one of {list(INT8_FORMATS)}; received the format {format!r}")
    if int8 and (calibration is None or len(calibration) == 0):
        raise ValueError("int8 needs training images that its ranges are measured on; received none")
    if calibration is not None and not int8:
        raise ValueError("calibration images serve int8 alone; received some without int8")


def _export_int8(model, file, format, calibration, test):
    calibration = np.asarray(calibration)
    expected = keras.tree.flatten(draw_inputs(model, 1))[0].shape[1:]
    images, labels = (calibration, None) if test is None else test
    for given in (calibration, np.asarray(images)):
        if given.shape[1:] != expected:
            raise ValueError(f"images have the shape {given.shape}; the model expects (N, {expected})")
    run = export_int8(model, file, format, calibration)
    starts = range(0, len(images), 32)
    parts = [np.asarray(images[start : start + 32]).astype("float32") for start in starts]
    before = np.concatenate([predictions(model, part)[0] for part in parts])
    measured = loss_by_quantisation(before, np.concatenate([run(part) for part in parts]), labels)
    on = "calibration images" if test is None else "test images"
    return {"calibration_images": len(calibration), "measured_on": on, **measured}
