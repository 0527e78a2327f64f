"""Networks: backbones with their preprocessing, the shared head, and one file per paper's own network."""

from drcls.models.backbones import BACKBONES, build_backbone
from drcls.models.chexnet_cbam import build_chexnet_cbam
from drcls.models.dense_head import attach_head, build_dense_head
from drcls.models.embedding import build_embedding_model, cached_embeddings, embed, pool_several_layers
from drcls.models.embedding_classifier import (
    LEARNERS,
    RESAMPLERS,
    build_embedding_classifier,
    choose_hyperparameters,
)
from drcls.models.fine_tuning import unfreeze_last_block
from drcls.models.five_conv_blocks import build_five_conv_blocks
from drcls.models.four_inception_blocks import build_four_inception_blocks
from drcls.models.miniature import build_miniature_densenet, build_miniature_resnet
from drcls.models.multiscale_attention import build_multiscale_attention
from drcls.models.three_residual_blocks import build_three_residual_blocks
from drcls.models.transfer_head import build_transfer_classifier

__all__ = [
    "BACKBONES",
    "LEARNERS",
    "RESAMPLERS",
    "attach_head",
    "build_backbone",
    "build_chexnet_cbam",
    "build_dense_head",
    "build_embedding_classifier",
    "build_embedding_model",
    "build_miniature_densenet",
    "build_miniature_resnet",
    "build_five_conv_blocks",
    "build_four_inception_blocks",
    "build_multiscale_attention",
    "build_three_residual_blocks",
    "build_transfer_classifier",
    "cached_embeddings",
    "choose_hyperparameters",
    "embed",
    "pool_several_layers",
    "unfreeze_last_block",
]
