"""Networks: backbones with their preprocessing, the shared head, and one file per paper's own network."""

from drcls.models.backbones import BACKBONES, build_backbone
from drcls.models.chexnet_cbam import build_chexnet_cbam
from drcls.models.embedding import build_embedding_model, cached_embeddings, embed
from drcls.models.embedding_classifier import (
    LEARNERS,
    RESAMPLERS,
    build_embedding_classifier,
    choose_hyperparameters,
)
from drcls.models.miniature import build_miniature_densenet, build_miniature_resnet
from drcls.models.multiscale_attention import build_multiscale_attention
from drcls.models.transfer_head import build_transfer_classifier

__all__ = [
    "BACKBONES",
    "LEARNERS",
    "RESAMPLERS",
    "build_backbone",
    "build_chexnet_cbam",
    "build_embedding_classifier",
    "build_embedding_model",
    "build_miniature_densenet",
    "build_miniature_resnet",
    "build_multiscale_attention",
    "build_transfer_classifier",
    "cached_embeddings",
    "choose_hyperparameters",
    "embed",
]
