"""Miniature relatives of DenseNet-121 and ResNet-50, for grids of many trainings on a CPU.

They keep what makes the two architectures different, concatenation here and addition there, and nothing of their
depth: a result of a tiny is never one of its namesake.
"""

import keras
from keras import layers

from drcls.models.transfer_head import classification_head, name_explained_layer


def build_tiny_densenet(image_size, class_names, growth=12, layers_per_block=2, num_blocks=3):
    """Build dense blocks, each layer seeing all before it, with halving transitions (Huang et al., 2017).

    Args:
        image_size: int, height and width of the images in pixels.
        class_names: list of str.
        growth: int, channels that each layer adds.
        layers_per_block: int.
        num_blocks: int; the size is quartered before the first block and halved between blocks.

    Returns:
        keras.Model from float32 or uint8 (N, image_size, image_size, 3) in 0..255 to float32 (N, C)
        probabilities; 23,859 weights with the defaults and three classes.
    """
    images, features = _stem(image_size, 2 * growth)
    for block in range(1, num_blocks + 1):
        if block > 1:
            features = _convolve(features, features.shape[-1] // 2, 1, name=f"transition{block}")
            features = layers.AveragePooling2D(2, name=f"transition{block}_pool")(features)
        for number in range(1, layers_per_block + 1):
            name = f"block{block}_layer{number}"
            grown = _convolve(features, growth, 3, name=name)
            features = layers.Concatenate(name=f"{name}_all")([features, grown])
    return _head(images, features, class_names, "tiny_densenet")


def build_tiny_resnet(image_size, class_names, widths=(16, 32, 64)):
    """Build residual blocks, each adding to what it received, one a width (He et al., 2016).

    Args:
        image_size: int, height and width of the images in pixels.
        class_names: list of str.
        widths: channels of each block; the size is quartered before the first block and halved between blocks.

    Returns:
        keras.Model from float32 or uint8 (N, image_size, image_size, 3) in 0..255 to float32 (N, C)
        probabilities; 77,987 weights with the defaults and three classes.
    """
    images, features = _stem(image_size, widths[0])
    for block, width in enumerate(widths, start=1):
        strides, name = 1 if block == 1 else 2, f"block{block}"
        added = _convolve(features, width, 3, strides, name=f"{name}_first")
        added = _convolve(added, width, 3, name=f"{name}_second")
        if strides > 1:
            features = layers.Conv2D(width, 1, strides, name=f"{name}_project")(features)
        features = layers.Add(name=f"{name}_sum")([features, added])
    return _head(images, features, class_names, "tiny_resnet")


def _stem(image_size, filters):
    """0..255 to -1..1, then as in both: a convolution and a pooling that each halve the size."""
    images = keras.Input((image_size, image_size, 3), name="images")
    features = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)
    features = layers.Conv2D(filters, 3, 2, padding="same", name="stem")(features)
    return images, layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(features)


def _convolve(features, filters, kernel_size, strides=1, *, name):
    """Batch normalisation, ReLU, convolution: the order of DenseNet and of ResNet's second version."""
    # Keras' momentum of 0.99 needs hundreds of steps to forget its initial values.
    features = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(features)
    features = layers.ReLU(name=f"{name}_relu")(features)
    return layers.Conv2D(filters, kernel_size, strides, padding="same", use_bias=False, name=name)(features)


def _head(images, features, class_names, name):
    features = layers.BatchNormalization(momentum=0.9, name="norm")(features)
    features = name_explained_layer(layers.ReLU(name="relu")(features))
    pooled = layers.GlobalAveragePooling2D(name="pooling")(features)
    return keras.Model(images, classification_head(pooled, class_names, 0.0), name=name)
