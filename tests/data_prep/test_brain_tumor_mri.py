"""data_prep.brain_tumor_mri: the layout, the distributed split and what it tears apart, and the real archive."""

import json

import pandas as pd
import pytest

from data_prep import command
from data_prep.brain_tumor_mri import BRAIN_TUMOR_MRI, SPLIT_COUNTS
from data_prep.command import main
from tests.data_prep.imitations import encode, picture, write_folder, write_zip


def brain_files(root="", per_class=2):
    """Imitate the set: the same file names in every folder; return dict, name -> bytes."""
    folders = [f"{part}/{name}" for part in ("Training", "Testing") for name in BRAIN_TUMOR_MRI.classes]
    return {
        f"{root}{folder}/image({number}).jpg": encode(picture(10 * place + number), ".jpg")
        for place, folder in enumerate(folders)
        for number in range(per_class)
    }


def run(source, output, *arguments):
    return main(BRAIN_TUMOR_MRI, ["--source", str(source), "--output", str(output), *arguments])


def table(output):
    return pd.read_csv(output / "manifest.csv", dtype=str, keep_default_na=False)


def info(output):
    return json.loads((output / "dataset.json").read_text())


@pytest.mark.parametrize("root", ["", "archive/"])
def test_images_of_one_name_stay_apart_and_keep_their_split(tmp_path, root, capsys):
    source = write_zip(tmp_path / "b.zip", brain_files(root) | {f"{root}README.txt": b"read me"})
    assert run(source, tmp_path / "out", "--size", "48") == 0
    frame = table(tmp_path / "out")
    parts = frame["path"].str.split("/", expand=True)
    assert len(frame) == frame["group"].nunique() == 16
    assert (parts[1] == frame["source_split"]).all() and (parts[2] == frame["label"]).all()
    assert frame["path"][0] == "images/Testing/glioma/image(0).jpg"
    assert frame["group"][0] == "Testing/glioma/image(0)"
    assert frame["source_split"].value_counts().to_dict() == {"Training": 8, "Testing": 8}
    assert "in Testing: glioma 2 (of 300), meningioma 2 (of 306)" in capsys.readouterr().out


def test_counts_of_both_parts_are_checked_against_the_original(tmp_path):
    files = brain_files()
    del files["Testing/notumor/image(1).jpg"]
    run(write_folder(tmp_path / "b", files), tmp_path / "out")
    found, check = info(tmp_path / "out")["source_splits"], info(tmp_path / "out")["counts_check"]
    assert found["Training"] == dict.fromkeys(BRAIN_TUMOR_MRI.classes, 2)
    assert found["Testing"] == {"glioma": 2, "meningioma": 2, "notumor": 1, "pituitary": 2}
    assert check["differences"]["notumor"] == 3 - 2000
    assert check["split_differences"]["Training"]["notumor"] == 2 - 1595
    assert check["split_differences"]["Testing"]["notumor"] == 1 - 405


def test_a_missing_part_differs_by_all_its_images(tmp_path):
    files = {name: data for name, data in brain_files().items() if name.startswith("Training")}
    run(write_zip(tmp_path / "b.zip", files), tmp_path / "out")
    assert info(tmp_path / "out")["counts_check"]["split_differences"]["Testing"] == {
        "glioma": -300,
        "meningioma": -306,
        "notumor": -405,
        "pituitary": -300,
    }
    assert "straddling" not in info(tmp_path / "out")["duplicates"]


def test_files_in_both_parts_are_counted_and_printed(tmp_path, capsys):
    files = brain_files()
    # One file twice in Training and once in Testing; one file twice within Training; a lighter re-encoding.
    files["Training/glioma/again.jpg"] = files["Testing/glioma/image(0).jpg"] = files[
        "Training/glioma/image(0).jpg"
    ]
    files["Training/pituitary/again.jpg"] = files["Training/pituitary/image(0).jpg"]
    files["Testing/notumor/near.jpg"] = encode(picture(20) // 4 * 4, ".jpg")
    run(write_zip(tmp_path / "b.zip", files), tmp_path / "out")
    doubles = info(tmp_path / "out")["duplicates"]
    assert (doubles["identical_groups"], doubles["identical_files"]) == (2, 5)
    assert doubles["straddling"] == {
        "identical": {"groups": 1, "images": {"Testing": 1, "Training": 2}},
        "near": {"groups": 1, "images": {"Testing": 1, "Training": 1}},
    }
    text = capsys.readouterr().out
    assert "identical: 1 groups; images: 1 in Testing, 2 in Training" in text
    frame = table(tmp_path / "out")
    assert frame.groupby("sha256")["group"].nunique().max() == 1


def test_an_unknown_class_folder_is_listed(tmp_path, capsys):
    files = brain_files() | {"Testing/metastasis/image(0).jpg": b"?"}
    assert run(write_zip(tmp_path / "b.zip", files), tmp_path / "out") == 2
    expected = "unknown labels, 1: Testing/metastasis/image(0) -> 'metastasis'"
    assert expected in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_two_files_of_one_image_are_refused(tmp_path, capsys):
    files = brain_files() | {"Testing/glioma/image(0).png": encode(picture(0))}
    assert run(write_zip(tmp_path / "b.zip", files), tmp_path / "out") == 2
    assert "ids of several images, 1: Testing/glioma/image(0)" in capsys.readouterr().err


def test_another_layout_is_one_clear_error(tmp_path, capsys):
    assert run(write_zip(tmp_path / "b.zip", {"glioma/y.jpg": b""}), tmp_path / "out") == 2
    assert "no Training/CLASS/NAME.jpg and no Testing/CLASS/NAME.jpg" in capsys.readouterr().err


def test_kaggle_asks_for_the_distributed_set(tmp_path, monkeypatch):
    asked = {}

    def download(folder, **what):
        asked.update(what)
        return write_folder(folder, brain_files())

    monkeypatch.setattr(command, "download", download)
    assert run("kaggle", tmp_path / "out") == 0
    assert asked == {"dataset": "masoudnickparvar/brain-tumor-mri-dataset"}


def test_expected_counts_are_those_of_the_original():
    assert BRAIN_TUMOR_MRI.expected_counts == {
        "glioma": 1621,
        "meningioma": 1645,
        "notumor": 2000,
        "pituitary": 1757,
    }
    assert [sum(counts.values()) for counts in SPLIT_COUNTS.values()] == [5712, 1311]


@pytest.mark.slow
def test_real_archive(sources, tmp_path):
    assert run(sources("brain_tumor_mri_224.zip"), tmp_path / "out") == 0
    frame, description = table(tmp_path / "out"), info(tmp_path / "out")
    assert len(frame) == 7019 and description["rejected"] == 0
    # Four files of the original are missing in this copy.
    assert description["counts_check"]["split_differences"] == {"Training": {"notumor": -4}, "Testing": {}}
    doubles = description["duplicates"]
    assert (doubles["identical_groups"], doubles["conflicting_groups"]) == (300, 0)
    straddling = doubles["straddling"]["identical"]
    assert (straddling["groups"], straddling["images"]["Testing"]) == (189, 216)
