"""Quality assurance: a fixed set against criteria set beforehand."""

import json
import shutil

import pandas as pd
import pytest

from drcls.app import acceptance
from drcls.app.acceptance import check, check_criteria, store_criteria
from drcls.app.inference import Grader
from drcls.app.verification import verify
from drcls.data import load_manifest
from tests.app.conftest import PREPARATION


def test_a_check_is_recorded(anna, database, folder, grader, unseen, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"acceptance\.json does not exist"):
        check(database, folder, grader, unseen)
    file = tmp_path / "criteria.json"
    file.write_text(json.dumps({"accuracy": {"min": 0}, "macro_f1": {"min": 1.1, "max": 2}}))
    store_criteria(database, folder, file)
    record = check(database, folder, grader, unseen)
    assert [outcome["passed"] for outcome in record["outcomes"]] == [True, False]
    assert record["passed"] is False and record["num_images"] == len(unseen)
    assert check(database, folder, grader, unseen)["set_sha256"] == record["set_sha256"]
    assert check(database, folder, grader, unseen.select([1, 0]))["set_sha256"] != record["set_sha256"]
    page = anna.get("/quality-assurance").text
    assert record["parts"] == {"validation": 10} and "10 images (10 validation)" in page
    assert "macro f1" in page and "failed" in page and record["set_sha256"][:12] in page
    actions = [row["action"] for row in database.execute("SELECT action FROM audit")]
    assert actions.count("acceptance_check") == 3 and "acceptance_criteria" in actions
    assert verify(database) == []


@pytest.mark.parametrize(
    "criteria",
    [{}, [], {"accuracy": 0.5}, {"accuracy": {}}, {"accuracy": {"mean": 1}}, {"accuracy": {"min": "1"}}]
    + [{"accuracy": {"min": 0.9, "max": 0.1}}, {"accuracy": {"min": float("nan")}}],
)
def test_what_are_no_criteria(criteria):
    with pytest.raises(ValueError, match=r"here\.json holds"):
        check_criteria(criteria, "here.json")


def test_an_unknown_metric_and_other_classes(database, folder, grader, unseen):
    (folder / "acceptance.json").write_text('{"beauty": {"min": 1}}')
    with pytest.raises(ValueError, match="names 'beauty'; expected some of .*'accuracy'"):
        check(database, folder, grader, unseen)
    (folder / "acceptance.json").write_text('{"accuracy": {"min": 0}}')
    merged = unseen.merge_classes(["Severe", "Proliferate_DR"], "Severe_or_worse")
    with pytest.raises(ValueError, match="has the classes"):
        check(database, folder, grader, merged)


@pytest.fixture
def criteria(folder):
    (folder / "acceptance.json").write_text('{"accuracy": {"min": 0}}')


def test_images_that_the_model_was_trained_on_are_no_check(criteria, database, folder, grader, data_set):
    with pytest.raises(
        ValueError, match=r"5 of the 15 images are among those that .*model\.keras was trained on"
    ):
        check(database, folder, grader, data_set)
    assert database.execute("SELECT count(*) FROM checks").fetchone()[0] == 0


def test_copies_of_training_images_in_the_validation_part_are_counted_apart(
    criteria, database, folder, grader, unseen, monkeypatch
):
    path, rows = acceptance.read_split(grader.file)
    copied = rows[rows["part"] == "validation"].head(3).assign(part="train")
    with_copies = pd.concat([rows, copied], ignore_index=True)
    monkeypatch.setattr(acceptance, "read_split", lambda _: (path, with_copies))
    assert check(database, folder, grader, unseen)["parts"] == {
        "validation": 7,
        "validation, with a copy in training": 3,
    }


def test_images_of_another_preparation_are_no_check(criteria, database, folder, grader, data_set, tmp_path):
    other = shutil.copytree(data_set.root, tmp_path / "other")
    description = json.loads((other / "dataset.json").read_text())
    description["preparation"] = PREPARATION | {"crop": "centre"}
    (other / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=r"other/dataset\.json says .*'centre'.*; expected .*'border'"):
        check(database, folder, grader, load_manifest(other))


def test_new_images_and_those_of_a_model_without_a_split_are_told(
    criteria, anna, database, folder, grader, unseen, run_folder, tmp_path
):
    changed = unseen.frame.assign(sha256=["ab" * 32, *unseen.frame["sha256"][1:]])
    new = type(unseen)(unseen.root, changed, unseen.info)
    assert check(database, folder, grader, new)["parts"] == {"new": 1, "validation": 9}
    shutil.copytree(grader.folder, tmp_path / "models" / grader.folder.name)
    alone = Grader(shutil.copy(run_folder / "model.keras", tmp_path), tmp_path, PREPARATION, num_threads=1)
    assert check(database, folder, alone, unseen)["parts"] is None
    assert "whether the model was trained on them is not known" in anna.get("/quality-assurance").text
