"""One's own images: train a classifier on a prepared folder, measure it, compare it with another.

Importing the package imports no Keras: its functions do, when they are first asked for.
"""

import importlib

_MODULES = {"compare_runs": "comparison", "evaluate_classifier": "evaluation", "train_classifier": "training"}
__all__ = ["compare_runs", "evaluate_classifier", "train_classifier"]


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module 'drcls.own_images' has no attribute {name!r}")
    return getattr(importlib.import_module(f"drcls.own_images.{_MODULES[name]}"), name)
