"""Models for places without this package: `.keras`, TensorFlow SavedModel, ONNX and LiteRT, each with a card."""

from drcls.export.formats import FORMATS, export_model
from drcls.export.keras_file import export_keras
from drcls.export.litert import export_litert
from drcls.export.model_card import describe, write_model_card
from drcls.export.saved_model import export_saved_model
from drcls.forward.inference import inference_model
from drcls.forward.onnx import export_onnx, onnx_function

__all__ = [
    "FORMATS",
    "describe",
    "export_keras",
    "export_litert",
    "export_model",
    "export_onnx",
    "export_saved_model",
    "inference_model",
    "onnx_function",
    "write_model_card",
]
