"""Loading a saved model: the network, or one error that names the file."""

import zipfile
from pathlib import Path

import keras

import drcls  # noqa: F401 - registers the layers of saved models


def load_saved_model(path):
    """Load a `.keras` file, or the `model.keras` of a run folder, without its optimizer.

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
        return keras.models.load_model(file, compile=False)
    except Exception as error:  # noqa: BLE001 - a file can break Keras, h5py or the backend in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{file} is not a Keras model that can be loaded: {reason[:300]}") from error
