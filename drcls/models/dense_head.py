"""The classifier of the blood-cell paper (Table 1) on a frozen or partly trained backbone.

Paper: "AN2DL - First Homework Report", Caridi, Girolami, Tas and Tang, 2024.
"""

import keras
from keras import layers

from drcls.models.transfer_head import name_explained_layer, probabilities_of

UNITS = (512, 256)
DROPOUT_RATE = 0.5
L2 = 1e-4


def build_dense_head(num_features, class_names, seed=None, l2=L2):
    """Build the head alone: Dense 512, dropout 0.5, Dense 256, dropout 0.5, one score per class, softmax.

    Trained on the pooled features of a frozen backbone it ends with the weights that it would have inside the
    whole network, without computing the features anew in every epoch. The strength of L2 is not printed.

    Args:
        num_features: int, channels of the backbone's feature map.
        class_names: list of str.
        seed: int or None, of the two dropouts; None draws one.
        l2: number, the L2 factor of the two dense kernels.

    Returns:
        keras.Model from float32 (N, num_features) to float32 (N, C) probabilities.

    Reference: Table 1; its first line, global average pooling, is `build_embedding_model`.
    """
    pooled = keras.Input((num_features,), name="pooled")
    features = pooled
    for number, units in enumerate(UNITS):
        penalty = keras.regularizers.L2(l2)
        dense = layers.Dense(units, activation="relu", kernel_regularizer=penalty, name=f"dense_{units}")
        dropout_seed = None if seed is None else seed + number
        features = layers.Dropout(DROPOUT_RATE, seed=dropout_seed, name=f"dropout_{units}")(dense(features))
    probabilities = probabilities_of(features, class_names)
    return keras.Model(pooled, probabilities, name="dense_head")


def attach_head(backbone, head):
    """Put a head on a backbone: backbone, global average pooling, the head's own layers.

    The backbone runs in inference mode whatever is trained: its batch normalisation keeps the averages of the
    images that it comes from.

    Args:
        backbone: keras.Model from `build_backbone`.
        head: keras.Model from `build_dense_head`; its weights are shared, not copied.

    Returns:
        keras.Model from float32 or uint8 (N, H, W, 3) in 0..255 to float32 (N, C) probabilities.
    """
    images = keras.Input(backbone.input_shape[1:], name="images")
    features = name_explained_layer(backbone(images, training=False))
    features = layers.GlobalAveragePooling2D(name="pooling", dtype="float32")(features)
    for layer in head.layers[1:]:
        features = layer(features)
    return keras.Model(images, features, name="transfer_classifier")
