"""Runs the full profile for two epochs on a few drawn fundi, from data to the report page, in a process of its own.

KERAS_BACKEND=jax python -m tests.experiments.chexnet_cbam.rehearsal FOLDER IMAGE_SIZE [OPTION ...]
"""

import importlib
import sys
from functools import partial
from pathlib import Path

from data_prep.phantoms.fundus import write_fundus


class WithoutTensorFlow:
    """Let no module import TensorFlow: a machine with a GPU may hold JAX alone."""

    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            raise ModuleNotFoundError("No module named 'tensorflow'", name=name)


# So many that every part gets an image of every grade.
NUM_IMAGES = 140


def main(folder, image_size, *options):
    sys.meta_path.insert(0, WithoutTensorFlow())
    experiment = importlib.import_module("experiments.chexnet_cbam.experiment")
    size, recipe = int(image_size), experiment.recipe
    experiment.ROOT = Path(folder)
    experiment.STAND_INS["fundus_phantom"] = partial(write_fundus, num_images=NUM_IMAGES, size=size)
    experiment.recipe = lambda *row: recipe(*row) | {"image_size": size}
    experiment.main(["--data", "fundus_phantom", "--profile", "full", "--epochs", "2", *options])


if __name__ == "__main__":
    main(*sys.argv[1:])
