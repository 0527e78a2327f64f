"""Loading a saved model: the network, or one error that names the file."""

import math
import zipfile
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

import drcls  # noqa: F401 - registers the layers of saved models
from drcls.models.plain import restore_names

MAX_RATIO = 200


def load_saved_model(path):
    """Load a `.keras` file, or the `model.keras` of a run folder, without its optimizer.

    Whatever file a user hands us is loaded here, and so is every `model.keras` of a run folder: those are handed on.

    Args:
        path: path of the file or run folder.

    Returns:
        `keras.Model`.

    Raises:
        FileNotFoundError: where there is no such file, or the folder holds no `model.keras`.
        ValueError: where the file is no model that can be loaded, whatever is wrong with it.
    """
    path = Path(path)
    file = path / "model.keras" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist; expected a .keras file or a run folder that holds one"
        )
    if not zipfile.is_zipfile(file):
        raise ValueError(
            f"{file} is not a Keras model that can be loaded: it is no archive; expected a .keras file"
        )
    try:
        with _weights_for(_check_archive(file)):
            model = keras.models.load_model(file, compile=False)
        return restore_names(model, file)
    except Exception as error:  # noqa: BLE001 - a file can break Keras, h5py or the backend in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{file} is not a Keras model that can be loaded: {reason[:300]}") from error


def _check_archive(file):
    """Return how many bytes of weights the archive holds.

    Raises:
        ValueError: where it unpacks to far more than its size; errors of zipfile where it is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if sum(sizes.values()) > MAX_RATIO * file.stat().st_size:
        raise ValueError("the archive unpacks to more than two hundred times its size")
    return sum(size for name, size in sizes.items() if name.endswith(".h5"))


@contextmanager
def _weights_for(held):
    """Let layers make as many weights as `held` bytes can be, of at least four bits each, and no more.

    Keras makes every weight from the configuration before it reads the first one, and a configuration can ask for
    any number. All layers, those of Keras and others, make their weights through `add_weight`.
    """
    add_weight, made = keras.Layer.add_weight, 0

    def counted(layer, *arguments, **options):
        nonlocal made
        shape = options.get("shape", arguments[0] if arguments else None)
        made += math.prod(np.atleast_1d(() if shape is None else shape).tolist())
        if made > 2 * held:
            raise ValueError(
                f"with the layer {str(layer.name)[:80]} it asks for {made} weights; the file holds {held} bytes"
            )
        return add_weight(layer, *arguments, **options)

    keras.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.Layer.add_weight = add_weight
