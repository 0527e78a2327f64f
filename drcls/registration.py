"""The layers and losses registered with Keras, no sooner than somebody imports Keras.

Importing Keras takes seconds, and a command that only reads a table, or that is called with a wrong argument, needs
none of it. `import drcls` must still be enough for `keras.models.load_model`, whichever of the two is imported first.
"""

import importlib.abc
import importlib.util
import sys

BACKENDS = ("tensorflow", "jax", "torch")


def register_with_keras():
    """Import the layers and losses now where Keras is imported already, else right after it is."""
    if "keras" in sys.modules:
        _import_registered()
    else:
        sys.meta_path.insert(0, _AfterKeras())


def _import_registered():
    importlib.import_module("drcls.layers")
    importlib.import_module("drcls.losses")


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Find Keras as everybody does, and import the layers and losses when it has been loaded.

    It stays in place until then: somebody may only ask whether Keras is installed.
    """

    searching = False

    def find_spec(self, name, path=None, target=None):
        if name != "keras" or self.searching:
            return None
        self.searching = True
        try:
            spec = importlib.util.find_spec("keras")
        finally:
            self.searching = False
        if spec is None:
            return None
        load = spec.loader.exec_module

        def load_and_register(module):
            try:
                load(module)
            except ModuleNotFoundError as error:
                backend = (error.name or "").split(".")[0]
                if backend not in BACKENDS:
                    raise
                raise ModuleNotFoundError(
                    f"Keras needs its backend {backend}, which is not installed. Install drcls with the extra "
                    "cpu or gpu (pip install '.[cpu]' in the checkout), or set KERAS_BACKEND to one of "
                    f"{', '.join(BACKENDS)} that is installed",
                    name=error.name,
                ) from error
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            _import_registered()

        spec.loader.exec_module = load_and_register
        return spec
