"""The multi-scale attention residual network of "Classification of Diabetic Retinopathy using Residual Learning
with a Custom Balanced Softmax Loss" (Li Tong, poster, Oxford Brookes University and Chengdu University of
Technology).

                 images (N, S, S, 3)
                        |  -1..1, wavelet 2x, convolution
    stage 1   S/2   residual SE blocks, 32 filters
                        |  wavelet 2x
    stage 2   S/4   residual SE blocks, 64 filters -----> tokens -> attention, feed-forward -> mean --+
                        |  wavelet 2x                                                                  |
    stage 3   S/8   residual SE blocks, 96 filters -----> tokens -> attention, feed-forward -> mean --+
                        |  wavelet 2x                                                                  |
    stage 4   S/16  residual SE blocks, 128 filters ----> tokens -> attention, feed-forward -> mean --+
                                                                                                       |
                                             scores, softmax <- dropout <- concatenation of the scales
"""

import keras
from keras import layers

from drcls.layers import LearnableWavelet2D, TransformerEncoder
from drcls.models.blocks import convolve, residual_block
from drcls.models.transfer_head import classification_head, name_explained_layer

NUM_SCALES = 3
MAX_TOKENS_PER_SIDE = 14


def build_multiscale_attention(
    image_size,
    class_names,
    widths=(32, 64, 96, 128),
    blocks_per_stage=2,
    squeeze_excitation=True,
    wavelet="haar",
    attention=True,
    norm_first=False,
    num_heads=4,
    reduction_ratio=16,
    orthonormality_penalty=1e-2,
    dropout_rate=0.3,
):
    """Build the poster's network: residual blocks, SE, learnable wavelets, attention at several scales.

    The poster names the parts, 96 filters in one stage, global average pooling and the concatenation of
    scales. Depth, the other widths, heads and which stages are scales (the last three) are chosen here. The
    widths (32, 64, 96, 128) give 1.45 million weights for five classes, (16, 32, 48, 64) give 0.36 million.

    Attention over all places of a large map costs the square of their number: a scale is first averaged down to
    at most 14 x 14 tokens. Grad-CAM explains the last stage.

    Args:
        image_size: int, height and width of the images in pixels, a multiple of 2 to the number of stages.
        class_names: list of str.
        widths: filters of each stage, three or more; each halves the size.
        blocks_per_stage: int, residual blocks in each stage.
        squeeze_excitation: bool, whether residual blocks weigh their channels.
        wavelet: str, see `LearnableWavelet2D`; None: convolutions with stride 2 instead.
        attention: bool, whether each scale passes a Transformer encoder.
        norm_first: bool, whether the encoders normalise before each part. After it, as by default, every token has one
            length, and the mean over the places no longer tells how strong a feature is.
        num_heads: int, of each encoder; each head has width / num_heads dimensions, the feed-forward network
            twice the width.
        reduction_ratio: int, of squeeze and excitation.
        orthonormality_penalty: number, see `LearnableWavelet2D`.
        dropout_rate: float in [0, 1), before the last layer.

    Returns:
        keras.Model from float32 or uint8 (N, image_size, image_size, 3) in 0..255 to float32 (N, C)
        probabilities.

    Raises:
        ValueError: where the image size or the widths do not fit the stages and heads.
    """
    check_sizes(image_size, widths, num_heads if attention else 1)

    def halve(features, filters, name):
        if wavelet:
            penalty = orthonormality_penalty
            features = LearnableWavelet2D(wavelet, penalty, name=f"{name}_wavelet")(features)
            return convolve(features, filters, 1, name=name)
        return convolve(features, filters, 3, strides=2, name=name)

    ratio = reduction_ratio if squeeze_excitation else None
    images = keras.Input((image_size, image_size, 3), name="images")
    features = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)
    scales = []
    for stage, filters in enumerate(widths, start=1):
        features = halve(features, filters, name=f"stage{stage}_halve")
        for block in range(1, blocks_per_stage + 1):
            name = f"stage{stage}_block{block}"
            features = residual_block(features, filters, ratio, name)
        scales.append(features)
    scales[-1] = name_explained_layer(features)
    pooled = [
        summarise(scale, num_heads if attention else None, norm_first, f"scale{number}")
        for number, scale in enumerate(scales[-NUM_SCALES:], start=1)
    ]
    pooled = layers.Concatenate(name="scales")(pooled)
    return keras.Model(
        images, classification_head(pooled, class_names, dropout_rate), name="multiscale_attention"
    )


def summarise(scale, num_heads, norm_first, name):
    """One vector per scale: (N, h, w, C) -> (N, C), through attention over its places unless heads is None."""
    if num_heads is None:
        return layers.GlobalAveragePooling2D(name=f"{name}_mean")(scale)
    side, channels = scale.shape[1], scale.shape[-1]
    shrink = -(-side // MAX_TOKENS_PER_SIDE)
    if shrink > 1:
        scale = layers.AveragePooling2D(shrink, name=f"{name}_shrink")(scale)
    tokens = layers.Reshape((-1, channels), name=f"{name}_tokens")(scale)
    encoder = TransformerEncoder(
        num_heads, channels // num_heads, 2 * channels, norm_first=norm_first, name=f"{name}_attention"
    )
    tokens = encoder(tokens)
    return layers.GlobalAveragePooling1D(name=f"{name}_mean")(tokens)


def check_sizes(image_size, widths, num_heads):
    if len(widths) < NUM_SCALES:
        raise ValueError(f"widths must name at least {NUM_SCALES} stages; received {tuple(widths)}")
    if image_size % 2 ** len(widths):
        raise ValueError(
            f"image_size must be a multiple of {2 ** len(widths)} for {len(widths)} stages; "
            f"received {image_size}"
        )
    uneven = [width for width in widths[-NUM_SCALES:] if width % num_heads]
    if uneven:
        raise ValueError(
            f"the widths of the last {NUM_SCALES} stages must be multiples of num_heads={num_heads}; "
            f"received {tuple(widths)}"
        )
