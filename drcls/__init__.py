"""drcls: honest reproductions of medical-image-classification papers under class imbalance.

Importing the package registers its layers and losses with Keras, so that after `import drcls` a saved model
loads without `custom_objects`. Keras itself is imported by the modules that need it.
"""

import importlib
from importlib.metadata import version

from drcls.malloc import keep_freed_memory
from drcls.onednn import use_onednn
from drcls.registration import register_with_keras

__all__ = ["layers", "losses"]
__version__ = version("drcls")

keep_freed_memory()
use_onednn()
register_with_keras()


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f"drcls.{name}")
    raise AttributeError(f"module 'drcls' has no attribute {name!r}")
