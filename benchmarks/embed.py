"""Embeddings of a frozen backbone: ours through Keras and onnxruntime, against `model.predict` called plainly."""

import keras
import numpy as np

from benchmarks.comparison import Comparison
from drcls.export import onnx_function
from drcls.models import build_backbone, build_embedding_model, embed

NUM_IMAGES, SIZE = 64, 224


def comparisons():
    images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    for name in ("MobileNet", "DenseNet121"):
        keras.utils.set_random_seed(0)
        backbone = build_backbone(name, SIZE)
        model = build_embedding_model(backbone)
        engines = {"Keras": model.predict_on_batch, "onnxruntime": onnx_function(model)}
        for engine, forward in engines.items():
            yield against_predict(name, backbone, model, images, engine, forward)


def against_predict(name, backbone, model, images, engine, forward):
    def ours():
        return embed(backbone, images, forward=forward)

    def plain():
        return model.predict(images.astype("float32"), verbose=0)

    return Comparison(
        what=f"embeddings of {name} at {SIZE} px, {engine}",
        ours=ours,
        peers={"model.predict": plain},
        goals={"model.predict": 2 if engine == "onnxruntime" else 1},
        work=NUM_IMAGES,
        check=lambda: np.testing.assert_allclose(ours(), plain(), atol=1e-4),
        how=f"{NUM_IMAGES} images, random weights, pooled; compiling and exporting are not timed.",
        limits="The same forward pass of the same library on the same cores." if engine == "Keras" else "",
    )
