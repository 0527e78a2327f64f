import json
import zipfile

import keras
import pytest

from drcls.models.saved import load_saved_model


@pytest.fixture
def saved(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="small").save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_a_file_or_its_run_folder(saved):
    assert load_saved_model(saved).name == load_saved_model(saved.parent).name == "small"


def rewritten(file, change):
    """Write a copy of a `.keras` file with another `config.json`."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = change(parts["config.json"])
    with zipfile.ZipFile(file.with_name("changed.keras"), "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.with_name("changed.keras")


def unknown_class(content):
    config = json.loads(content)
    config["module"], config["class_name"], config["registered_name"] = "nowhere", "Nothing", "Nothing"
    return json.dumps(config)


@pytest.mark.parametrize(
    "change",
    [
        unknown_class,
        lambda content: content[:-40],
        lambda content: b"[" * 100_000 + b"]" * 100_000,
        lambda content: content.replace(b'"units": 2', b'"units": 3'),
    ],
)
def test_whatever_is_wrong_the_file_is_named(saved, change):
    changed = rewritten(saved, change)
    with pytest.raises(ValueError, match=r"changed\.keras is not a Keras model that can be loaded: \w"):
        load_saved_model(changed)


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.keras does not exist; expected a \.keras file"):
        load_saved_model(tmp_path)
    (tmp_path / "notes.keras").write_text("notes")
    with pytest.raises(ValueError, match=r"notes\.keras is not a Keras model"):
        load_saved_model(tmp_path / "notes.keras")
