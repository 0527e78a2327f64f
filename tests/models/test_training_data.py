"""What lies beside a model is used for the model that it is about, and for no other."""

import json
import shutil

import pytest

from drcls.models.training_data import card_of, data_beside, digest

PLAIN, FILTERED = (
    {"crop": "none", "size": 32, "filter": name, "clahe": False} for name in ("none", "ben_graham")
)
OF_RUN = {"variant": "plain", "data": "mine", "protocol": "clean"}


def write_run(folder, preparation=PLAIN):
    """A run folder, as far as it says how the images were prepared."""
    folder.mkdir(exist_ok=True)
    (folder / "model.keras").write_bytes(b"trained")
    (folder / "config.json").write_text(json.dumps(OF_RUN))
    (folder / "dataset.json").write_text(json.dumps({"preparation": preparation}))
    return folder


def write_card(folder, preparation=FILTERED, **named):
    folder.mkdir(exist_ok=True)
    card = {"data": {"preparation": preparation}, **named}
    (folder / "model_card.json").write_text(json.dumps(card))


def prepared_as(model):
    return data_beside(model)[0].get("preparation")


def test_a_run_describes_its_own_model_whatever_card_lies_there(tmp_path):
    run = write_run(tmp_path / "run")
    for file in ("model.onnx", "model.keras"):
        write_card(run, files={file: "0"})
        assert prepared_as(run) == prepared_as(run / "model.keras") == PLAIN
    write_run(run, FILTERED)  # trained anew
    assert prepared_as(run) == FILTERED


def test_a_foreign_file_in_a_run_folder_is_not_prepared_as_the_run_says(tmp_path):
    run = write_run(tmp_path / "run")
    (run / "other.keras").write_bytes(b"foreign")
    with pytest.raises(
        ValueError, match=r"other\.keras: .*\(dataset\.json, config\.json\) is of another model.*own run"
    ):
        data_beside(run / "other.keras")
    write_card(run, FILTERED, files={"other.keras": digest(run / "other.keras")})
    assert prepared_as(run / "other.keras") == FILTERED and prepared_as(run) == PLAIN


def test_a_card_is_used_for_the_very_file_it_names(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"exported")
    write_card(tmp_path, files={"model.keras": digest(tmp_path / "model.keras"), "model.onnx": "0"})
    assert prepared_as(tmp_path / "model.keras") == FILTERED
    shutil.copy(tmp_path / "model.keras", tmp_path / "renamed.keras")
    (tmp_path / "model.keras").write_bytes(b"another")
    for name, why in (
        ("model.keras", "SHA-256 .* is another"),
        ("renamed.keras", "names model.keras, model.onnx"),
    ):
        with pytest.raises(ValueError, match=rf"{name}: .*of another model \(.*{why}\), so how"):
            data_beside(tmp_path / name)
        assert card_of(tmp_path / name) is None


def test_a_prepared_folder_says_nothing_of_a_model_that_was_put_there(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"exported")
    assert data_beside(tmp_path / "model.keras") == ({}, None)
    (tmp_path / "config.json").write_text('{"model_type": "of another program"}')
    assert data_beside(tmp_path / "model.keras") == ({}, None)
    (tmp_path / "dataset.json").write_text(json.dumps({"preparation": PLAIN}))
    with pytest.raises(ValueError, match=r"\(dataset\.json\) is of another model"):
        data_beside(tmp_path / "model.keras")


def test_a_damaged_card_is_named(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"exported")
    for content, message in (
        ("[]", "holds no JSON object"),
        ('{"data": {}}', "names no file"),
        ("{", "not valid"),
    ):
        (tmp_path / "model_card.json").write_text(content)
        with pytest.raises(ValueError, match=rf"model_card\.json.*{message}"):
            data_beside(tmp_path / "model.keras")


def test_the_digest_of_a_folder_changes_with_its_files(tmp_path):
    folder = tmp_path / "saved_model"
    folder.mkdir()
    (folder / "a").write_bytes(b"1")
    first = digest(folder)
    (folder / "b").write_bytes(b"2")
    second = digest(folder)
    assert len(first) == 64 and first != second
    (folder / "b").unlink()
    assert digest(folder) == first
