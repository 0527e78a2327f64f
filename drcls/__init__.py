"""drcls: honest reproductions of medical-image-classification papers under class imbalance.

Importing the package registers its layers and losses with Keras, so that after `import drcls` a saved model
loads without `custom_objects`.
"""

from importlib.metadata import version

from drcls import layers, losses

__all__ = ["layers", "losses"]
__version__ = version("drcls")
