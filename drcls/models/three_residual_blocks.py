"""The second network of the blood-cell paper's own (section 6.2): three residual blocks, 32 to 128 filters.

images -> -1..1 -> convolution, stride 2 -> 3 x (halving, residual block) -> Dense with dropout -> softmax
"""

import keras
from keras import layers

from drcls.models.blocks import convolve, residual_block
from drcls.models.transfer_head import classification_head, name_explained_layer


def build_three_residual_blocks(
    image_size, class_names, widths=(32, 64, 128), dense_units=128, dropout_rate=0.5
):
    """Build the network.

    Printed are three ResNet blocks whose filters grow from 32 to 128, and fully connected layers with dropout.
    Chosen here: a first convolution of stride 2, a convolution of stride 2 before each block, batch
    normalisation as in ResNet, pooling before one dense layer of 128 units.

    Args:
        image_size: int, height and width of the images in pixels.
        class_names: list of str.
        widths: filters of the blocks.
        dense_units: int, of the layer before the scores.
        dropout_rate: float in [0, 1), before and after that layer.

    Returns:
        keras.Model from float32 or uint8 (N, image_size, image_size, 3) in 0..255 to float32 (N, C).

    Raises:
        ValueError: where nothing is left of the image after halving it.
    """
    if image_size < 2 ** (len(widths) + 1):
        raise ValueError(
            f"image_size must be at least {2 ** (len(widths) + 1)} for {len(widths)} blocks; received {image_size}"
        )
    images = keras.Input((image_size, image_size, 3), name="images")
    features = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)
    features = convolve(features, widths[0] // 2, 3, strides=2, name="stem")
    for number, filters in enumerate(widths, start=1):
        features = convolve(features, filters, 3, strides=2, name=f"block{number}_halve")
        features = residual_block(features, filters, None, name=f"block{number}")
    pooled = layers.GlobalAveragePooling2D(name="pooling")(name_explained_layer(features))
    pooled = layers.Dropout(dropout_rate, name="dropout_first")(pooled)
    pooled = layers.Dense(dense_units, activation="relu", name=f"dense_{dense_units}")(pooled)
    probabilities = classification_head(pooled, class_names, dropout_rate)
    return keras.Model(images, probabilities, name="three_residual_blocks")
