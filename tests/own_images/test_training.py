"""Training on a prepared folder: what a run folder holds, every loss and sampler, and whose folder it is."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import drcls.own_images.training as training
from drcls.data import load_manifest
from drcls.models import BACKBONES
from drcls.own_images import evaluate_classifier, options, train_classifier
from drcls.runs import sole_user
from tests.small_data import save_tiny_backbone, write_squares


def test_a_run_folder_is_complete(run):
    for name in ("config", "env", "dataset", "audit", "metrics"):
        assert json.loads((run / f"{name}.json").read_text())
    split = pd.read_csv(run / "split.csv")
    assert split["part"].value_counts().to_dict() == {"train": 52, "test": 11, "validation": 9}
    predictions = pd.read_csv(run / "predictions.csv")
    assert sorted(predictions["path"]) == sorted(split["path"][split["part"] == "test"])
    history = pd.read_csv(run / "history.csv")
    assert len(history) == 6 and history["val_macro_f1"].notna().all()
    model = keras.models.load_model(run / "model.keras", compile=False)
    assert model.layers[-1].class_names == ["red", "green", "blue"]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["leakage"]["overall"] == 0 and metrics["protocol"] == "clean"


def test_a_finished_run_is_read_and_not_trained_again(run, squares, backbone, monkeypatch):
    monkeypatch.setattr(training, "_train", lambda *_: pytest.fail("trained again"))
    again = train_classifier(squares, run, backbone, epochs=6, learning_rate=0.02, batch_size=8)
    assert again == json.loads((run / "metrics.json").read_text())


def test_a_backbone_may_be_a_path(run, squares, backbone, monkeypatch):
    monkeypatch.setattr(training, "_train", lambda *_: pytest.fail("trained again"))
    again = train_classifier(squares, run, Path(backbone), epochs=6, learning_rate=0.02, batch_size=8)
    assert again == json.loads((run / "metrics.json").read_text())


def test_a_run_of_other_settings_is_refused_and_left_alone(run, squares, backbone):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with pytest.raises(ValueError, match="other settings .*loss: cross_entropy there, focal now.*--force"):
        train_classifier(squares, run, backbone, loss="focal", epochs=6, learning_rate=0.02, batch_size=8)
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*")}


def test_a_run_that_another_process_trains_is_left_alone(squares, backbone, tmp_path):
    with sole_user(tmp_path / "run"), pytest.raises(ValueError, match="run: another process trains in this"):
        train_classifier(squares, tmp_path / "run", backbone, epochs=1, force=True)
    assert not (tmp_path / "run").exists()


def test_an_unfinished_run_without_a_checkpoint_is_replaced(squares, backbone, tmp_path):
    begun = {"variant": tmp_path.name, "data": "squares", "protocol": "clean", "loss": "focal"}
    (tmp_path / "config.json").write_text(json.dumps(begun))
    metrics = train_classifier(squares, tmp_path, backbone, epochs=1)
    assert metrics["note"] == "best epoch 1 of 1"


def test_force_trains_anew_and_spares_what_is_not_the_runs(squares, backbone, tmp_path):
    train_classifier(squares, tmp_path, backbone, epochs=1)
    (tmp_path / "notes.txt").write_text("mine")
    metrics = train_classifier(squares, tmp_path, backbone, epochs=2, force=True)
    assert metrics["note"].endswith("of 2") and (tmp_path / "notes.txt").read_text() == "mine"


def test_a_size_that_does_not_fit_does_not_cost_the_earlier_run(squares, backbone, tmp_path):
    train_classifier(squares, tmp_path, backbone, epochs=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="4096"):
        train_classifier(squares, tmp_path, backbone, epochs=1, image_size=4096, force=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("force", [False, True])
def test_another_programs_configuration_is_refused(squares, backbone, tmp_path, force):
    (tmp_path / "config.json").write_text('{"architectures": ["ViT"]}')
    with pytest.raises(ValueError, match="holds config.json and no run"):
        train_classifier(squares, tmp_path, backbone, epochs=1, force=force)
    assert (tmp_path / "config.json").read_text() == '{"architectures": ["ViT"]}'


@pytest.mark.parametrize("force", [False, True])
def test_somebodys_own_files_of_a_runs_names_are_refused(squares, backbone, tmp_path, force):
    for name in ("model.keras", "metrics.json", "figures/one.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match="holds figures, metrics.json, model.keras and no run"):
        train_classifier(squares, tmp_path, backbone, epochs=1, force=force)
    assert {path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {"mine"}


def test_force_takes_the_evaluations_of_the_old_model_and_no_file_beside(squares, backbone, tmp_path):
    train_classifier(squares, tmp_path, backbone, epochs=1)
    evaluated = Path(evaluate_classifier(tmp_path, squares)["folder"])
    (evaluated / "notes.txt").write_text("mine")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.png").write_text("mine")
    train_classifier(squares, tmp_path, backbone, epochs=1, seed=1, force=True)
    assert [path.name for path in evaluated.iterdir()] == ["notes.txt"]
    evaluate_classifier(tmp_path, squares, folder=tmp_path / "evaluation-again")
    assert (tmp_path / "figures" / "mine.png").exists()


def test_what_cannot_begin_does_not_cost_the_earlier_run(backbone, tmp_path):
    few = write_squares(tmp_path / "few", per_class=8).root
    train_classifier(few, tmp_path / "run", backbone, epochs=1, frozen=True)
    before = {path.name for path in (tmp_path / "run").iterdir()}
    with pytest.raises(ValueError, match="SMOTE needs 6 or more training images"):
        train_classifier(few, tmp_path / "run", backbone, epochs=1, frozen=True, sampler="smote", force=True)
    assert {path.name for path in (tmp_path / "run").iterdir()} == before


def test_an_interrupted_force_leaves_a_folder_to_go_on_with(squares, backbone, tmp_path, monkeypatch):
    train_classifier(squares, tmp_path, backbone, epochs=1)
    evaluate_classifier(tmp_path, squares)
    (tmp_path / "evaluation-broken").mkdir()
    (tmp_path / "evaluation-broken" / "config.json").write_text("{")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(training, "audit", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        train_classifier(squares, tmp_path, backbone, epochs=1, force=True)
    assert not (tmp_path / "evaluation-test").exists() and (tmp_path / "evaluation-broken").exists()
    assert train_classifier(squares, tmp_path, backbone, epochs=1)["note"] == "best epoch 1 of 1"


def test_a_new_title_is_no_new_data_and_new_labels_are(squares, backbone, tmp_path):
    data = shutil.copytree(squares, tmp_path / "data")
    first = train_classifier(data, tmp_path / "run", backbone, epochs=1)
    info = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(info | {"title": "My squares"}))
    assert train_classifier(data, tmp_path / "run", backbone, epochs=1) == first
    (data / "dataset.json").write_text(json.dumps(info | {"ordered": not info["ordered"]}))
    with pytest.raises(ValueError, match="data_fingerprint"):
        train_classifier(data, tmp_path / "run", backbone, epochs=1)


@pytest.fixture
def given_parts(squares, tmp_path):
    """The squares in pairs of one patient, a quarter of the patients in the source's test part."""
    data = shutil.copytree(squares, tmp_path / "data")
    frame = load_manifest(data).frame
    patient = np.arange(len(frame)) // 2
    frame["group"] = [f"patient {number}" for number in patient]
    frame["source_split"] = np.where(patient % 4 == 0, "test", "train")
    frame.to_csv(data / "manifest.csv", index=False)
    return data


