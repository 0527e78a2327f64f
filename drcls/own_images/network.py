"""The network, the loss and the resampled training part that `train_classifier` was asked for by name."""

import keras

from drcls.data import class_weights, oversample, undersample
from drcls.losses import BalancedSoftmaxCrossentropy, FocalCrossentropy, WeightedCategoricalCrossentropy
from drcls.models import build_chexnet_cbam, build_transfer_classifier

FOCAL_GAMMA = 2.0


def build_network(backbone, class_names, parts, seed):
    """Put a head on a backbone that is trained too: pooling, dropout, softmax, and the named parts before it.

    Args:
        backbone: keras.Model from `build_backbone`.
        class_names: list of str.
        parts: list of str among `drcls.own_images.options.PARTS`.
        seed: int, of DropBlock.

    Returns:
        keras.Model from float32 or uint8 (N, H, W, 3) in 0..255 to float32 (N, C) probabilities.
    """
    if not parts:
        return build_transfer_classifier(backbone, class_names)
    chosen = {name: name in parts for name in ("cbam", "drop_block", "transformer")}
    # On pretrained features random gates and a normalisation after each part cost what the backbone knows.
    return build_chexnet_cbam(
        backbone, class_names, **chosen, seed=seed, cbam_near_identity=True, norm_first=True
    )


def build_loss(name, counts):
    """Build a loss on probabilities.

    Args:
        name: of `drcls.own_images.options.LOSSES`. The focal loss has gamma 2 (Lin et al., 2017) and no alpha,
            which changes nothing under Adam.
        counts: int (C,), training images per class.

    Returns:
        keras.losses.Loss of one-hot labels (N, C) and probabilities (N, C).
    """
    if name == "weighted":
        return WeightedCategoricalCrossentropy(class_weights(counts).tolist())
    if name == "balanced_softmax":
        return BalancedSoftmaxCrossentropy(counts.tolist(), from_logits=False)
    if name == "focal":
        return FocalCrossentropy(alpha=1.0, gamma=FOCAL_GAMMA)
    return keras.losses.CategoricalCrossentropy()


def resample(part, sampler, seed):
    """Return the training part with equally large classes for `over` and `under`, else as it is."""
    if sampler == "over":
        return oversample(part, seed)
    return undersample(part, seed) if sampler == "under" else part
