"""Calibration images of int8: those of the run itself, by their content and not by their names."""

import shutil

import numpy as np
import pandas as pd
import pytest

from drcls.data import load_manifest
from drcls.own_images.calibration import calibration_images
from tests.small_data import write_squares


def test_the_file_of_a_run_is_that_run(run, squares):
    of_file, of_run = (calibration_images(path, squares) for path in (run / "model.keras", run))
    np.testing.assert_array_equal(of_file[0], of_run[0])
    np.testing.assert_array_equal(of_file[1][1], of_run[1][1])


def test_images_of_other_content_under_the_same_names_are_no_training_images(run, tmp_path):
    others = tmp_path / "others"
    write_squares(others, per_class=24, seed=5)
    with pytest.raises(ValueError, match="was trained with no image of .*others; expected its own data"):
        calibration_images(run, others)


def test_a_file_that_was_replaced_is_neither_calibrated_on_nor_tested(run, squares, tmp_path):
    (tmp_path / "images").symlink_to(squares / "images")
    shutil.copy(squares / "dataset.json", tmp_path)
    split = pd.read_csv(run / "split.csv", dtype=str).set_index("path")["part"]
    frame = load_manifest(squares).frame
    replaced = frame.index % 2 == 0
    frame.loc[replaced, "sha256"] = frame["sha256"].str[::-1]
    frame.to_csv(tmp_path / "manifest.csv", index=False)
    images, (test_images, labels) = calibration_images(run, tmp_path)
    left = frame.loc[~replaced, "path"].map(split).value_counts()
    assert (len(images), len(test_images)) == (left["train"], left["test"])
    assert len(labels) == left["test"]
    frame.loc[frame["path"].map(split) == "test", "sha256"] = "0" * 64
    frame.to_csv(tmp_path / "manifest.csv", index=False)
    assert calibration_images(run, tmp_path)[1] is None
