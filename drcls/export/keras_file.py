"""The `.keras` file: weights and architecture without the optimizer's state."""

from pathlib import Path

import keras

from drcls.export.inference import (
    check_equal,
    fixed_batch,
    inference_model,
    need_built,
    predictions,
    temporary_folder,
)


def export_keras(model, file):
    """Write a model as a `.keras` file without its optimizer, whose state is twice the size of the weights.

    Args:
        model: built `keras.Model`. One of a fixed batch size is written inside a model of a free one.
        file: path of the `.keras` file to write; an earlier file is replaced.

    Returns:
        Path of the file.

    Raises:
        ValueError: where the model is not built, or the file does not give what `predict` gives.
    """
    need_built(model)
    file = Path(file)
    with temporary_folder(file.parent) as temporary:
        kept = model if fixed_batch(model) is None else inference_model(model)
        kept.save(temporary / "compiled.keras")
        # Keras has no way to save a compiled model without its optimizer but to load it without; the file is ours.
        keras.models.load_model(temporary / "compiled.keras", compile=False).save(temporary / "new.keras")
        loaded = keras.models.load_model(temporary / "new.keras", compile=False)
        check_equal(model, lambda inputs: predictions(loaded, inputs), "the .keras file")
        (temporary / "new.keras").replace(file)
    return file
