"""The CheXNet-CBAM script: its settings, and one row from data to report."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from drcls.data import Augmenter, Batches, ImageCache, audit_leakage, split
from drcls.files import read_json
from experiments.chexnet_cbam import experiment as chexnet_cbam
from experiments.chexnet_cbam import report
from experiments.chexnet_cbam.experiment import (
    FLIPS_AND_ROTATIONS,
    FOREST,
    FROZEN_HEAD,
    VARIANTS,
    build,
    make_config,
    open_backbone,
    parse,
    protocols_of,
    recipe,
    run,
    weights_of,
)
from experiments.chexnet_cbam.report import PUBLISHED
from experiments.results.claims import EXPERIMENTS
from tests.small_data import write_squares

ROOT = Path(__file__).resolve().parents[3]
DESIGN_NAME = "EfficientNetLite0_CBAM_DropBlock_Transformer"


@pytest.mark.parametrize("protocol", ["paper", "clean"])
def test_the_full_profile_is_the_reported_setting(protocol):
    reported = read_json(PUBLISHED)["training"]
    full = recipe("CheXNet_CBAM", "full", protocol)
    settings = ("image_size", "batch_size", "epochs", "augmentation")
    assert {name: full[name] for name in settings} == {name: reported[name] for name in settings}
    Augmenter(**full["augmentation"])


def test_the_leaky_protocol_keeps_the_reported_augmentation_and_batch_size():
    reported = read_json(PUBLISHED)["training"]
    leaky = recipe(f"{DESIGN_NAME}_reported_augmentation", "short", "paper")
    assert leaky["augmentation"] == reported["augmentation"] and leaky["batch_size"] == reported["batch_size"]
    assert recipe("EfficientNetLite0", "short", "clean")["augmentation"] == FLIPS_AND_ROTATIONS


def test_a_row_of_more_epochs_differs_in_nothing_else():
    few, more = (recipe(name, "short", "paper") for name in (DESIGN_NAME, f"{DESIGN_NAME}_15_epochs"))
    assert (few["epochs"], more["epochs"]) == (7, 15)
    assert more == few | {"epochs": 15}


def test_rows_of_the_short_profile_alone_are_run_under_the_protocol_they_ask_about():
    large = "EfficientNetLite0_160_px"
    assert protocols_of("EfficientNetLite0") == ["paper", "clean"]
    assert protocols_of(f"{DESIGN_NAME}_reported_augmentation") == ["paper"]
    assert protocols_of(f"{DESIGN_NAME}_15_epochs") == ["paper"]
    assert protocols_of(large) == protocols_of(f"{large}_mean_of_seeds") == ["clean"]
    sizes = [
        recipe(row, "short", "clean")["image_size"] for row in (large, f"{large}_mean_of_seeds", DESIGN_NAME)
    ]
    assert sizes == [160, 160, 128]
    assert large in parse(["--profile", "short"]).models
    assert large not in parse(["--profile", "full"]).models
    for row, profile in ((large, "full"), ("EfficientNetLite0_mean_of_seeds", "quick")):
        with pytest.raises(SystemExit, match=f"{row}.*short alone.*{profile}"):
            parse(["--profile", profile, "--models", row])


def test_rows_are_the_printed_rows():
    assert list(VARIANTS) == read_json(PUBLISHED)["models"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_make_and_the_script_know_the_same_options(experiment):
    makefile = (ROOT / "Makefile").read_text()
    variables = dict(re.findall(r"^(\w+) = ((?:.*\\\n)*.*)", makefile, flags=re.MULTILINE))
    own = variables[experiment].replace("$(PRETRAINED)", variables["PRETRAINED"])
    offered = set(re.findall(r"--([a-z-]+)", variables["OPTIONS"] + own))
    shown = subprocess.run(
        [sys.executable, "-m", f"experiments.{experiment}", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    assert offered >= {"data", "protocol", "profile", "models", "seed", "runs", "tensorboard"}
    assert offered <= set(re.findall(r"--([a-z-]+)", shown.stdout))
    assert experiment in variables["EXPERIMENTS"].split()


def test_auto_is_the_phantom_on_a_cpu_without_prepared_data(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(chexnet_cbam, "ROOT", tmp_path)
    options = parse([])
    assert (options.data, options.protocols, options.profile) == (
        "fundus_phantom",
        ["paper", "clean"],
        "quick",
    )
    assert "fundus_phantom" in capsys.readouterr().out
    (tmp_path / "data" / "aptos2019").mkdir(parents=True)
    (tmp_path / "data" / "aptos2019" / "manifest.csv").touch()
    assert parse([]).data == "aptos2019"


@pytest.mark.parametrize("row", ["AlexNet", "backbone_CBAM"])
def test_unknown_rows_are_named(row):
    with pytest.raises(SystemExit, match=row):
        parse(["--models", row])


def test_a_missing_backbone_is_named_beside_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        parse(["--backbone", "no-such.keras"])
    told = capsys.readouterr().err
    assert "no-such.keras: no such file" in told and "EfficientNetLite0" in told


def test_a_weight_file_is_chexnets_alone():
    assert weights_of("CheXNet", "chexnet.h5") == "chexnet.h5"
    assert weights_of("VGG19", "chexnet.h5") == "imagenet"
    assert weights_of("VGG19", "none") == "none"


@pytest.fixture
def setting(tmp_path, monkeypatch):
    extractor = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(16, 3, strides=4)])
    extractor.save(tmp_path / "extractor.keras")
    small = {"image_size": 16, "epochs": 1, "learning_rate": 1e-3, "hidden_units": 4}
    monkeypatch.setattr(
        chexnet_cbam,
        "recipe",
        lambda *row: chexnet_cbam.CLEAN_TRAINING | chexnet_cbam.PRETRAINED_TRAINING | small,
    )
    arguments = ["--data", "squares", "--profile", "short", "--epochs", "1"]
    options = parse([*arguments, "--backbone", str(tmp_path / "extractor.keras")])
    manifest = write_squares(tmp_path / "data", per_class=20)
    parts = split(manifest, (0.6, 0.2, 0.2), 0, "grouped")
    return options, manifest, parts, audit_leakage(parts["train"], parts["test"])


DESIGN_ROW = "extractor_CBAM_DropBlock_Transformer"


@pytest.mark.parametrize("variant", [DESIGN_ROW, FOREST, FROZEN_HEAD])
def test_one_row_from_data_to_metrics(setting, tmp_path, variant):
    options, manifest, parts, leakage = setting
    folder = tmp_path / "runs" / "squares-clean-short-s0" / variant
    run(variant, options, "clean", manifest, parts, leakage, folder)
    metrics = read_json(folder / "metrics.json")
    assert metrics["num_test"] == len(parts["test"]) and metrics["leakage"]["overall"] == 0
    assert 0 <= metrics["metrics"]["accuracy"] <= 1
    assert metrics["seen_and_unseen"]["leaked"] == {"images": 0, "accuracy": None}
    assert metrics["seen_and_unseen"]["unseen"]["accuracy"] == pytest.approx(metrics["metrics"]["accuracy"])
    expected = {"config.json", "env.json", "split.csv", "predictions.csv", "metrics.json"}
    assert {path.name for path in folder.iterdir()} >= expected
    assert str(tmp_path) not in (folder / "config.json").read_text()
    written = (folder / "metrics.json").stat().st_mtime_ns
    run(variant, options, "clean", manifest, parts, leakage, folder)
    assert (folder / "metrics.json").stat().st_mtime_ns == written
    options.seed = 1
    with pytest.raises(ValueError, match="seed: 0 there, 1 now.*--force"):
        run(variant, options, "clean", manifest, parts, leakage, folder)


def test_a_trained_row_says_how_far_it_was_trained(setting, tmp_path):
    options, manifest, parts, leakage = setting
    run("extractor", options, "clean", manifest, parts, leakage, tmp_path / "row")
    training = read_json(tmp_path / "row" / "metrics.json")["training"]
    assert training["epochs"] == training["best_epoch"] == 1
    assert training["steps"] == -(-len(parts["train"]) // 32) and 0 <= training["train_accuracy"] <= 1


def test_force_trains_anew_whatever_lies_there(setting, tmp_path):
    options, manifest, parts, leakage = setting
    folder = tmp_path / "forced"
    run("extractor", options, "clean", manifest, parts, leakage, folder)
    options.epochs, options.force = 2, True
    run("extractor", options, "clean", manifest, parts, leakage, folder)
    assert len((folder / "history.csv").read_text().splitlines()) == 3
    assert read_json(folder / "config.json")["epochs"] == 2
    afresh = tmp_path / "afresh"
    run("extractor", options, "clean", manifest, parts, leakage, afresh)
    assert (folder / "predictions.csv").read_text() == (afresh / "predictions.csv").read_text()


def test_training_can_be_watched_with_tensorboard(setting, tmp_path):
    options, manifest, parts, leakage = setting
    options.tensorboard = True
    run("extractor", options, "clean", manifest, parts, leakage, tmp_path / "watched")
    assert list((tmp_path / "watched" / "tensorboard" / "train").glob("events*"))


def test_two_runs_with_one_seed_measure_the_same(setting, tmp_path):
    options, manifest, parts, leakage = setting
    measured = []
    for name in ("first", "second"):
        run("extractor_CBAM", options, "clean", manifest, parts, leakage, tmp_path / name)
        measured.append((tmp_path / name / "predictions.csv").read_text())
    assert measured[0] == measured[1]


def test_what_a_run_depends_on_is_in_its_configuration(setting):
    options, _, _, _ = setting
    config = make_config("extractor_CBAM", options, "clean")
    assert (
        config["parts"] == ["cbam"]
        and Path(config["backbone"]).name == "extractor.keras"
        and config["seed"] == 0
    )
    assert config["epochs"] == 1 and config["learning_rate"] == 1e-3 and config["split_seed"] == 2


def test_a_backbone_without_batch_norm_is_normalised_and_the_shipped_one_is_not(setting):
    options, _, parts, _ = setting
    names = []
    for backbone in (options.backbone, "EfficientNetLite0"):
        options.backbone = backbone
        config = make_config(f"{Path(backbone).stem}_CBAM", options, "clean")
        opened = open_backbone(config, 32)
        names.append({layer.name for layer in build(config, opened, parts["train"].classes, 10).layers})
    assert "normalisation" in names[0] and "normalisation" not in names[1]


def test_a_frozen_row_keeps_its_backbone_and_saves_the_whole_network(setting, tmp_path, monkeypatch):
    options, manifest, parts, leakage = setting
    frozen = chexnet_cbam.FROZEN_TRAINING | {"image_size": 16, "epochs": 1, "learning_rate": 0.1}
    monkeypatch.setattr(chexnet_cbam, "recipe", lambda *row: frozen)
    run("extractor_CBAM", options, "clean", manifest, parts, leakage, tmp_path / "row")
    model = keras.models.load_model(tmp_path / "row" / "model.keras")
    before = keras.models.load_model(options.backbone).get_weights()
    for kept, weight in zip(before, model.layers[1].get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)
    batches = Batches(ImageCache(manifest, 16), parts["test"], 8)
    predicted = pd.read_csv(tmp_path / "row" / "predictions.csv")
    shown = predicted[[f"p_{name}" for name in manifest.classes]].to_numpy()
    np.testing.assert_allclose(model.predict(batches, verbose=0), shown, atol=1e-5)


def test_the_mean_of_seeds_averages_saved_networks_over_eight_orientations(setting, tmp_path, monkeypatch):
    options, manifest, parts, leakage = setting
    for part in parts.values():
        monkeypatch.setitem(part.info, "ordered", True)

    def folder(seed, row):
        return tmp_path / "runs" / f"squares-clean-short-s{seed}" / row

    for seed in (0, 1):
        options.seed = seed
        run("extractor", options, "clean", manifest, parts, leakage, folder(seed, "extractor"))
    options.seed = 0
    members = {"image_size": 16, "members": [0, 1, 2], "orientations": 8}
    monkeypatch.setattr(chexnet_cbam, "recipe", lambda *row: members)
    row = "extractor_mean_of_seeds"
    with pytest.raises(SystemExit, match=r"not finished: .*squares-clean-short-s2.extractor.*first"):
        run(row, options, "clean", manifest, parts, leakage, folder(0, row))
    members["members"] = [0, 1]
    run(row, options, "clean", manifest, parts, leakage, folder(0, row))
    images = ImageCache(manifest, 16)
    images = images.images[images.rows(parts["test"])].astype("float32")
    views = [np.rot90(images, turns, (1, 2)) for turns in range(4)]
    views += [view[:, ::-1] for view in views]
    networks = [keras.models.load_model(folder(seed, "extractor") / "model.keras") for seed in (0, 1)]
    expected = np.mean([network.predict(view, verbose=0) for network in networks for view in views], axis=0)
    found = pd.read_csv(folder(0, row) / "predictions.csv")[[f"p_{name}" for name in manifest.classes]]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    measured = read_json(folder(0, row) / "metrics.json")
    assert measured["note"] == "mean over seeds 0, 1 and eight orientations"
    assert len(measured["expected_grade"]["cut_points"]) == 2
    assert 0 <= measured["expected_grade"]["accuracy"] <= 1


def test_the_papers_data_set_is_not_named_over_figures_of_another(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "bar_chart", lambda *_: None)
    tables = {"models": read_json(report.PUBLISHED)["tables"]["4"]}
    fact = {"variant": "CheXNet", "protocol": "paper", "data": "eyes", "profile": "quick", "seed": 0}
    fact |= {"finished": False, "phantom": True, "sample": "", "config": {}}
    table, _ = report.results_section(tmp_path, [fact], tables).parts
    assert table.caption.startswith("Paper: Performance of the models, APTOS 2019. Ours: SYNTHETIC")
    assert "eyes · paper protocol · quick profile · seed 0" in table.caption
