"""Forward passes alone: a network for inference, as ONNX, and by the fastest engine that is installed."""

from drcls.forward.fastest import ENGINES, PAYS_FROM, ForwardPass, check_batch_size
from drcls.forward.inference import inference_model
from drcls.forward.onnx import export_onnx, onnx_function

__all__ = [
    "ENGINES",
    "PAYS_FROM",
    "ForwardPass",
    "check_batch_size",
    "export_onnx",
    "inference_model",
    "onnx_function",
]
