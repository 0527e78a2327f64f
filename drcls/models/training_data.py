"""What lies beside a saved model says of the images it was trained on."""

from pathlib import Path

from drcls.data.image_ops import check_options
from drcls.runs import read_json

MODEL_CARD = "model_card.json"


def data_beside(model):
    """Return what is recorded of the data beside a model: by its model card, else by its run folder.

    Args:
        model: path of a `.keras` file or of a run folder.

    Returns:
        (dict, which may hold `preparation` and `phantom`; Path of the file that it was read from), ({}, None) where
        nothing lies there.

    Raises:
        ValueError: where such a file holds something else.
    """
    path = Path(model)
    folder = path if path.is_dir() else path.parent
    for name in (MODEL_CARD, "dataset.json", "config.json"):
        file = folder / name
        if file.is_file():
            content = read_json(file)
            if not isinstance(content, dict):
                raise ValueError(f"{file} holds no JSON object")
            return (content.get("data") or {}) if name == MODEL_CARD else content, file
    return {}, None


def recorded_preparation(info, path):
    """Return the preparation that a description of data records, for `prepare_image`.

    Args:
        info: dict, the content of a `dataset.json` or what `data_beside` gives.
        path: Path of the file that it was read from, for the error.

    Returns:
        dict of `crop`, `size`, `filter`, `clahe`. Phantoms are drawn at their final size.

    Raises:
        ValueError: where it records no preparation.
    """
    options = info.get("preparation") or {}
    if info.get("phantom") and "size" in options:
        return {"crop": "none", "size": options["size"], "filter": "none", "clahe": False}
    try:
        return check_options(options)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
