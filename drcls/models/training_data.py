"""What lies beside a saved model says of the images it was trained on."""

import hashlib
from pathlib import Path

from drcls.data.image_ops import check_options
from drcls.files import read_json

MODEL_CARD = "model_card.json"
RUN_MODEL = "model.keras"


def data_beside(model):
    """Return what is recorded of a model's data: by its run folder, else by a model card that names the file.

    Args:
        model: path of a `.keras` file or of a run folder.

    Returns:
        (dict, which may hold `preparation` and `phantom`; Path of the file that it was read from), ({}, None) where
        nothing lies there.

    Raises:
        ValueError: where such a file holds something else, or describes another model: its preparation would change
            what this one answers.
    """
    file = model_file(model)
    card, described = file.with_name(MODEL_CARD), file.with_name("dataset.json")
    if is_model_of_run(file):
        source = described if described.is_file() else file.with_name("config.json")
        return _read_object(source), source
    if (content := card_of(file)) is not None:
        return content.get("data") or {}, card
    beside = [path.name for path in (card, described) if path.is_file()]
    if is_model_of_run(file.with_name(RUN_MODEL)):
        beside.append("config.json")
    if beside:
        raise ValueError(
            f"{file}: what lies beside it ({', '.join(beside)}) is of another model{_named_instead(card, file)}, "
            "so how the images of this one were prepared is not known; give its own run folder, or put it into a "
            f"folder of its own, with the {MODEL_CARD} that drcls export wrote for it"
        )
    return {}, None


def model_file(model):
    """Return the file of a model that is given as a `.keras` file or as a run folder."""
    path = Path(model)
    return path / RUN_MODEL if path.is_dir() else path


def is_model_of_run(file):
    """Whether a file is the model that the run of its folder trained; any other file there came from elsewhere."""
    config = file.with_name("config.json")
    return file.name == RUN_MODEL and config.is_file() and "data" in _read_object(config)


def card_of(file):
    """Return the content of the model card beside a file, None where there is none or it is another file's.

    Raises:
        ValueError: where the card is damaged or names no file.
    """
    path = file.with_name(MODEL_CARD)
    if not path.is_file():
        return None
    files, card = files_of_card(path)
    if file.name not in files or files[file.name] != digest(file):
        return None
    return card


def files_of_card(path):
    """Return the files that a model card is about, name -> SHA-256, and its content."""
    card = _read_object(path)
    files = card.get("files")
    if not isinstance(files, dict) or not files:
        raise ValueError(f"{path} names no file that it is about; expected the card that drcls export wrote")
    return files, card


def digest(path):
    """Return the SHA-256 of a file; of a folder that of the names and digests of all files in it."""
    if path.is_dir():
        parts = [
            f"{one.relative_to(path)} {digest(one)}\n" for one in sorted(path.rglob("*")) if one.is_file()
        ]
        return hashlib.sha256("".join(parts).encode()).hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


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


def _read_object(path):
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content


def _named_instead(card, file):
    """Why the card beside a model is not its card, for the error."""
    if not card.is_file():
        return ""
    files, _ = files_of_card(card)
    if file.name in files:
        return f" (the SHA-256 that {card.name} records of {file.name} is another)"
    return f" ({card.name} names {', '.join(files)})"
