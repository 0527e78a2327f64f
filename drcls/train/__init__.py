"""Training that can be cut at any moment, and batch-norm statistics that belong to the trained weights."""

from drcls.train.batch_norm import BatchNormReestimation
from drcls.train.loop import (
    Checkpoint,
    EpochOfBatches,
    StopOnNonFiniteLoss,
    averaged_weights,
    create_variables,
    train,
    warmed_up_cosine,
)

__all__ = [
    "BatchNormReestimation",
    "Checkpoint",
    "EpochOfBatches",
    "StopOnNonFiniteLoss",
    "averaged_weights",
    "create_variables",
    "train",
    "warmed_up_cosine",
]
