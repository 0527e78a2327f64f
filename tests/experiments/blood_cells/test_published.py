"""The printed figures of the blood-cell paper, and what follows from them."""

import pytest

from data_prep.blood_cells import ACEVEDO_COUNTS, CLASSES
from drcls.files import read_json
from experiments.blood_cells.experiment import CONFIG, PROFILES
from experiments.blood_cells.report import PUBLISHED

CONTENT = read_json(PUBLISHED)
DATA, TABLES = CONTENT["datasets"]["blood_cells"], CONTENT["tables"]
TEXT = {item["id"]: item["value"] for item in CONTENT["text"] if "id" in item}
NOTES = {note["id"]: note["recomputed"] for note in CONTENT["notes"]}


def test_cells_and_injected_images_make_the_set():
    assert NOTES["injected"]["cells"] + NOTES["injected"]["injected"] == DATA["total"] == 13_759


def test_resnet_is_ahead_by_less_than_an_image():
    rows = {row["model"]: row for row in TABLES["2"]["rows"]}
    points = rows["ResNet50"]["weighted_f1"] - rows["Xception"]["weighted_f1"]
    assert points == pytest.approx(NOTES["choice_of_resnet50"]["f1_points"])
    most = NOTES["choice_of_resnet50"]["validation_images_at_most"]
    assert most == round(0.2 * DATA["total"]) and points / 100 * most < 1
    assert rows["Xception"]["accuracy"] > rows["ResNet50"]["accuracy"]


def test_recall_is_accuracy_in_every_row():
    assert all(row["weighted_recall"] == row["accuracy"] for row in TABLES["2"]["rows"])


def test_points_lost_and_won():
    sets = {row["set"]: row["accuracy"] for row in TABLES["3"]["rows"]}
    assert sets["validation"] - sets["test"] == pytest.approx(NOTES["external_test"]["points_lost"])
    before = TABLES["2"]["rows"][0]["weighted_f1"]
    after = TEXT["fine_tuned_f1"]
    assert after - before == pytest.approx(NOTES["improvement"]["points"])
    assert 100 * (after / before - 1) == pytest.approx(NOTES["improvement"]["relative_percent"], abs=0.01)


def test_own_networks_guess_on_the_test_set():
    assert NOTES["own_networks"]["guessing"] == 100 / DATA["num_classes"]
    assert TEXT["own_networks_test"] < NOTES["own_networks"]["guessing"]


def test_cleaning_removed_genuine_cells():
    data, note = DATA, NOTES["cleaned_counts"]
    for entry, name in (("largest_class", "neutrophil"), ("smallest_class", "basophil")):
        assert CLASSES[data[entry]["class"]] == name
        assert note[f"{name}s"] == round(0.7 * ACEVEDO_COUNTS[name]) > data[entry]["images"]


def test_the_full_profile_is_as_reported():
    paper = PROFILES["full"]
    assert paper["batch_size"] == 64 and paper["image_size"]["transfer"] == DATA["image_size"]
    assert (paper["epochs"]["transfer"], paper["epochs"]["fine_tuned"]) == (30, 70)
    assert (paper["learning_rate"]["transfer"], paper["learning_rate"]["fine_tuned"]) == (1e-4, 1e-5)
    assert paper["backbones"] == ["ResNet50", "Xception", "InceptionV3", "InceptionResNetV2"]
    assert CONFIG["patience"] == 15 and CONFIG["fractions"]["paper"] == (0.8, 0.2)
    assert not any("shift" in name for name in CONFIG["augmentation"])
