"""Features of a frozen backbone, one vector an image."""

import keras
import numpy as np
from tqdm import tqdm


def embed(backbone, images, batch_size=32):
    """Pool a backbone's feature map to one vector per image.

    Args:
        backbone: keras.Model from `build_backbone`, giving (N, h, w, C).
        images: uint8 (N, H, W, 3) in 0..255, memory-mapped or not; read a batch at a time.
        batch_size: int.

    Returns:
        float32 (N, C), the average over the feature map.
    """
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.outputs[0])
    model = keras.Model(backbone.inputs[0], pooled)
    features = np.empty((len(images), pooled.shape[-1]), dtype=np.float32)
    for start in tqdm(range(0, len(images), batch_size), desc="embedding", unit="batch"):
        batch = np.asarray(images[start : start + batch_size], dtype=np.float32)
        features[start : start + batch_size] = np.asarray(model.predict_on_batch(batch))
    return features
