"""CheXNet_CBAM, the network of "Enhancing fundus image analysis for diabetic retinopathy using CheXNet with
CBAM and Grad-CAM visualization" (Frontiers in Medicine 2026, doi 10.3389/fmed.2026.1732109).
"""

import keras

from drcls.layers import CBAM, DropBlock2D, TransformerEncoder
from drcls.models.transfer_head import classification_head, name_explained_layer, normalised


def build_chexnet_cbam(
    backbone,
    class_names,
    cbam=True,
    drop_block=True,
    transformer=True,
    reduction_ratio=16,
    drop_block_rate=0.1,
    drop_block_size=3,
    num_heads=8,
    key_dim=64,
    ff_dim=512,
    dropout_rate=0.3,
    seed=None,
    cbam_near_identity=False,
    norm_first=False,
    drop_block_schedule_steps=None,
    normalise=False,
):
    """Build the paper's network: backbone, CBAM, DropBlock, Transformer encoder, pooling, softmax.

    The paper gives the parts and their order ("after convolutional feature extraction", sections
    2.3.2-2.3.4), not the sizes: reduction ratio and kernel size are CBAM's own defaults, the block size fits
    a 7 x 7 feature map, heads, key and feed-forward sizes are chosen here. Grad-CAM explains the feature map
    after CBAM. The last four arguments are no part of the paper: random gates and a feature map that is not
    normalised can keep a network from learning, and each of them mends one cause.

    Args:
        backbone: keras.Model from `build_backbone`; DenseNet121 with CheXNet weights in the paper.
        class_names: list of str.
        cbam, drop_block, transformer: bool, parts to leave out for an ablation.
        reduction_ratio: int, hidden layer of channel attention (Eq. 7).
        drop_block_rate, drop_block_size: rho and s of Eq. 12.
        num_heads, key_dim, ff_dim: of the Transformer encoder (Eq. 13-16); `ff_dim=None` is four times the
            channels.
        dropout_rate: float in [0, 1), before the last layer.
        seed: int or None, of DropBlock.
        cbam_near_identity: bool, whether CBAM's gates start at 0.9 instead of at random.
        norm_first: bool, whether the Transformer normalises before each part instead of after (Eq. 16).
        drop_block_schedule_steps: int or None, training steps over which DropBlock's rate rises from 0.
        normalise: bool, whether to normalise the backbone's feature map over its channels, for a backbone
            that does not end in a normalisation: DenseNet121 does, SqueezeNet does not.

    Returns:
        keras.Model from float32 or uint8 (N, H, W, 3) in 0..255 to float32 (N, C) probabilities.
    """
    images = keras.Input(backbone.input_shape[1:], name="images")
    features = backbone(images)
    if normalise:
        features = normalised(features)
    if cbam:
        features = CBAM(reduction_ratio, near_identity=cbam_near_identity, name="cbam")(features)
    features = name_explained_layer(features)
    if drop_block:
        drop = DropBlock2D(
            drop_block_rate,
            drop_block_size,
            seed,
            schedule_steps=drop_block_schedule_steps,
            name="drop_block",
        )
        features = drop(features)
    if transformer:
        tokens = keras.layers.Reshape((-1, features.shape[-1]), name="tokens")(features)
        encoder = TransformerEncoder(num_heads, key_dim, ff_dim, norm_first=norm_first, name="transformer")
        pooled = keras.layers.GlobalAveragePooling1D(name="pooling")(encoder(tokens))
    else:
        pooled = keras.layers.GlobalAveragePooling2D(name="pooling")(features)
    return keras.Model(images, classification_head(pooled, class_names, dropout_rate), name="chexnet_cbam")
