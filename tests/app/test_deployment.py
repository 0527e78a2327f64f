"""A model served without its data set: what the model card or the run folder beside it records."""

import json
import shutil

import pytest

from drcls.app.deployment import calibrate_once, describe, load_grader
from drcls.export import export_model
from drcls.models.training_data import data_beside
from tests.app.conftest import PREPARATION


@pytest.fixture
def handed_over(run_folder, tmp_path):
    """An exported file with its card, and nothing else."""
    data = {"title": "clinic", "preparation": PREPARATION, "phantom": True}
    return export_model(run_folder, tmp_path / "handed_over", "keras", facts={"data": data})["file"]


@pytest.fixture
def of_photographs(handed_over):
    """The same, and its card says that the images were photographs."""
    change_card(handed_over, phantom=False)
    return handed_over


def change_card(model, **data):
    card = model.with_name("model_card.json")
    content = json.loads(card.read_text())
    content["data"] |= data
    card.write_text(json.dumps(content))


def describe_data(data_set, folder, **changes):
    """Write the description of a data set without its images, with changes."""
    folder.mkdir()
    description = json.loads((data_set.root / "dataset.json").read_text()) | changes
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def test_an_exported_file_is_served_as_its_card_says(handed_over, grader, folder, database):
    served = load_grader(folder, handed_over)
    # Synthetic images are drawn at their final size.
    assert served.preparation == {"crop": "none", "size": 48, "filter": "none", "clahe": False}
    assert served.class_names == grader.class_names
    # The card says that the images were synthetic, and no page may hide it.
    assert served.phantom and served.description()["demonstration"]
    calibrate_once(database, served)
    assert served.calibration is None


def test_an_exported_file_says_what_its_calibration_lacks(
    of_photographs, run_folder, data_set, folder, database
):
    served = load_grader(folder, of_photographs, data_set.root)
    calibrate_once(database, served, data_set.root)
    assert not served.description()["calibrated"]
    assert (
        "split.csv, which names the model's validation images, does not lie beside model.keras"
        in describe(served)
    )
    shutil.copy(run_folder / "split.csv", of_photographs.parent)
    calibrate_once(database, served, data_set.root)
    assert served.calibration["num_images"] == 10 and "split.csv" not in describe(served)


def test_a_given_data_set_must_agree_with_the_card(of_photographs, data_set, folder):
    assert load_grader(folder, of_photographs, data_set.root).preparation == PREPARATION
    change_card(of_photographs, preparation=PREPARATION | {"size": 8})
    assert load_grader(folder, of_photographs).preparation["size"] == 8
    with pytest.raises(ValueError, match=r"dataset\.json .*'size': 48.*'size': 8.*model_card\.json records"):
        load_grader(folder, of_photographs, data_set.root)


def test_a_given_data_set_must_agree_with_the_run_folder(run_folder, data_set, folder, tmp_path):
    run = shutil.copytree(run_folder, tmp_path / "run")
    shutil.copy(data_set.root / "dataset.json", run)
    other = describe_data(data_set, tmp_path / "other", preparation=PREPARATION | {"crop": "centre"})
    with pytest.raises(
        ValueError, match=r"other/dataset\.json .*'centre'.*'border'.*run/dataset\.json records"
    ):
        load_grader(folder, run / "model.keras", other)


def test_a_model_that_lies_alone_is_a_demonstration_where_its_data_are_synthetic(
    run_folder, data_set, folder, tmp_path
):
    alone = shutil.copy(run_folder / "model.keras", tmp_path / "alone.keras")
    phantom = describe_data(data_set, tmp_path / "phantom", phantom=True)
    assert not load_grader(folder, alone, data_set.root).phantom
    served = load_grader(folder, alone, phantom)
    assert served.phantom and served.description()["demonstration"]
    assert describe(served).startswith("demonstration trained on synthetic images")


def test_a_run_folder_that_describes_its_data_needs_no_other(run_folder, data_set, folder, tmp_path):
    run = shutil.copytree(run_folder, tmp_path / "run")
    shutil.copy(data_set.root / "dataset.json", run)
    assert load_grader(folder, run / "model.keras").preparation == PREPARATION
    assert data_beside(run) == data_beside(run / "model.keras")


def test_without_a_record_the_data_set_is_asked_for(handed_over, folder):
    handed_over.with_name("model_card.json").unlink()
    with pytest.raises(FileNotFoundError, match="name its prepared data set with --trained-on"):
        load_grader(folder, handed_over)


def test_a_broken_card_is_named(handed_over, folder):
    handed_over.with_name("model_card.json").write_text('{"data": {"preparation": {"size": "large"}}}')
    with pytest.raises(ValueError, match=r"model_card\.json"):
        load_grader(folder, handed_over)
