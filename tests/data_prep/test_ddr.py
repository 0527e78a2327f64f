"""data_prep.ddr: the distributed layout, the copy on Kaggle, and what is dropped."""

import json

import pandas as pd
import pytest

from data_prep.command import main
from data_prep.ddr import DDR
from tests.data_prep.imitations import encode, picture, write_folder, write_zip

GRADES = {"train": [0, 1, 2, 3, 4, 5], "valid": [0, 5], "test": [2, 4, 0]}


def ddr_files(root="DDR-dataset/DR_grading"):
    files, number = {}, 0
    for split, grades in GRADES.items():
        lines = []
        for grade in grades:
            name = f"007-{number:04d}-000.jpg"
            files[f"{root}/{split}/{name}"] = encode(picture(number), ".jpg")
            lines.append(f"{name} {grade}\n")
            number += 1
        files[f"{root}/{split}.txt"] = "".join(lines).encode()
    return files


def run(source, output, *arguments):
    return main(DDR, ["--source", str(source), "--output", str(output), *arguments])


def manifest(output):
    return pd.read_csv(output / "manifest.csv", dtype=str, keep_default_na=False)


@pytest.mark.parametrize("root", ["DDR-dataset/DR_grading", "DR_grading"])
def test_distributed_layout_keeps_the_split_and_drops_the_ungradable(tmp_path, root, capsys):
    assert run(write_zip(tmp_path / "d.zip", ddr_files(root)), tmp_path / "out") == 0
    frame = manifest(tmp_path / "out")
    assert frame["source_split"].value_counts().to_dict() == {"train": 5, "test": 3, "valid": 1}
    assert frame["path"][0] == "images/test/007-0008-000.png" and frame["label"][0] == "Moderate"
    info = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert info["ungradable_dropped"] == 2
    assert sum(info["counts"].values()) == 9
    assert info["counts_check"]["differences"]["Severe"] == 1 - 236
    assert "ungradable, dropped: 2" in capsys.readouterr().out


def test_folder_dr_grading_itself_is_a_source(tmp_path):
    write_folder(tmp_path, ddr_files("DR_grading"))
    assert run(tmp_path / "DR_grading", tmp_path / "out") == 0
    assert len(manifest(tmp_path / "out")) == 9


def test_lesion_masks_beside_the_graded_images_are_not_read(tmp_path):
    extra = {"DDR-dataset/lesion_segmentation/train/image/007-0000-000.jpg": encode(picture(0), ".jpg")}
    assert run(write_zip(tmp_path / "d.zip", ddr_files() | extra), tmp_path / "out") == 0
    assert len(manifest(tmp_path / "out")) == 9


def test_kaggle_copy_is_read(tmp_path):
    files = {f"DR_grading/DR_grading/{n}.jpg": encode(picture(n), ".jpg") for n in range(5)}
    table = "id_code,diagnosis\n" + "".join(f"{n}.jpg,{n}\n" for n in range(5))
    source = write_zip(tmp_path / "d.zip", files | {"DR_grading.csv": table.encode()})
    assert run(source, tmp_path / "out") == 0
    frame = manifest(tmp_path / "out")
    assert list(frame["label"]) == DDR.classes and set(frame["source_split"]) == {""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"007-0006-000.jpg 0\n007-0007-000.jpg\n", "not 'NAME.jpg GRADE', 1: 007-0007-000.jpg"),
        (b"007-0006-000.jpg 0\nlost.jpg 1\n", "missing images, 1: valid/lost.jpg"),
        (b"007-0006-000.jpg 6\n007-0007-000.jpg 5\n", "unknown labels, 1: valid/007-0006-000.jpg -> '6'"),
        (b"007-0006-000.jpg 0\n007-0006-000.jpg 0\n", "repeated ids, 1: valid/007-0006-000.jpg"),
    ],
)
def test_label_lines_that_do_not_fit_are_listed(tmp_path, text, message, capsys):
    files = ddr_files() | {"DDR-dataset/DR_grading/valid.txt": text}
    assert run(write_zip(tmp_path / "d.zip", files), tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_missing_label_file_is_one_clear_error(tmp_path, capsys):
    files = ddr_files()
    del files["DDR-dataset/DR_grading/valid.txt"]
    assert run(write_zip(tmp_path / "d.zip", files), tmp_path / "out") == 2
    assert "no DR_grading folder with train.txt, valid.txt and test.txt" in capsys.readouterr().err


def test_expected_counts_are_those_of_table_2():
    assert list(DDR.expected_counts.values()) == [6266, 630, 4477, 236, 913]
    assert sum(DDR.expected_counts.values()) == 12522
