"""What a training depends on, so that a checkpoint of another one is not taken for its own."""

import json

import keras


def describe_training(model, batches, monitor):
    """Describe a training by what decides its weights, as short texts.

    Args:
        model: compiled keras.Model.
        batches: `Batches` of the training part.
        monitor: str or None, see `train`.

    Returns:
        dict of str: `loss`, `optimizer`, `data` and `monitor`.
    """
    return {
        "loss": _describe(model.loss),
        "optimizer": _describe(model.optimizer),
        "data": batches.fingerprint(),
        "monitor": str(monitor),
    }


def check_same_training(path, found, wanted):
    """Refuse a checkpoint that another training wrote.

    Args:
        path: of the file that describes the checkpoint, for the error.
        found: dict of `describe_training`, as the checkpoint holds it.
        wanted: dict of `describe_training`, or None: nothing is compared.

    Raises:
        ValueError: where they differ.
    """
    if wanted is None:
        return
    different = [name for name in wanted if found.get(name) != wanted[name]]
    if different:
        told = "; ".join(f"{name}: {found.get(name)} there, {wanted[name]} now" for name in different)
        raise ValueError(
            f"{path} is of another training ({told}); expected the same settings to go on with. Use another folder, "
            f"or remove {path.parent.parent} (--force does) to train anew"
        )


def _describe(part):
    """Name a loss or an optimizer with its settings."""
    if isinstance(part, str | None):
        return str(part)
    if not hasattr(part, "get_config"):
        return getattr(part, "__name__", type(part).__name__)
    config = {name: value for name, value in part.get_config().items() if name not in ("name", "dtype")}
    if isinstance(config.get("learning_rate"), dict):
        config["learning_rate"] = config["learning_rate"]["config"]
    settings = json.dumps(config, sort_keys=True, default=str)
    return f"{keras.saving.get_registered_name(type(part)).split('>')[-1]} {settings}"
