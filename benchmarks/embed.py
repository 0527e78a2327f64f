"""Embeddings of a frozen backbone: ours through Keras and onnxruntime, against `model.predict` called plainly."""

import keras
import numpy as np

from benchmarks.comparison import Comparison
from drcls.models import build_backbone, build_embedding_model, embed

NUM_IMAGES, SIZE = 64, 224
LIMITS = {
    "Keras": "The same forward pass of the same library on the same cores.",
    "onnxruntime": "Profiled on two cores with AVX-512: convolutions take 98 % of the time of MobileNet and 90 % of "
    "that of DenseNet121, transposes 1 % or less. One core computes DenseNet121 at 215 billion operations a second, as "
    "fast as onnxruntime multiplies two matrices of 1024 x 1024 (210), TensorFlow at 158: float32 leaves no second "
    "factor of two.",
}


def comparisons():
    images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    for name in ("MobileNet", "DenseNet121"):
        keras.utils.set_random_seed(0)
        backbone = build_backbone(name, SIZE)
        model = build_embedding_model(backbone)
        compiled = {"forward": model.predict_on_batch}
        yield against_predict(name, backbone, model, images, "Keras", compiled)
        yield against_predict(name, backbone, model, images, "onnxruntime", {"engine": "onnx"})


def against_predict(name, backbone, model, images, engine, options):
    def ours():
        return embed(backbone, images, **options)

    def plain():
        return model.predict(images.astype("float32"), verbose=0)

    def check():
        expected = plain()
        np.testing.assert_allclose(ours(), expected, rtol=0, atol=1e-4 * np.abs(expected).max())

    return Comparison(
        what=f"embeddings of {name} at {SIZE} px, {engine}",
        ours=ours,
        peers={"model.predict": plain},
        goals={"model.predict": 2 if engine == "onnxruntime" else 1},
        work=NUM_IMAGES,
        check=check,
        how=f"{NUM_IMAGES} images, random weights, pooled; compiling and converting are not timed.",
        limits=LIMITS[engine],
    )
