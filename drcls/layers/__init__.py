"""Keras layers of the reproduced papers, on every Keras backend."""

from drcls.layers.cbam import CBAM, ChannelAttention, SpatialAttention
from drcls.layers.class_probabilities import ClassProbabilities
from drcls.layers.drop_block import DropBlock2D
from drcls.layers.squeeze_excitation import SqueezeExcitation
from drcls.layers.transformer_encoder import TransformerEncoder
from drcls.layers.wavelet import InverseLearnableWavelet2D, LearnableWavelet2D

__all__ = [
    "CBAM",
    "ChannelAttention",
    "ClassProbabilities",
    "DropBlock2D",
    "InverseLearnableWavelet2D",
    "LearnableWavelet2D",
    "SpatialAttention",
    "SqueezeExcitation",
    "TransformerEncoder",
]
