"""Predictions of a part as a table, `predictions.csv`: one row an image, one probability a class."""

from pathlib import Path

import numpy as np
import pandas as pd

from drcls.files import write_csv

TEXTS = ("path", "label", "group", "predicted")


def write_predictions(path, part, probabilities):
    """Write the predictions of a part.

    Args:
        path: of the CSV file; its columns are `path, label, group, predicted` and one `p_<class>` a class.
        part: `Manifest`.
        probabilities: float (N, C), rows in the part's order.
    """
    columns = {f"p_{name}": probabilities[:, i] for i, name in enumerate(part.classes)}
    predicted = np.array(part.classes)[probabilities.argmax(axis=1)]
    write_csv(path, part.frame[["path", "label", "group"]].assign(predicted=predicted, **columns))


def read_predictions(path):
    """Read what `write_predictions` wrote.

    Args:
        path: of the CSV file.

    Returns:
        pandas.DataFrame with the columns `path, label, group, predicted`, of str, and one `p_<class>` a class.

    Raises:
        FileNotFoundError: where there is no file.
        ValueError: where a column is missing, or a probability, as in the last row of a file that was cut.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; a finished run holds its test predictions there")
    # By default pandas reads a class called "NA" or "None" as a missing value.
    frame = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False)
    missing = [name for name in TEXTS if name not in frame]
    if missing:
        raise ValueError(f"{path}: has the columns {list(frame)}, expected also {missing}")
    numbers = frame.filter(regex="^p_").apply(pd.to_numeric, errors="coerce")
    lacking = numbers.isna().any(axis=1)
    if lacking.any():
        raise ValueError(
            f"{path}: line {lacking.argmax() + 2} lacks a probability, expected a number in each of "
            f"{', '.join(numbers)}; the file is damaged"
        )
    return frame
