"""The SMOTE script: rows from data to metrics, held-out test rows, the leaky row, gains and report."""

import shutil

import keras
import numpy as np
import pandas as pd
import pytest

from drcls.files import read_json
from drcls.metrics import accuracy
from drcls.models import LEARNERS
from drcls.runs import write_split
from experiments.common.controls import CONTROLS
from experiments.smote_transfer import experiment
from experiments.smote_transfer.experiment import (
    PROFILES,
    VARIANTS,
    check_images,
    main,
    make_config,
    parse,
    split_strategy,
)
from experiments.smote_transfer.report import gain, gain_cells, pair_up
from tests.data.tables import table
from tests.small_data import write_squares

FEW = ["logistic_regression", "SVM", "k-NN"]


def thin_out(manifest):
    """Leave a class of 20 among classes of 40, and one image twice."""
    frame = pd.read_csv(manifest.root / "manifest.csv", dtype=str)
    blue = frame.index[frame["label"] == "blue"]
    frame = frame.drop(blue[20:])
    frame.loc[blue[1], ["sha256", "phash"]] = frame.loc[blue[0], ["sha256", "phash"]]
    shutil.copy(manifest.root / frame["path"][blue[0]], manifest.root / frame["path"][blue[1]])
    frame.loc[blue[1], "group"] = frame.loc[blue[0], "group"]
    frame.to_csv(manifest.root / "manifest.csv", index=False)


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Squares of three colours, a tiny extractor, three learners."""
    extractor = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 3, strides=4)])
    extractor.save(tmp_path / "extractor.keras")
    thin_out(write_squares(tmp_path / "data" / "squares", per_class=40))
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    monkeypatch.setattr(experiment, "LEARNERS", {name: LEARNERS[name] for name in FEW})
    monkeypatch.setattr(experiment, "VOTERS", ("logistic_regression", "SVM"))
    monkeypatch.setitem(experiment.CONFIG, "num_components", 4)
    monkeypatch.setitem(PROFILES["quick"], "image_size", 16)
    arguments = ["--data", "squares", "--profile", "quick", "--epochs", "1"]
    return [*arguments, "--backbone", str(tmp_path / "extractor.keras")]


def test_all_rows_from_data_to_report(setting, tmp_path):
    rows = ["none", "SMOTE", "SMOTE_before_split", "fine_tuned", "fine_tuned+none", "fine_tuned+SMOTE"]
    main([*setting, "--models", ",".join([*CONTROLS, *rows])])
    run_set = tmp_path / "runs" / "smote_transfer"
    clean, paper = (run_set / f"squares-{protocol}-quick-s0" for protocol in ("clean", "paper"))
    for row in CONTROLS:
        assert (
            read_json(paper / row / "metrics.json")["note"]
            and read_json(clean / row / "metrics.json")["note"]
        )
    for row in rows:
        assert (paper / f"extractor+{row}" / "metrics.json").is_file()
        assert (clean / f"extractor+{row}").is_dir() == (row != "SMOTE_before_split")
    learners = read_json(clean / "extractor+SMOTE" / "learners.json")
    assert list(learners) == [*FEW, "soft_voting"]
    metrics = read_json(clean / "extractor+SMOTE" / "metrics.json")
    assert metrics["metrics"] == learners["soft_voting"]["metrics"]
    leaky = read_json(paper / "extractor+SMOTE_before_split" / "metrics.json")
    assert leaky["note"].startswith("20 synthetic rows") and leaky["num_test"] == 25
    assert 0 < leaky["leakage"]["synthetic_parent"] <= leaky["leakage"]["overall"] < 1
    assert leaky["seen_and_unseen"]["leaked"]["images"] == leaky["leakage"]["num_leaked"]
    places = pd.read_csv(clean / "extractor+SMOTE" / "embedding_map.csv")
    assert set(places.loc[places["kind"] == "synthetic", "label"]) == {"blue"}
    assert set(read_json(clean / "extractor-frozen-none-hyperparameters.json")["chosen"]) == set(FEW)
    text = (run_set / "report-squares-quick" / "report.md").read_text()
    for heading in ("Backbones and resampling", "What SMOTE changes", "Every learner"):
        assert f"## {heading}" in text
    assert "(reported" not in text  # the reported gains are those on retinopathy
    written = (clean / "extractor+SMOTE" / "metrics.json").stat().st_mtime_ns
    main([*setting, "--models", "SMOTE", "--protocol", "clean"])
    assert (clean / "extractor+SMOTE" / "metrics.json").stat().st_mtime_ns == written


@pytest.mark.parametrize(("each", "resamplings"), [(True, {"none", "SMOTE"}), (False, {"none"})])
def test_hyperparameters_are_chosen_with_the_resampling_they_are_used_with(
    setting, tmp_path, monkeypatch, each, resamplings
):
    monkeypatch.setitem(PROFILES["quick"], "tuned_for_each", each)
    tuned = set()

    def choose(classifier, *arguments):
        sampler = classifier.named_steps.get("resample")
        tuned.add(type(sampler).__name__ if sampler else "none")
        return {}

    monkeypatch.setattr(experiment, "choose_hyperparameters", choose)
    main([*setting, "--models", "none,SMOTE", "--protocol", "clean"])
    assert tuned == resamplings


def test_adasyn_on_balanced_classes_is_not_possible_and_stops_nothing(setting, tmp_path, capsys):
    write_squares(tmp_path / "data" / "even", per_class=50)
    arguments = ["even" if word == "squares" else word for word in setting]
    main([*arguments, "--models", "ADASYN,none", "--protocol", "clean"])
    folder = tmp_path / "runs" / "smote_transfer" / "even-clean-quick-s0"
    assert "ADASYN makes no row" in (folder / "extractor+ADASYN" / "not_possible.txt").read_text()
    assert (folder / "extractor+none" / "metrics.json").is_file()
    report = tmp_path / "runs" / "smote_transfer" / "report-even-quick" / "report.md"
    assert "extractor+ADASYN, clean protocol: ADASYN makes no row" in report.read_text()


def test_rows_of_fine_tuned_embeddings_need_the_fine_tuned_backbone(setting):
    with pytest.raises(SystemExit, match=r"model.keras does not exist; add fine_tuned to --models"):
        main([*setting, "--models", "fine_tuned+SMOTE", "--protocol", "clean"])


def test_the_test_rows_are_held_out(setting, monkeypatch):
    """A script that fits on everything is stopped, under the clean protocol."""

    def fit_on_all(config, features, labels, test, holdout, hyperparameters):
        together = np.concatenate([features, test])
        classifier = experiment.build_embedding_classifier("k-NN", "none", 0, 4, holdout)
        return classifier.fit(together, np.zeros(len(together), dtype=int))

    monkeypatch.setattr(experiment, "fit_learners", fit_on_all)
    with pytest.raises(ValueError, match="held-out test rows"):
        main([*setting, "--models", "none", "--protocol", "clean"])


def test_auto_is_both_data_sets(monkeypatch, tmp_path):
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    resolved = parse(["--profile", "quick"])
    assert [options.data for options in resolved] == ["fundus_phantom", "brain_phantom"]
    assert resolved[0].models == VARIANTS
    assert experiment.backbones(parse(["--profile", "short"])[0]) == ["EfficientNetLite0"]


def test_a_distributed_split_is_kept():
    manifest = table({"a": 3, "b": 3})
    assert split_strategy(manifest, "paper") == "random" and split_strategy(manifest, "clean") == "grouped"
    manifest.frame["source_split"] = ["Training", "Testing"] * 3
    assert split_strategy(manifest, "paper") == "official"
    assert split_strategy(manifest, "clean") == "official_grouped"


def test_a_leaky_row_of_other_images_is_refused(tmp_path):
    manifest = table({"a": 3, "b": 2})
    write_split(tmp_path, {"train": manifest.select([0, 1, 2, 2, 4]), "test": manifest.select([0, 3])})
    check_images(tmp_path, manifest)
    with pytest.raises(ValueError, match="was trained on other images or labels .* train anew with --force"):
        check_images(tmp_path, table({"a": 2, "b": 3}))


def test_gains_by_hand(tmp_path):
    """Of ten images SMOTE gets one more right: +10 points of accuracy."""
    runs = []
    for variant, right in (("net+none", 5), ("net+SMOTE", 6)):
        folder = tmp_path / variant
        folder.mkdir()
        labels = ["a", "b"] * 5
        predicted = [label if i < right else {"a": "b", "b": "a"}[label] for i, label in enumerate(labels)]
        frame = {"path": range(10), "label": labels, "group": range(10), "k-NN": predicted}
        pd.DataFrame(frame).to_csv(folder / "learners.csv", index=False)
        runs.append({"variant": variant, "seed": 0, "folder": folder, "class_names": ["a", "b"]})
    pairs = pair_up(runs)
    assert list(pairs) == ["net"]
    found = gain(pairs["net"], "k-NN", (accuracy,))
    assert found["differences"]["accuracy"]["difference"] == pytest.approx(0.1)
    assert found["p_value"] == 1.0 and found["seeds"] == [0]
    row = gain_cells({"protocol": "clean", "backbone": "net", "learner": "k-NN"} | found, {"accuracy": 1.97})
    assert row["accuracy (reported +1.97)"].startswith("+10.00 (")
    assert row["paired exact p, all seeds"] == "1.000" and row["seeds"] == "0"


def test_what_a_row_depends_on_is_recorded(setting):
    [options] = parse(setting)

    class Cache:
        size = 16

    config = make_config("fine_tuned+SMOTE", options, "clean", options.backbone, Cache)
    assert config["resampling"] == "SMOTE" and config["weights"] == "file"
    assert config["variant"] == "extractor+fine_tuned+SMOTE" and config["num_components"] == 4
    assert make_config("fine_tuned", options, "clean", options.backbone, Cache)["resampling"] is None
    assert set(FEW) <= set(LEARNERS)
