"""Loading a saved model: the network, or one error that names the file."""

import json
import math
import zipfile
from pathlib import Path

import keras

import drcls  # noqa: F401 - registers the layers of saved models

MAX_RATIO = 200
PLAIN_LAYERS = {"Dense", "Embedding", "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose"}


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
        _check_sizes(file)
        return keras.models.load_model(file, compile=False)
    except Exception as error:  # noqa: BLE001 - a file can break Keras, h5py or the backend in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{file} is not a Keras model that can be loaded: {reason[:300]}") from error


def _check_sizes(file):
    """Refuse an archive that announces more weights than it holds, before Keras takes the memory for them.

    Keras makes every variable from the configuration before it reads the first weight.

    Raises:
        ValueError: where it does; errors of zipfile and json where it is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        if sum(sizes.values()) > MAX_RATIO * file.stat().st_size:
            raise ValueError("the archive unpacks to more than two hundred times its size")
        config = json.loads(archive.read("config.json"))
    held = sum(size for name, size in sizes.items() if name.endswith(".h5"))
    for layer in _dictionaries(config):
        announced = _num_weights(layer)
        if announced > 2 * held:  # at least four bits each
            name = layer.get("config", {}).get("name", "without a name")
            raise ValueError(
                f"the layer {str(name)[:80]} announces {announced} weights; the file holds {held} bytes"
            )


def _dictionaries(node):
    """Yield every dict in a JSON document, however deep."""
    nodes = [node]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            yield node
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []


def _num_weights(layer):
    """Return how many weights the configuration of a layer announces, at least."""
    config = layer.get("config")
    if not isinstance(config, dict):
        return 0
    factors = [config.get("units") or config.get("filters") or config.get("output_dim") or 0]
    if layer.get("class_name") in PLAIN_LAYERS:
        shape = (layer.get("build_config") or {}).get("input_shape") or [1]
        kernel = config.get("kernel_size") or 1
        factors += [config.get("input_dim") or shape[-1], *(kernel if isinstance(kernel, list) else [kernel])]
    announced = math.prod(factors) if all(isinstance(factor, int) for factor in factors) else 0
    return announced // (config.get("groups") or 1)
