"""data_prep.aptos2019: both layouts, and the real archive."""

import json
import re

import pandas as pd
import pytest

from data_prep import command
from data_prep.aptos2019 import APTOS2019
from data_prep.command import main
from tests.data_prep.imitations import aptos_files, encode, picture, write_folder, write_zip


def run(source, output, *arguments):
    return main(APTOS2019, ["--source", str(source), "--output", str(output), *arguments])


@pytest.mark.parametrize("prefix", ["", "top/", "gaussian_filtered_images/"])
def test_filtered_layout_is_read_wherever_it_lies(tmp_path, prefix):
    # Kaggle packs the folder into another of the same name, and a pickled network beside the classes.
    files = {name if name == "train.csv" else prefix + name: data for name, data in aptos_files(5).items()}
    files[f"{prefix}gaussian_filtered_images/export.pkl"] = b"pickle"
    assert run(write_zip(tmp_path / "a.zip", files), tmp_path / "out") == 0
    assert len(pd.read_csv(tmp_path / "out" / "manifest.csv")) == 5


def test_original_layout_is_read_and_the_unlabelled_test_images_are_not(tmp_path):
    files = aptos_files(10, filtered=False) | {
        "test_images/t1.png": encode(picture(70)),
        "test.csv": b"id_code\nt1\n",
        "sample_submission.csv": b"id_code,diagnosis\nt1,0\n",
    }
    assert run(write_folder(tmp_path / "a", files), tmp_path / "out", "--size", "32") == 0
    frame = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert list(frame["label"][:5]) == APTOS2019.classes and len(frame) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train.csv": b"id_code,diagnosis\nimg000,0\nimg001,1\nlost,2\n"}, "missing images, 1: lost"),
        ({"train.csv": b"id_code,diagnosis\nimg000,0\nimg001,9\n"}, "unknown labels, 1: img001 -> '9'"),
        ({"train.csv": b"id_code,diagnosis\nimg000,0\nimg000,0\n"}, "repeated ids, 1: img000"),
        (
            {"train.csv": b"id_code,diagnosis\nimg000,0\nimg001,2\n"},
            "another class than the folder, 1: ",
        ),
        ({"train.csv": b"id,diagnosis\n"}, "id_code,diagnosis expected"),
        ({"gaussian_filtered_images/Mild/img000.png": b"?"}, "ids of several images, 1: img000"),
    ],
)
def test_labels_that_do_not_fit_stop_before_anything_is_written(tmp_path, change, message, capsys):
    source = write_zip(tmp_path / "a.zip", aptos_files(2) | change)
    assert run(source, tmp_path / "out") == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_another_layout_is_one_clear_error(tmp_path, capsys):
    assert run(write_zip(tmp_path / "a.zip", {"x/y.png": b""}), tmp_path / "out") == 2
    assert "no gaussian_filtered_images/CLASS/ID.png and no train_images/ID.png" in capsys.readouterr().err


def test_kaggle_asks_for_the_copy_that_the_paper_used(tmp_path, monkeypatch):
    asked = {}

    def download(folder, **what):
        asked.update(what)
        folder.mkdir(parents=True)
        write_zip(folder / "copy.zip", aptos_files(5))
        return folder

    monkeypatch.setattr(command, "download", download)
    assert run("kaggle", tmp_path / "out") == 0
    assert asked == {"dataset": "sovitrath/diabetic-retinopathy-224x224-gaussian-filtered"}


@pytest.mark.slow
def test_real_archive(sources, tmp_path):
    assert run(sources("aptos2019_gaussian_224.zip"), tmp_path / "out") == 0
    frame = pd.read_csv(tmp_path / "out" / "manifest.csv", dtype=str)
    info = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert info["counts"] == APTOS2019.expected_counts and info["counts_check"]["differences"] == {}
    doubles = info["duplicates"]
    assert (doubles["identical_groups"], doubles["identical_files"], doubles["conflicting_groups"]) == (
        123,
        251,
        30,
    )
    assert (doubles["near_groups"], doubles["near_files"]) == (10, 22)
    assert info["rejected"] == 0 and len(frame) == 3662
    # Files of equal bytes are never in two groups.
    assert frame.groupby("sha256")["group"].nunique().max() == 1
