"""Training that can be cut at any moment, and batch-norm statistics that belong to the trained weights."""

from drcls.train.batch_norm import BatchNormReestimation
from drcls.train.compiling import compile_classifier
from drcls.train.devices import check_devices, use_devices
from drcls.train.loop import (
    Checkpoint,
    StopOnNonFiniteLoss,
    SyncEpoch,
    averaged_weights,
    build_train_state,
    cosine_decay_with_warmup,
    train,
    trained_seconds,
)

__all__ = [
    "BatchNormReestimation",
    "Checkpoint",
    "SyncEpoch",
    "StopOnNonFiniteLoss",
    "averaged_weights",
    "build_train_state",
    "check_devices",
    "compile_classifier",
    "train",
    "trained_seconds",
    "use_devices",
    "cosine_decay_with_warmup",
]
