"""Networks: backbones with their preprocessing, the shared head, and one file per paper's own network."""

from drcls.models.backbones import BACKBONES, build_backbone
from drcls.models.chexnet_cbam import build_chexnet_cbam
from drcls.models.embedding import embed
from drcls.models.multiscale_attention import build_multiscale_attention
from drcls.models.transfer_head import build_transfer_classifier

__all__ = [
    "BACKBONES",
    "build_backbone",
    "build_chexnet_cbam",
    "build_multiscale_attention",
    "build_transfer_classifier",
    "embed",
]
