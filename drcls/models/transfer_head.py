"""From a feature map to class probabilities: the head that all transfer-learning rows share."""

import keras

from drcls.layers import ClassProbabilities

EXPLAINED = "features"


def name_explained_layer(features):
    """Give the feature map that Grad-CAM explains the name it is found by, and pass it on unchanged."""
    return keras.layers.Activation("linear", name=EXPLAINED)(features)


def normalised(features):
    """Give every place of a feature map mean 0 and variance 1 over its channels, then a gain and an offset.

    A backbone that does not end in a normalisation (SqueezeNet, VGG) gives activations of any size, which
    saturate the sigmoids and softmaxes of attention and drown the head's small first weights.
    """
    return keras.layers.LayerNormalization(epsilon=1e-6, name="normalisation")(features)


def probabilities_of(features, class_names, kernel_initializer="glorot_uniform"):
    """Turn features (N, D) into named probabilities (N, C): one score per class, softmax."""
    scores = keras.layers.Dense(len(class_names), kernel_initializer=kernel_initializer, name="scores")(
        features
    )
    return ClassProbabilities(class_names, explain_layer=EXPLAINED, name="probabilities")(scores)


def classification_head(pooled, class_names, dropout_rate):
    """Turn pooled features into named probabilities: dropout, one score per class, softmax.

    The scores start at zero: the first loss is log C whatever the scale of the features, and the first steps
    do not undo confident guesses in random classes.
    """
    pooled = keras.layers.Dropout(dropout_rate, name="dropout")(pooled)
    return probabilities_of(pooled, class_names, "zeros")


def build_transfer_classifier(backbone, class_names, dropout_rate=0.3, normalise=False):
    """Build a baseline: backbone, global average pooling, dropout, softmax.

    Args:
        backbone: keras.Model from `build_backbone`.
        class_names: list of str.
        dropout_rate: float in [0, 1). The paper names dropout without its rate.
        normalise: bool, whether to normalise the feature map over its channels (see `normalised`), for a
            backbone that does not end in a normalisation. No part of a paper.

    Returns:
        keras.Model from float32 or uint8 (N, H, W, 3) in 0..255 to float32 (N, C) probabilities.
    """
    images = keras.Input(backbone.input_shape[1:], name="images")
    features = backbone(images)
    features = name_explained_layer(normalised(features) if normalise else features)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooling")(features)
    return keras.Model(
        images, classification_head(pooled, class_names, dropout_rate), name="transfer_classifier"
    )