def test_as_given_keeps_the_test_part_and_draws_validation_by_whole_groups(given_parts, backbone, tmp_path):
    run = tmp_path / "run"
    train_classifier(given_parts, run, backbone, epochs=1, protocol="as-given")
    split = pd.read_csv(run / "split.csv")
    groups = split.groupby("part")["group"].agg(set)
    assert groups["validation"] and not groups["validation"] & groups["train"]
    frame = load_manifest(given_parts).frame
    assert groups["test"] == set(frame.loc[frame["source_split"] == "test", "group"])


def test_a_test_part_of_the_source_that_is_trained_on_is_told(given_parts, backbone, tmp_path, capsys):
    train_classifier(given_parts, tmp_path / "run", backbone, epochs=1)
    told = capsys.readouterr().out
    split = pd.read_csv(tmp_path / "run" / "split.csv")
    given = load_manifest(given_parts).frame.set_index("path")["source_split"]
    number = (given[split.loc[split["part"] == "train", "path"]] == "test").sum()
    assert f"are not used: {number} of its test images are trained on; --protocol as-given keeps them" in told
    assert "0.0% of the test images have a copy in training, 0.0% a copy or another image" in told


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_something_else_is_refused(squares, backbone, tmp_path, force):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="holds thesis.tex and no run"):
        train_classifier(squares, tmp_path, backbone, epochs=1, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "weighted"},
        {"loss": "balanced_softmax"},
        {"loss": "focal", "sampler": "under"},
        {"sampler": "over", "protocol": "random"},
        {"frozen": True, "sampler": "smote", "loss": "focal"},
        {"frozen": True, "head": "logistic_regression", "loss": "weighted"},
        {"frozen": True, "head": "logistic_regression", "sampler": "smote"},
    ],
    ids=str,
)
def test_every_loss_and_sampler_trains(squares, backbone, tmp_path, options):
    epochs = None if options.get("head") == "logistic_regression" else 1
    metrics = train_classifier(squares, tmp_path / "run", backbone, epochs=epochs, **options)
    assert metrics["num_test"] == 11
    assert (tmp_path / "run" / "model.keras").is_file()


