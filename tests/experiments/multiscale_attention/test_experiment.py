"""The multi-scale attention script: its rows, four classes of five, and one row from data to metrics."""

import keras
import numpy as np
import pandas as pd
import pytest

from drcls.data import Augmenter, ImageCache, split
from drcls.files import read_json, write_json
from drcls.models import build_backbone, build_multiscale_attention
from experiments.common.controls import CONTROLS
from experiments.common.run import audit
from experiments.common.training import fit_on_smaller_images
from experiments.multiscale_attention import experiment
from experiments.multiscale_attention.experiment import (
    CONFIG,
    PROFILES,
    STRATEGIES,
    VARIANTS,
    main,
    make_config,
    merge,
    parse,
    run_all,
)
from experiments.results.predictions import history
from tests.data.tables import table
from tests.small_data import write_squares

TINY = {"widths": (4, 8, 12), "blocks_per_stage": 1, "num_heads": 2, "reduction_ratio": 4}


def test_every_row_is_a_network():
    Augmenter(**CONFIG["augmentation"])
    weights = {}
    from_random_weights = {name: changes for name, changes in VARIANTS.items() if "backbone" not in changes}
    for name, changes in from_random_weights.items():
        network = {key: value for key, value in changes.items() if key != "balanced"}
        weights[name] = build_multiscale_attention(64, list("abcde"), **network).count_params()
    assert weights["lightweight"] < 1_000_000 < weights["MultiScaleAttention"]
    # The loss and the place of the normalisation add no weights.
    alike = {name for name in weights if weights[name] == weights["MultiScaleAttention"]}
    assert alike == {
        "MultiScaleAttention",
        "without_balanced_softmax",
        "norm_first",
        "norm_first_without_balanced_softmax",
    }
    assert len({*weights.values()}) == len(weights) - len(alike) + 1


def test_five_grades_become_four():
    grades = {"No_DR": 9, "Mild": 3, "Moderate": 6, "Severe": 2, "Proliferate_DR": 4}
    merged = merge(table(grades))
    assert merged.classes == ["No_DR", "Mild", "Moderate", "Severe_or_Proliferate_DR"]
    np.testing.assert_array_equal(merged.counts(), [9, 3, 6, 6])


