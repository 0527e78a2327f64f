"""Keras losses of the reproduced papers, on every Keras backend."""

from drcls.losses.balanced_softmax import BalancedSoftmaxCrossentropy
from drcls.losses.focal_crossentropy import FocalCrossentropy
from drcls.losses.weighted_crossentropy import WeightedCategoricalCrossentropy

__all__ = ["BalancedSoftmaxCrossentropy", "FocalCrossentropy", "WeightedCategoricalCrossentropy"]
