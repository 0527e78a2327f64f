"""The predictions behind a committed result: enough to recompute every figure of it, without naming an image."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from drcls.files import read_json
from drcls.predictions import read_predictions


@dataclass(frozen=True)
class Predictions:
    """What a network said of each test image, in the order of the run's test part.

    Args:
        probabilities: float16 (N, C) in 0..1.
        predicted: uint8 (N,), the most probable class before rounding to float16.
        labels: uint8 (N,), the true class.
        groups: int32 (N,), numbers that are equal for images of one group; no file name.
        leaked: bool (N,), whether the training part holds the image or a near copy.
    """

    probabilities: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    leaked: np.ndarray

    def save(self, path):
        """Write a compressed `.npz` of the same bytes for the same predictions."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **vars(self))
        Path(path).write_bytes(buffer.getvalue())


def read_run(folder):
    """Read the predictions of a finished run folder.

    Args:
        folder: Path with `predictions.csv`, `leaked.csv` and `metrics.json`.

    Returns:
        `Predictions`.
    """
    folder = Path(folder)
    frame = read_predictions(folder / "predictions.csv")
    measured = read_json(folder / "metrics.json")
    if len(frame) != measured["num_test"]:
        raise ValueError(
            f"{folder / 'predictions.csv'}: has {len(frame)} rows, expected {measured['num_test']}, one for each test "
            "image"
        )
    classes = measured["class_names"]
    number = {name: index for index, name in enumerate(classes)}
    return Predictions(
        frame[[f"p_{name}" for name in classes]].to_numpy(np.float16),
        frame["predicted"].map(number).to_numpy(np.uint8),
        frame["label"].map(number).to_numpy(np.uint8),
        np.unique(frame["group"], return_inverse=True)[1].astype(np.int32),
        pd.read_csv(folder / "leaked.csv")["leaked"].to_numpy(bool),
    )


def load(path):
    """Read the committed `.npz` beside a result file."""
    with np.load(path) as stored:
        return Predictions(**stored)


def history(folder):
    """Return a run's training history, from column name to list of numbers, or None where nothing was trained.

    Epochs on the smaller images that `config.json` names, in folders such as `48px`, come first.
    """
    smaller = read_json(Path(folder) / "config.json").get("smaller_images") or ()
    smaller = [Path(folder) / f"{side}px" / "history.csv" for side, _ in smaller]
    own = Path(folder) / "history.csv"
    if not own.is_file():
        return None
    epochs = pd.concat([pd.read_csv(path) for path in [*smaller, own]]).round(5)
    columns = epochs.assign(epoch=range(1, len(epochs) + 1)).to_dict("list")
    return {name: [None if value != value else value for value in column] for name, column in columns.items()}
