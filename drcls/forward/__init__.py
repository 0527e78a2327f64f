"""Forward passes alone: a network for inference, and as ONNX."""

from drcls.forward.inference import inference_model
from drcls.forward.onnx import export_onnx, onnx_function

__all__ = ["export_onnx", "inference_model", "onnx_function"]
