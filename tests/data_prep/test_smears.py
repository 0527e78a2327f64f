"""data_prep.smears: the layout of labelled smears, and what is wrong with others."""

import numpy as np
import pytest

from data_prep.smears import list_smears, read_description
from data_prep.sources import PreparationError, Source
from tests.data_prep.imitations import write_folder, write_zip

FILES = {
    "Dataset/2.jpg": b"",
    "Label/2.txt": b"10 20 0\n\n3.5 4 4\n",
    "Dataset/1.jpg": b"",
    "Label/1.txt": b"",
}


def listed(path):
    with Source(path) as source:
        return list_smears(source)


@pytest.mark.parametrize("root", ["", "Chula-RBC-12/"])
def test_labels_of_a_folder_and_of_an_archive(tmp_path, root):
    files = {f"{root}{name}": data for name, data in FILES.items()}
    for path in (write_folder(tmp_path / "s", files), write_zip(tmp_path / "s.zip", files)):
        first, second = listed(path)
        assert (first.name, len(first.centres), first.types) == ("1", 0, [])
        assert second.types == ["normal", "codocyte"]
        np.testing.assert_array_equal(second.centres, [[10, 20], [3.5, 4]])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"10 20 13\n", r"Label/2.txt: unknown cell types, 1: line 1 13; 0 to 12 expected"),
        (b"10 20 -1\n", "unknown cell types, 1: line 1 -1"),
        (b"1 2 0\n10 20\n", "lines that are not 'x y type', 1: line 2 '10 20'"),
        (b"10 20 0 5\n", "lines that are not"),
        (b"ten 20 0\n", "lines that are not"),
        (b"nan 20 0\n", "lines that are not"),
        (b"1 2 0.5\n", "lines that are not"),
    ],
)
def test_a_wrong_line_names_file_and_line(tmp_path, line, message):
    with pytest.raises(PreparationError, match=message):
        listed(write_folder(tmp_path / "s", FILES | {"Label/2.txt": line}))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("Label/1.txt", "smears without a label file, 1: 1"),
        ("Dataset/1.jpg", "label files without a smear, 1: 1"),
    ],
)
def test_image_and_label_file_go_together(tmp_path, missing, message):
    files = {name: data for name, data in FILES.items() if name != missing}
    with pytest.raises(PreparationError, match=message):
        listed(write_folder(tmp_path / "s", files))


def test_two_files_of_one_smear_are_refused(tmp_path):
    with pytest.raises(PreparationError, match="several files of one smear in Dataset"):
        listed(write_folder(tmp_path / "s", FILES | {"Dataset/1.png": b""}))


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(PreparationError, match="no Dataset/N.jpg among 1 files"):
        listed(write_folder(tmp_path / "s", {"normal/1.png": b""}))


def test_only_a_phantom_describes_itself(tmp_path, smears):
    with Source(smears) as source:
        assert read_description(source)["name"] == "smear_phantom"
    with Source(write_folder(tmp_path / "s", FILES)) as source:
        assert read_description(source) is None
