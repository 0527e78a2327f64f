"""Predictions of a part as a table: written once, read by the comparison and the reports."""

import numpy as np

from drcls.files import write_csv


def write_predictions(path, part, probabilities):
    """Write one row an image: path, label, group, predicted class and one probability a class.

    Args:
        path: of the CSV file.
        part: `Manifest`.
        probabilities: float (N, C), rows in the part's order.
    """
    columns = {f"p_{name}": probabilities[:, i] for i, name in enumerate(part.classes)}
    predicted = np.array(part.classes)[probabilities.argmax(axis=1)]
    write_csv(path, part.frame[["path", "label", "group"]].assign(predicted=predicted, **columns))
