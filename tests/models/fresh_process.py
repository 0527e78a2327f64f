"""Saved models, loaded where nothing but drcls and Keras was imported."""

import subprocess
import sys

import numpy as np


def predicted_in_a_fresh_process(models, images, folder, *checks):
    """Save models, load them in one fresh process, since importing Keras takes longer than a test, and predict.

    Args:
        models: dict from a name to a model.
        images: what they predict.
        folder: Path for the files.
        checks: lines of code to run on every loaded `model`.

    Returns:
        dict from the name to what the loaded model predicts.
    """
    np.save(folder / "images.npy", images)
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    lines = (
        "import drcls, keras, numpy as np",
        f"for name in {list(models)}:",
        "    model = keras.models.load_model(f'{name}.keras')",
        *(f"    {check}" for check in checks),
        "    np.save(f'{name}.npy', model(np.load('images.npy')))",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=folder, check=True, capture_output=True)
    return {name: np.load(folder / f"{name}.npy") for name in models}
