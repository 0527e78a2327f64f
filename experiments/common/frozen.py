"""Train the layers behind a frozen backbone on feature maps that are computed once."""

import keras
import numpy as np

from drcls.data import Features
from drcls.runs import save_model
from experiments.common.training import train_and_predict


def feature_maps(cache, backbone):
    """Compute the feature maps of a data set, in memory.

    Args:
        cache: `ImageCache` of the data set.
        backbone: keras.Model from `build_backbone`.

    Returns:
        `Features` with `images` float32 (N, h, w, C), one feature map an image.
    """
    maps = [
        backbone.predict_on_batch(np.asarray(cache.images[start : start + 32], np.float32))
        for start in range(0, len(cache.images), 32)
    ]
    return Features(np.concatenate(maps), cache.paths)


def fit_frozen(model, backbone, loss, config, cache, parts, folder, callbacks=()):
    """Train everything behind a backbone, save the whole network, and predict the test part.

    Args:
        model: keras.Model whose first layer after the images is `backbone`.
        backbone: keras.Model from `build_backbone`; its weights and statistics stay.
        loss, config, cache, parts, folder, callbacks: as for `train_and_predict`. Images cannot be augmented.

    Returns:
        As `train_and_predict`.
    """
    backbone.trainable = False
    first_behind = model.layers[model.layers.index(backbone) + 1]
    behind = keras.Model(first_behind.input, model.output)
    maps = feature_maps(cache, backbone)
    predicted = train_and_predict(
        behind, loss, config | {"augmentation": None}, maps, parts, folder, callbacks
    )
    save_model(model, folder / "model.keras")
    return predicted