def test_parts_stand_between_backbone_and_head(squares, tmp_path):
    wide = save_tiny_backbone(tmp_path / "wide.keras", channels=16)
    train_classifier(
        squares,
        tmp_path / "run",
        wide,
        parts=["transformer", "cbam", "drop_block"],
        epochs=1,
        batch_size=8,
    )
    model = keras.models.load_model(tmp_path / "run" / "model.keras", compile=False)
    names = {layer.name for layer in model.layers}
    assert {"cbam", "drop_block", "transformer"} <= names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "smote"}, "needs a frozen backbone"),
        ({"head": "logistic_regression"}, "needs a frozen backbone"),
        ({"frozen": True, "parts": ["cbam"]}, "leave out one of the two"),
        ({"sampler": "over", "loss": "weighted"}, "choose one of the two"),
        ({"frozen": True, "head": "logistic_regression", "loss": "focal"}, "knows the losses"),
        (
            {"frozen": True, "head": "logistic_regression", "epochs": 7, "learning_rate": 5.0},
            "without epochs or a learning rate; received epochs 7 and learning_rate 5.0; leave them out",
        ),
        ({"loss": "hinge"}, "loss: received 'hinge', expected one of cross_entropy"),
        ({"protocol": "paper"}, "protocol: received 'paper'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(squares, backbone, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        train_classifier(squares, tmp_path / "run", backbone, **options)
    assert not (tmp_path / "run").exists()


def test_images_smaller_than_asked_for_are_refused(squares, backbone, tmp_path):
    with pytest.raises(
        ValueError, match="images of 16 pixels, and 32 are asked for; prepare them anew with --size 32"
    ):
        train_classifier(squares, tmp_path / "run", backbone, image_size=32)


def test_as_given_keeps_the_parts_of_the_source(squares, backbone, tmp_path):
    manifest = load_manifest(squares)
    table = manifest.frame.assign(source_split=(["train"] * 4 + ["validation", "test"]) * 12)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "images").symlink_to(squares / "images")
    (folder / "dataset.json").write_text((squares / "dataset.json").read_text())
    table.sample(frac=1, random_state=0).to_csv(folder / "manifest.csv", index=False)
    with pytest.raises(ValueError, match="leaves parts without a class: {'validation'"):
        train_classifier(folder, tmp_path / "run", backbone, epochs=1, protocol="as-given")
    rows = np.arange(len(table)) // 3 % 6
    parts = np.array(["train", "train", "train", "train", "validation", "test"])[rows]
    manifest.frame.assign(source_split=parts).to_csv(folder / "manifest.csv", index=False)
    train_classifier(folder, tmp_path / "run", backbone, epochs=1, protocol="as-given")
    split = pd.read_csv(tmp_path / "run" / "split.csv").merge(
        pd.read_csv(folder / "manifest.csv")[["path", "source_split"]], on="path"
    )
    assert (split["part"] == split["source_split"]).all()
    with pytest.raises(ValueError, match="needs a source_split"):
        train_classifier(squares, tmp_path / "other", backbone, epochs=1, protocol="as-given")


def test_an_interrupted_training_goes_on_and_ends_alike(squares, backbone, tmp_path, monkeypatch):
    settings = {"epochs": 3, "learning_rate": 0.01, "batch_size": 8}
    whole = train_classifier(squares, tmp_path / "whole", backbone, **settings)

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr("drcls.own_images.fitting.Progress", Interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_classifier(squares, tmp_path / "cut", backbone, **settings)
    monkeypatch.undo()
    cut = train_classifier(squares, tmp_path / "cut", backbone, **settings)
    assert cut["metrics"] == whole["metrics"]


@pytest.mark.parametrize(
    ("num_images", "options", "epochs", "learning_rate"),
    [
        (280, {"frozen": False, "weights": "imagenet"}, 40, 3e-4),
        (7000, {"frozen": False, "weights": "imagenet"}, 7, 3e-4),
        (7000, {"frozen": False, "weights": "none"}, 7, 1e-3),
        (280, {"frozen": True, "weights": "imagenet"}, 30, 1e-3),
    ],
)
def test_epochs_and_learning_rate_go_by_the_number_of_images(num_images, options, epochs, learning_rate):
    config = {"batch_size": 32, "backbone": "EfficientNetLite0", **options}
    chosen = training._schedule(config, num_images, None, None)
    assert chosen == {"epochs": epochs, "learning_rate": learning_rate}
    assert training._schedule(config, num_images, 3, 0.5) == {"epochs": 3, "learning_rate": 0.5}


def test_the_backbones_that_can_be_asked_for_are_those_there_are():
    assert set(options.BACKBONES) == set(BACKBONES) and len(options.BACKBONES) == len(BACKBONES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"devices": 99}, "expected 1 to 1 devices .*received 99"),
        ({"devices": 2, "frozen": True}, "frozen backbone is trained on one device; received 2"),
    ],
)
def test_devices_that_cannot_be_used_are_refused_first(squares, backbone, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        train_classifier(squares, tmp_path / "run", backbone, **settings)
    assert not (tmp_path / "run").exists()
