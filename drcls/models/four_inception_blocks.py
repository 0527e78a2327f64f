"""The third network of the blood-cell paper's own (section 6.2): four inception blocks.

images -> 0..1 -> 4 x (1 x 1 | 3 x 3 | 5 x 5 | pooling, concatenated, max pooling 2) -> Dense 128, 64, 32 -> softmax
"""

import keras
from keras import layers

from drcls.models.blocks import convolve
from drcls.models.transfer_head import name_explained_layer, probabilities_of

DENSE_UNITS = (128, 64, 32)


def build_four_inception_blocks(image_size, class_names, widths=(8, 16, 24, 32)):
    """Build the network.

    Printed are four blocks of parallel convolutions of differing kernel sizes, combined with pooling, and fully
    connected layers of falling size. Chosen here: Szegedy's four paths with 1 x 1 reductions before the larger
    kernels, a convolution of stride 2 before the first block, batch normalisation, dense units.

    Args:
        image_size: int, height and width of the images in pixels, at least 32.
        class_names: list of str.
        widths: filters of each of the four paths, one number a block; its output has four times as many.

    Returns:
        keras.Model from float32 or uint8 (N, image_size, image_size, 3) in 0..255 to float32 (N, C).

    Raises:
        ValueError: where there are not four widths or the image is too small.
    """
    if len(widths) != 4 or image_size < 32:
        raise ValueError(
            f"expected four widths and an image_size of at least 32; received {tuple(widths)} and {image_size}"
        )
    images = keras.Input((image_size, image_size, 3), name="images")
    features = layers.Rescaling(1 / 255, name="rescaling")(images)
    features = convolve(features, 16, 3, strides=2, name="stem")
    for number, filters in enumerate(widths, start=1):
        features = _inception(features, filters, f"block{number}")
        if number == len(widths):
            features = name_explained_layer(features)
        features = layers.MaxPooling2D(name=f"block{number}_pooling")(features)
    features = layers.GlobalAveragePooling2D(name="pooling")(features)
    for units in DENSE_UNITS:
        features = layers.Dense(units, activation="relu", name=f"dense_{units}")(features)
    probabilities = probabilities_of(features, class_names)
    return keras.Model(images, probabilities, name="four_inception_blocks")


def _inception(features, filters, name):
    """Four parallel paths over the same features (Szegedy et al., 2015): (N, h, w, C) -> (N, h, w, 4 filters)."""
    reduced = max(1, filters // 2)
    pooled = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_path_pooled")(features)
    paths = [
        convolve(features, filters, 1, name=f"{name}_1x1"),
        convolve(convolve(features, reduced, 1, name=f"{name}_3x3_reduce"), filters, 3, name=f"{name}_3x3"),
        convolve(convolve(features, reduced, 1, name=f"{name}_5x5_reduce"), filters, 5, name=f"{name}_5x5"),
        convolve(pooled, filters, 1, name=f"{name}_pool"),
    ]
    return layers.Concatenate(name=f"{name}_paths")(paths)