def test_all_rows_of_the_quick_profile_are_few():
    assert parse(["--data", "x", "--profile", "quick"]).models == list(experiment.QUICK_MODELS)
    assert parse(["--data", "x", "--profile", "short"]).models == [*CONTROLS, *VARIANTS]
    assert parse(["--data", "x", "--classes", "4"]).classes == [4]
    with pytest.raises(SystemExit, match="AlexNet"):
        parse(["--models", "AlexNet"])


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Options for two small rows, and squares of three colours."""
    monkeypatch.setitem(VARIANTS, "tiny", TINY)
    monkeypatch.setitem(VARIANTS, "tiny_plain", TINY | {"balanced": False})
    monkeypatch.setitem(PROFILES["quick"], "image_size", 16)
    manifest = write_squares(tmp_path / "data", per_class=20)
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    arguments = ["--data", "squares", "--profile", "quick", "--epochs", "1", "--protocol", "clean"]
    return parse([*arguments, "--models", "majority,tiny,tiny_plain"]), manifest


def test_rows_from_data_to_metrics_and_to_another_data_set(setting, tmp_path):
    options, manifest = setting
    options.external = "squares_elsewhere"
    write_squares(tmp_path / "data" / "squares_elsewhere", per_class=4, seed=1)
    run_all(options, manifest, tmp_path / "runs")
    folder = tmp_path / "runs" / "squares_3_classes-clean-quick-s0"
    for variant in ("tiny", "tiny_plain"):
        measured = read_json(folder / variant / "metrics.json")
        assert measured["leakage"]["overall"] == 0 and "weights" in measured["note"]
        elsewhere = read_json(folder / variant / "external-squares_elsewhere.json")
        assert elsewhere["num_test"] == 12 and elsewhere["control"]["num_folds"] == 4
        assert (folder / variant / "external-squares_elsewhere" / "predictions.csv").is_file()
    majority = read_json(folder / "majority" / "config.json")
    assert majority["data"] == "squares_3_classes" and majority["split_seed"] == CONFIG["split_seed"]
    assert not {"epochs", "learning_rate", "augmentation", "network", "image_size"} & majority.keys()
    assert not list((folder / "majority").glob("external*"))
    written = (folder / "tiny" / "metrics.json").stat().st_mtime_ns
    run_all(options, manifest, tmp_path / "runs")
    assert (folder / "tiny" / "metrics.json").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere", FileNotFoundError, "nowhere.manifest.csv does not exist; prepare the data first"),
        ("squares", SystemExit, "--external squares holds 24 of the images that were trained or chosen on"),
    ],
)
def test_another_data_set_is_checked_before_training(tmp_path, monkeypatch, name, error, message):
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    monkeypatch.setattr(experiment, "check_classes", lambda *_: None)
    write_squares(tmp_path / "data" / "squares")
    with pytest.raises(error, match=message):
        main(["--data", "squares", "--profile", "quick", "--external", name])
    assert not (tmp_path / "runs").exists()


def test_the_settings_are_recorded(setting):
    options, manifest = setting
    config = make_config("tiny", options, "paper", "squares")
    assert config["network"] == TINY and config["epochs"] == 1 and config["split_seed"] == 1
    parts = split(manifest, CONFIG["fractions"], CONFIG["split_seed"], STRATEGIES["paper"])
    assert audit(parts, "paper")["num_test"] == len(parts["test"])
    assert ImageCache(manifest, 16).size == 16


def test_a_network_from_random_weights_sees_small_images_first(setting, tmp_path):
    _, manifest = setting
    options = parse(["--data", "squares", "--profile", "short"])
    config = make_config("tiny", options, "clean", "squares")
    assert config["smaller_images"] == [[48, 40], [64, 30]] and config["epochs"] == 30
    config |= {"image_size": 32, "epochs": 2, "smaller_images": [[16, 1]]}
    parts = split(manifest, CONFIG["fractions"], CONFIG["split_seed"], STRATEGIES["clean"])
    probabilities, _ = experiment.train_network(config, manifest, parts, tmp_path)
    assert probabilities.shape == (len(parts["test"]), len(manifest.classes))
    write_json(tmp_path / "config.json", config)
    assert history(tmp_path)["epoch"] == [1, 2, 3]
    summary = read_json(tmp_path / "training.json")
    assert (summary["epochs"], summary["best_epoch"]) == (3, 3)
    small, large = (pd.read_csv(tmp_path / name / "history.csv") for name in ("16px", "."))
    assert len(small) == 1 and len(large) == 2


def test_weights_of_one_size_start_the_next(setting, tmp_path):
    _, manifest = setting
    parts = split(manifest, CONFIG["fractions"], CONFIG["split_seed"], STRATEGIES["clean"])
    options = parse(["--data", "squares", "--profile", "short"])
    config = make_config("tiny", options, "clean", "squares") | {"smaller_images": [[16, 1], [32, 1]]}
    config |= {"learning_rate": 0.0}
    built = []

    def build(side):
        pooled = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, "softmax")]
        built.append(keras.Sequential([keras.Input((side, side, 3)), keras.layers.Conv2D(4, 3), *pooled]))
        return built[-1]

    weights = fit_on_smaller_images(build, "categorical_crossentropy", config, manifest, parts, tmp_path)
    assert [model.input_shape[1] for model in built] == [16, 32]
    for weight, expected in zip(weights, built[1].get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    # Nothing is learned at a learning rate of zero, so the second network holds the weights of the first.
    for one, other in zip(*(model.trainable_weights for model in built), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (
        fit_on_smaller_images(build, "mse", config | {"smaller_images": None}, manifest, parts, tmp_path)
        is None
    )


def test_a_pretrained_network_is_trained_on_larger_images_for_fewer_epochs():
    options = parse(["--data", "x", "--profile", "short"])
    scratch, pretrained = (make_config(name, options, "clean", "x") for name in ("lightweight", "pretrained"))
    assert (scratch["image_size"], scratch["epochs"]) == (96, 30) and pretrained["smaller_images"] is None
    assert (pretrained["image_size"], pretrained["epochs"]) == (128, 15)
    assert pretrained["network"] == {"backbone": "EfficientNetLite0"}
    plain = make_config("pretrained_without_balanced_softmax", options, "clean", "x")
    assert {key for key in plain if plain[key] != pretrained[key]} == {"variant", "network"}
    assert plain["network"] == {"backbone": "EfficientNetLite0", "balanced": False}
    assert scratch["monitor"] is pretrained["monitor"] is None  # the last epoch is kept


def test_the_pretrained_row_starts_from_the_shipped_network(setting, tmp_path, monkeypatch):
    _, manifest = setting
    started = {}

    def stop(model, loss, *_):
        started.update(model=model, loss=loss)
        return None, 1

    monkeypatch.setattr(experiment, "train_and_predict", stop)
    options = parse(["--data", "squares", "--profile", "short"])
    config = make_config("pretrained", options, "clean", "squares") | {"image_size": 32}
    parts = split(manifest, CONFIG["fractions"], CONFIG["split_seed"], STRATEGIES["clean"])
    experiment.train_network(config, manifest, parts, tmp_path)
    shipped = build_backbone("EfficientNetLite0", 32, "imagenet").get_weights()
    for weight, expected in zip(started["model"].layers[1].get_weights(), shipped, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert type(started["loss"]).__name__ == "BalancedSoftmaxCrossentropy"
