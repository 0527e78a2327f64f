"""EfficientNet-Lite0, the one backbone whose ImageNet weights are part of this package.

Reference: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019. The Lite
variants of the same authors leave out squeeze-and-excitation, replace swish by ReLU6 and keep stem and head fixed.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

IMAGENET_WEIGHTS = Path(__file__).parent / "weights" / "efficientnet_lite0_imagenet.npz"
# Table 1 of the paper, stage by stage: kernel size, stride of the first block, expansion, channels, blocks.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM_CHANNELS, TOP_CHANNELS = 32, 1280


def efficientnet_lite0(include_top=False, weights=None, input_tensor=None):
    """Build EfficientNet-Lite0 without its classifier; the signature is that of `keras.applications`.

    Args:
        include_top: False; the ImageNet classifier is not part of the weights.
        weights: None (random) or `"imagenet"`: from the file in this package; no download.
        input_tensor: float32 (N, H, W, 3), already rescaled to (x - 127) / 128.

    Returns:
        keras.Model to float32 (N, H / 32, W / 32, 1280), 3.4 million weights.

    Raises:
        ValueError: on `include_top=True` or other weights.
    """
    if include_top or weights not in (None, "imagenet"):
        raise ValueError(
            "efficientnet_lite0 has no classifier and knows weights None and 'imagenet'; "
            f"received include_top={include_top}, weights={weights!r}"
        )
    features = _conv_norm_act(input_tensor, STEM_CHANNELS, 3, strides=2, name="stem")
    for stage, (kernel_size, strides, expansion, channels, num_blocks) in enumerate(STAGES, start=1):
        for number in range(num_blocks):
            name = f"block{stage}{chr(ord('a') + number)}"
            features = _inverted_residual(
                features, kernel_size, strides if number == 0 else 1, expansion, channels, name
            )
    features = _conv_norm_act(features, TOP_CHANNELS, 1, name="top")
    model = keras.Model(keras.utils.get_source_inputs(input_tensor), features, name="efficientnet_lite0")
    if weights == "imagenet":
        _load(model, IMAGENET_WEIGHTS)
    return model


def _inverted_residual(features, kernel_size, strides, expansion, channels, name):
    """Widen, convolve each channel by itself, narrow; add the input where its shape is that of the output."""
    x = features
    if expansion > 1:
        x = _conv_norm_act(x, expansion * features.shape[-1], 1, name=f"{name}_expand")
    x = layers.DepthwiseConv2D(kernel_size, strides, padding="same", use_bias=False, name=f"{name}_dwconv")(x)
    x = layers.ReLU(6.0, name=f"{name}_activation")(_norm(x, f"{name}_bn"))
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = _norm(x, f"{name}_project_bn")
    if strides == 1 and channels == features.shape[-1]:
        x = layers.Add(name=f"{name}_add")([features, x])
    return x


def _conv_norm_act(features, channels, kernel_size, strides=1, *, name):
    features = layers.Conv2D(
        channels, kernel_size, strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(features)
    return layers.ReLU(6.0, name=f"{name}_activation")(_norm(features, f"{name}_bn"))


def _norm(features, name):
    # The momentum is ours: 0.9 follows a fine-tuning of few hundred steps, Keras' 0.99 does not.
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-3, name=name)(features)


def save_weights(model, path):
    """Write the weights of a network as one `.npz` file with 16 bits a weight of its kernels.

    A kernel is stored as int16 beside one float32 scale for each output channel. Rounding to float16 instead moves
    the features six times as far (relative error 5.4e-3), because its error grows with the size of a weight.

    Args:
        model: keras.Model from `efficientnet_lite0`, or one with its layer names.
        path: the file to write.
    """
    arrays = {}
    for layer in model.layers:
        for weight in layer.weights:
            name, value = f"{layer.name}/{weight.name}", keras.ops.convert_to_numpy(weight)
            if value.ndim == 1:
                arrays[name] = value.astype(np.float32)
                continue
            channel_axis = 2 if isinstance(layer, layers.DepthwiseConv2D) else 3
            others = tuple(axis for axis in range(4) if axis != channel_axis)
            scale = np.abs(value).max(axis=others, keepdims=True) / np.iinfo(np.int16).max
            arrays[name] = np.round(value / scale).astype(np.int16)
            arrays[f"{name}/scale"] = scale.astype(np.float32)
    np.savez_compressed(path, **arrays)


def _load(model, path):
    """Set every weight from a file of `save_weights`."""
    with np.load(path) as stored:
        for layer in model.layers:
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            layer.set_weights([stored[name] * stored.get(f"{name}/scale", np.float32(1)) for name in names])
