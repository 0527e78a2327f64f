"""drcls.predictions: what is written is read back, whatever the classes are called."""

import numpy as np
import pytest

from drcls.data import load_manifest
from drcls.predictions import read_predictions, write_predictions
from tests.small_data import write_squares


def test_predictions_are_read_as_they_were_written(tmp_path):
    part = write_squares(tmp_path / "data", per_class=3)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(part.classes)), len(part))
    write_predictions(tmp_path / "predictions.csv", part, probabilities)
    frame = read_predictions(tmp_path / "predictions.csv")
    assert frame["path"].tolist() == load_manifest(tmp_path / "data").frame["path"].tolist()
    assert frame["group"].tolist() == part.frame["group"].tolist()
    assert frame["predicted"].tolist() == [part.classes[i] for i in probabilities.argmax(axis=1)]
    columns = [f"p_{name}" for name in part.classes]
    np.testing.assert_array_equal(frame[columns].to_numpy(), probabilities)


def test_names_that_pandas_takes_for_missing_or_numbers_stay_as_they_are(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("path,label,group,predicted,p_NA\n1.png,NA,007,None,0.5\n")
    assert read_predictions(path).iloc[0, :4].tolist() == ["1.png", "NA", "007", "None"]


def test_no_file_and_missing_columns_are_named(tmp_path):
    path = tmp_path / "predictions.csv"
    with pytest.raises(FileNotFoundError, match=f"{path}: no such file"):
        read_predictions(path)
    path.write_text("file,label\n")
    with pytest.raises(ValueError, match=r"expected also \['path', 'group', 'predicted'\]"):
        read_predictions(path)
