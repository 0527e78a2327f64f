"""data_prep.eyepacs2015: patients, both layouts, the competition's packing, and the real archive."""

import json

import pandas as pd
import pytest

from data_prep.command import main
from data_prep.eyepacs2015 import EYEPACS2015
from tests.data_prep.imitations import encode, picture, write_folder, write_zip


def eyepacs_files(num_patients=5, folder="images"):
    files, table = {}, "image,level\n"
    for patient in range(10, 10 + num_patients):
        for eye, name in enumerate(("left", "right")):
            image = picture(2 * patient + eye)
            files[f"{folder}/{patient}_{name}.jpeg"] = encode(image, ".jpg")
            table += f"{patient}_{name},{patient % 5}\n"
    return files | {"trainLabels.csv": table.encode()}


def run(source, output, *arguments):
    return main(EYEPACS2015, ["--source", str(source), "--output", str(output), *arguments])


def manifest(output):
    return pd.read_csv(output / "manifest.csv", dtype=str)


@pytest.mark.parametrize("folder", ["images", "train"])
def test_group_is_the_patient(tmp_path, folder):
    assert run(write_zip(tmp_path / "e.zip", eyepacs_files(folder=folder)), tmp_path / "out") == 0
    frame = manifest(tmp_path / "out")
    assert list(frame["group"]) == [name.removeprefix("images/").split("_")[0] for name in frame["path"]]
    assert frame["group"].nunique() == 5 and len(frame) == 10
    assert list(frame["label"][:2]) == ["No_DR", "No_DR"]


def test_patients_who_share_an_image_are_one_group(tmp_path):
    files = eyepacs_files()
    files["images/14_right.jpeg"] = files["images/11_left.jpeg"]
    run(write_zip(tmp_path / "e.zip", files), tmp_path / "out")
    groups = manifest(tmp_path / "out").set_index("path")["group"]
    shared = [f"images/{name}.png" for name in ("11_left", "11_right", "14_left", "14_right")]
    assert set(groups[shared]) == {"11"} and groups.nunique() == 4


def test_competition_archives_are_read_as_kaggle_packs_them(tmp_path):
    files = eyepacs_files(folder="train")
    table = files.pop("trainLabels.csv")
    data = write_zip(tmp_path / "whole.zip", files).read_bytes()
    third = len(data) // 3 + 1
    packed = {f"train.zip.00{n + 1}": data[n * third : (n + 1) * third] for n in range(3)}
    folder = write_folder(tmp_path / "kaggle", packed)
    write_zip(folder / "trainLabels.csv.zip", {"trainLabels.csv": table})
    assert run(folder, tmp_path / "out") == 0
    assert len(manifest(tmp_path / "out")) == 10


def test_id_without_an_eye_is_listed(tmp_path, capsys):
    files = eyepacs_files() | {"trainLabels.csv": b"image,level\n10_left,0\n11,0\n"}
    assert run(write_zip(tmp_path / "e.zip", files), tmp_path / "out") == 2
    assert "do not end in _left or _right, 1: 11" in capsys.readouterr().err


@pytest.mark.slow
def test_real_archive(sources, tmp_path):
    assert run(sources("eyepacs2015_224.zip"), tmp_path / "out") == 0
    frame = manifest(tmp_path / "out")
    info = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert len(frame) == 2657 and info["rejected"] == 0
    assert list(info["counts"].values()) == [1980, 152, 393, 76, 56]
    # Nothing in this archive is stored twice, so that the groups are the patients.
    assert info["duplicates"]["identical_groups"] == info["duplicates"]["near_groups"] == 0
    assert (frame["group"] == frame["path"].str.extract(r"images/(\d+)_")[0]).all()
