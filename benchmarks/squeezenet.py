"""SqueezeNet 1.1 in Keras, a small network for speed comparisons; the package has no builder for it.

Reference: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016.
"""

import keras
from keras import layers

# Fire modules by channels: squeezed, and expanded by each of the two convolutions; None is a max pooling.
FIRES = ((16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256), (64, 256))


def build_squeezenet(size):
    """Return a keras.Model from float32 (N, size, size, 3) in 0..255 to (N, h, w, 512) with random weights."""
    images = keras.Input((size, size, 3), name="images")
    features = layers.Rescaling(1 / 127.5, offset=-1)(images)
    features = layers.Conv2D(64, 3, 2, activation="relu")(features)
    features = layers.MaxPooling2D(3, 2)(features)
    for fire in FIRES:
        if fire is None:
            features = layers.MaxPooling2D(3, 2)(features)
            continue
        squeezed, expanded = fire
        squeezed = layers.Conv2D(squeezed, 1, activation="relu")(features)
        sides = [
            layers.Conv2D(expanded, kernel_size, padding="same", activation="relu")(squeezed)
            for kernel_size in (1, 3)
        ]
        features = layers.Concatenate()(sides)
    return keras.Model(images, features, name="squeezenet")
