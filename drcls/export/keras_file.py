"""The `.keras` file: weights and architecture without the optimizer's state, for Keras alone where that can be."""

from pathlib import Path

import keras

from drcls.forward.inference import (
    check_equal,
    fixed_batch,
    inference_model,
    need_built,
    predictions,
    temporary_folder,
)
from drcls.models.plain import save_plain


def export_keras(model, file):
    """Write a model as a `.keras` file without its optimizer, whose state is twice the size of the weights.

    A network whose only layer of this package is `ClassProbabilities` is written with Keras's softmax, so that
    `keras.models.load_model` needs no more than Keras; `drcls` commands still find its class names. One with other
    layers of this package needs `import drcls` before it is loaded.

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
        save_plain(
            keras.models.load_model(temporary / "compiled.keras", compile=False), temporary / "new.keras"
        )
        loaded = keras.models.load_model(temporary / "new.keras", compile=False)
        check_equal(model, lambda inputs: predictions(loaded, inputs), "the .keras file")
        (temporary / "new.keras").replace(file)
    return file
