"""The first network of the blood-cell paper's own (section 6.2): five convolutions and six dense layers.

images -> 0..1 -> 5 x (convolution 3 x 3, ReLU, max pooling 2) -> Dense 512, 256, 128, 64, 32 -> softmax
"""

import keras
from keras import layers

from drcls.models.transfer_head import name_explained_layer, probabilities_of

DENSE_UNITS = (512, 256, 128, 64, 32)


def build_five_conv_blocks(image_size, class_names, widths=(16, 32, 64, 128, 128), l2=1e-4):
    """Build the network; Glorot's normal initial weights and L2 in the convolutions, L2 in the dense layers.

    Printed are the blocks, the initialisation and the dense units 512 ... 32; filters and the strength of L2
    are chosen here.

    Args:
        image_size: int, height and width of the images in pixels, at least 32.
        class_names: list of str.
        widths: filters of the five blocks.
        l2: number, the L2 factor.

    Returns:
        keras.Model from float32 or uint8 (N, image_size, image_size, 3) in 0..255 to float32 (N, C).

    Raises:
        ValueError: where there are not five widths, or nothing is left of the image after five poolings.
    """
    if len(widths) != 5 or image_size < 32:
        raise ValueError(
            f"expected five widths and an image_size of at least 32; received {tuple(widths)} and {image_size}"
        )
    penalty = keras.regularizers.L2(l2)
    images = keras.Input((image_size, image_size, 3), name="images")
    features = layers.Rescaling(1 / 255, name="rescaling")(images)
    for number, filters in enumerate(widths, start=1):
        features = layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="glorot_normal",
            kernel_regularizer=penalty,
            name=f"block{number}_convolution",
        )(features)
        if number == 5:
            features = name_explained_layer(features)
        features = layers.MaxPooling2D(name=f"block{number}_pooling")(features)
    features = layers.Flatten(name="flat")(features)
    for units in DENSE_UNITS:
        features = layers.Dense(units, activation="relu", kernel_regularizer=penalty, name=f"dense_{units}")(
            features
        )
    probabilities = probabilities_of(features, class_names)
    return keras.Model(images, probabilities, name="five_conv_blocks")
