"""The backbone that an experiment starts from: a name of `BACKBONES`, or a saved feature extractor."""

import argparse
from pathlib import Path

from drcls.models import BACKBONES, build_backbone

SHIPPED_BACKBONE = "EfficientNetLite0"


def named_weights(text):
    """Check a `--weights` that is none or imagenet."""
    if text not in ("none", "imagenet"):
        raise argparse.ArgumentTypeError(f"expected none or imagenet; received {text!r}")
    return text


def weights_or_file(text):
    """Check a `--weights` that is none, imagenet or a file that exists."""
    if text not in ("none", "imagenet") and not Path(text).is_file():
        raise argparse.ArgumentTypeError(
            f"expected none, imagenet or a file of weights; received {text!r}, which is no file"
        )
    return text


def backbone_file(text):
    """Check a `--backbone`: a name that `build_backbone` knows, or a saved feature extractor that exists."""
    if text not in BACKBONES and not Path(text).is_file():
        raise argparse.ArgumentTypeError(
            f"{text}: no such file; expected a saved .keras feature extractor or one of {', '.join(BACKBONES)}"
        )
    return text


def starting_weights(backbone, weights):
    """Say where a backbone's first weights come from.

    Args:
        backbone: str, a name of `BACKBONES` or the path of a saved feature extractor.
        weights: str, `--weights`.

    Returns:
        "file" where the backbone is one, "imagenet" where the package ships its weights, else `weights`.
    """
    if backbone not in BACKBONES:
        return "file"
    return "imagenet" if backbone == SHIPPED_BACKBONE else weights


def open_backbone(config, image_size):
    """Build the backbone of a row.

    Args:
        config: dict with `backbone` and `weights`, from `starting_weights`.
        image_size: int, side of the images in pixels.
    """
    weights = "none" if config["weights"] == "file" else config["weights"]
    return build_backbone(config["backbone"], image_size, weights)
