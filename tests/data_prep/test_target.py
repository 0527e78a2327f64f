"""data_prep.target: a preparation touches its own files alone, whatever lies in the folder that is named."""

import json

import pytest

from data_prep.folder import prepare_folder
from data_prep.sources import PreparationError
from data_prep.target import discard, holds_preparation
from drcls.data.manifest import load_manifest
from tests.data_prep.imitations import encode, picture, write_folder

CLASSES = {f"{name}/{number}.png": encode(picture(number)) for name in "ab" for number in range(2)}


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("force", [False, True])
def test_a_source_in_the_output_is_not_written_over(tmp_path, force):
    source = write_folder(tmp_path / "photographs" / "images", CLASSES)
    before = content(tmp_path)
    with pytest.raises(PreparationError, match="the source .*images lies in .*photographs"):
        prepare_folder(source, tmp_path / "photographs", size=8, force=force)
    with pytest.raises(PreparationError, match="lies in the source"):
        prepare_folder(source, source, size=8, force=force)
    assert content(tmp_path) == before


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "mine",
    [{"images/holiday.jpg": b"x"}, {"dataset.json": b"[]"}, {"dataset.json": b"{}", "manifest.csv": b""}],
)
def test_files_of_someone_else_are_refused_and_stay(tmp_path, mine, force):
    source = write_folder(tmp_path / "source", CLASSES)
    target = write_folder(tmp_path / "mine", mine)
    with pytest.raises(
        PreparationError, match="mine holds .* no preparation.*; choose another output folder$"
    ):
        prepare_folder(source, target, size=8, force=force)
    assert content(target) == {target / name: data for name, data in mine.items()}


def test_a_preparation_that_fails_deletes_nothing_else(tmp_path):
    source = write_folder(tmp_path / "source", CLASSES | {"c/broken.png": b"no image"})
    target = write_folder(tmp_path / "mine", {"notes.txt": b"mine"})
    with pytest.raises(PreparationError, match="'?c'?"):
        prepare_folder(source, target, size=8)
    assert content(target) == {target / "notes.txt": b"mine"}


def test_wrong_classes_do_not_cost_the_earlier_preparation(tmp_path):
    source = write_folder(tmp_path / "source", CLASSES)
    prepare_folder(source, tmp_path / "mine", size=8)
    before = content(tmp_path / "mine")
    with pytest.raises(PreparationError, match="typo"):
        prepare_folder(source, tmp_path / "mine", size=16, classes=["a", "typo"], force=True)
    assert content(tmp_path / "mine") == before


def test_what_was_added_to_a_preparation_survives_a_new_one(tmp_path):
    source = write_folder(tmp_path / "source", CLASSES)
    prepare_folder(source, tmp_path / "mine", size=8)
    added = write_folder(tmp_path / "mine", {"images/a/drawing.svg": b"mine", "notes.txt": b"mine"})
    prepare_folder(source, tmp_path / "mine", size=16, force=True)
    assert set(load_manifest(tmp_path / "mine").frame["width"]) == {16}
    assert (added / "images/a/drawing.svg").read_bytes() == (added / "notes.txt").read_bytes() == b"mine"


def test_an_interrupted_preparation_is_known_by_its_journal(tmp_path):
    task = {"name": "mine", "preparation": {}, "source_fingerprint": "1"}
    lines = [json.dumps(task), json.dumps({"name": "a", "path": "images/a.png"}), '{"name": "b", "pa']
    outside = [json.dumps({"name": "c", "path": "../precious.txt"})]
    target = write_folder(
        tmp_path / "mine",
        {"journal.jsonl": "\n".join(lines[:2] + outside + lines[2:]).encode(), "images/a.png": b"a"},
    )
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    assert holds_preparation(target)
    discard(target)
    assert not target.exists() and precious.read_text() == "mine"
