"""The blood-cell script: parts without leaks, rows from data to report, corrupted images, what is collected."""

import shutil
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest

from data_prep.phantoms.leukocytes import write_leukocytes
from drcls.data import ImageCache, deduplicate, load_manifest
from drcls.files import read_json
from drcls.robustness import measure_robustness
from experiments.blood_cells import corruptions, experiment
from experiments.blood_cells.corruption_gains import SEEN
from experiments.blood_cells.corruptions import choose
from experiments.blood_cells.experiment import CONFIG, PROFILES, VARIANTS, main, parse, plateaus, rows
from experiments.blood_cells.report import with_weighted
from experiments.blood_cells.splits import make_parts, read_overlays, write_removed
from experiments.results import collect as collecting
from experiments.results.collect import collect, collect_outliers, outliers_table, robustness_table

SIZE = 32


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_leukocytes(tmp_path_factory.mktemp("data") / "cells", 200, SIZE, seed=0, progress=False)


@pytest.fixture(scope="module")
def manifest(phantom):
    return load_manifest(phantom)


@pytest.fixture(scope="module")
def cache(manifest):
    return ImageCache(manifest, SIZE)


def parts_of(manifest, cache, protocol, folder):
    parts, removed = make_parts(manifest, cache, protocol, CONFIG["fractions"][protocol], 0)
    write_removed(manifest, removed, parts, protocol, folder)
    return parts


def test_clean_parts_hold_no_injected_image_outside_training(manifest, cache, tmp_path):
    parts = parts_of(manifest, cache, "clean", tmp_path)
    for name in ("validation", "test"):
        assert set(read_overlays(parts[name])) == {""}
    groups = {name: set(part.frame["group"]) for name, part in parts.items()}
    assert (
        not groups["train"] & (groups["validation"] | groups["test"])
        and not groups["validation"] & groups["test"]
    )
    kept = deduplicate(manifest)
    genuine = kept.select(np.flatnonzero(read_overlays(kept) == ""))
    held_out = genuine.frame["group"].isin(groups["validation"] | groups["test"]).sum()
    assert held_out == len(parts["validation"]) + len(parts["test"])
    found, frame = (
        read_json(tmp_path / "outliers.json"),
        pd.read_csv(tmp_path / "outliers.csv", keep_default_na=False),
    )
    assert (
        found["num_searched"] == len(frame)
        and found["detection"]["num_injected"] == (frame["injected"] != "").sum()
    )
    assert found["num_searched"] - found["num_removed"] == len(parts["train"])
    assert ((frame["score"] > found["threshold"]).sum()) == found["num_removed"]


def test_paper_parts_split_what_is_left_in_80_and_20(manifest, cache, tmp_path):
    parts = parts_of(manifest, cache, "paper", tmp_path)
    found = read_json(tmp_path / "outliers.json")
    assert parts["test"] is parts["validation"] and "test" not in found["counts"]
    left = len(parts["train"]) + len(parts["validation"])
    assert left == len(manifest) - found["duplicates_removed"] - found["num_removed"]
    assert len(parts["validation"]) / left == pytest.approx(0.2, abs=0.01)
    assert (
        found["duplicates_removed"] == found["injected_duplicates"] == manifest.info["injected"]["duplicate"]
    )
    assert set(found["by_kind"]) == {"overlay of boat", "overlay of house"}


def test_where_nobody_knows_what_was_injected_nothing_is_scored(phantom, cache, tmp_path):
    shutil.copytree(phantom, tmp_path / "cells")
    (tmp_path / "cells" / "injected.csv").unlink()
    manifest = load_manifest(tmp_path / "cells")
    parts_of(manifest, cache, "clean", tmp_path)
    found = read_json(tmp_path / "outliers.json")
    assert "detection" not in found and found["num_removed"] > 0
    assert set(pd.read_csv(tmp_path / "outliers.csv")["injected"]) == {"unknown"}


@pytest.fixture
def setting(phantom, tmp_path, monkeypatch):
    """Few cells, a tiny extractor of two blocks, one epoch."""
    images = features = keras.Input((None, None, 3))
    for block in ("fire1", "fire2"):
        features = keras.layers.Conv2D(4, 3, strides=4, name=f"{block}_convolution")(features)
    keras.Model(images, features, name="extractor").save(tmp_path / "extractor.keras")
    shutil.copytree(phantom, tmp_path / "data" / "leukocytes_phantom")
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    small = partial(write_leukocytes, num_images=200, size=SIZE)
    monkeypatch.setitem(experiment.STAND_INS, "leukocytes_phantom", small)
    monkeypatch.setitem(PROFILES["quick"], "image_size", {"transfer": SIZE, "own": SIZE})
    monkeypatch.setitem(PROFILES["quick"], "num_corrupted", 6)
    few = partial(measure_robustness, names=("blur", "occlusion"))
    monkeypatch.setattr(corruptions, "measure_robustness", few)
    arguments = ["--data", "leukocytes_phantom", "--profile", "quick", "--epochs", "1"]
    return [*arguments, "--backbone", str(tmp_path / "extractor.keras")]


def test_rows_from_data_to_report_and_collection(setting, tmp_path, monkeypatch):
    chosen = "transfer,downsampling,fine_tuned,all_layers,fine_tuned+CutMix,five_conv_blocks"
    main([*setting, "--models", chosen])
    run_set = tmp_path / "runs" / "blood_cells"
    clean, paper = (run_set / f"leukocytes_phantom-{protocol}-quick-s0" for protocol in ("clean", "paper"))
    names = ["extractor", "extractor+downsampling", "extractor+fine_tuned", "extractor+all_layers"]
    names.append("five_conv_blocks")
    for name in names:
        assert (paper / name / "metrics.json").is_file() and (clean / name / "robustness.json").is_file()
        assert not (paper / name / "robustness.json").exists()
    assert (clean / "extractor+fine_tuned+CutMix").is_dir() and not (
        paper / "extractor+fine_tuned+CutMix"
    ).exists()
    # The head and the attached network are one: what was saved gives what was measured.
    model = keras.models.load_model(clean / "extractor" / "model.keras", compile=False)
    manifest = load_manifest(tmp_path / "data" / "leukocytes_phantom")
    predictions = pd.read_csv(clean / "extractor" / "predictions.csv").iloc[:5]
    cache = ImageCache(manifest, SIZE)
    images = cache.images[[list(manifest.frame["path"]).index(path) for path in predictions["path"]]]
    expected = predictions[[f"p_{name}" for name in manifest.classes]].to_numpy()
    np.testing.assert_allclose(model(images), expected, atol=1e-4)
    tuned = keras.models.load_model(clean / "extractor+fine_tuned" / "model.keras", compile=False)
    before, after = (net.get_layer("extractor").get_weights() for net in (model, tuned))
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[2], after[2])
    assert (
        "from layer fire2_convolution on"
        in read_json(clean / "extractor+fine_tuned" / "metrics.json")["note"]
    )
    whole = keras.models.load_model(clean / "extractor+all_layers" / "model.keras", compile=False)
    assert not np.array_equal(before[0], whole.get_layer("extractor").get_weights()[0])
    assert read_json(clean / "extractor+all_layers" / "metrics.json")["note"].endswith("all layers")
    robustness = read_json(clean / "extractor" / "robustness.json")
    assert robustness["num_images"] == 6 and "tta" not in robustness
    text = (run_set / "report-leukocytes_phantom-quick" / "report.md").read_text()
    for heading in (
        "Duplicates and outliers",
        "The final model",
        "Corrupted test images",
        "Stronger augmentation",
    ):
        assert f"## {heading}" in text
    assert "not known" not in text.split("## Networks")[0]
    assert "| extractor+fine_tuned+CutMix | 0 |" in text and "2,280 (neutrophil)" in text
    assert "| ResNet50+fine_tuned | accuracy / F1, weighted by class | 98.18 / 98.19 |" in text
    assert "12 % on the test set" in text
    injected = manifest.info["injected"]
    assert f"{sum(injected.values())} of the images were injected by the preparation" in text
    assert f"| extractor | 0 | 6 | {SIZE} |" in text and "that of `extractor`" in text

    monkeypatch.setattr(collecting, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(collecting, "ROOT", tmp_path)
    collect(run_set)
    collect_outliers(run_set)
    assert len(outliers_table(tmp_path / "results").splitlines()) == 4
    lines = robustness_table(tmp_path / "results").splitlines()
    assert lines[0].startswith("| data, profile | row | images | clean | blur |") and len(lines) == 2 + 6

    written = (clean / "extractor" / "robustness.json").stat().st_mtime_ns
    main([*setting, "--models", "transfer", "--protocol", "clean"])
    assert (clean / "extractor" / "robustness.json").stat().st_mtime_ns == written
    main([*setting, "--models", "transfer", "--protocol", "clean", "--tta"])
    averaged = read_json(clean / "extractor" / "robustness.json")
    assert averaged["corrupted"] == robustness["corrupted"]
    assert set(averaged["tta"]) == {"clean", "corrupted", "num_images", "right"}
    text = (run_set / "report-leukocytes_phantom-quick" / "report.md").read_text()
    assert f"| extractor, TTA | 0 | 6 | {SIZE} |" in text


def test_fine_tuning_needs_the_transferred_network(setting):
    with pytest.raises(SystemExit, match=r"extractor/model.keras does not exist; add transfer to --models"):
        main([*setting, "--models", "fine_tuned", "--protocol", "clean"])


def test_a_misspelt_last_block_is_told_before_anything_is_trained(setting, tmp_path):
    chosen = ["--models", "transfer,fine_tuned", "--protocol", "clean", "--last-block", "fire3"]
    with pytest.raises(ValueError, match=r"has no layer 'fire3'; its last layers are"):
        main([*setting, *chosen])
    assert not list((tmp_path / "runs").rglob("metrics.json"))


def test_rows_of_other_images_are_refused_and_what_was_found_in_them_stays(setting, tmp_path):
    cells = (tmp_path / "data" / "leukocytes_phantom").rename(tmp_path / "data" / "cells")
    chosen = [*setting, "--data", "cells", "--protocol", "clean"]
    main([*chosen, "--models", "transfer"])
    run_set = tmp_path / "runs" / "blood_cells" / "cells-clean-quick-s0"
    found = (run_set / "outliers.csv").read_bytes()
    write_leukocytes(cells, num_images=200, size=SIZE, seed=1, force=True)
    with pytest.raises(ValueError, match="extractor was trained on other images or another split"):
        main([*chosen, "--models", "five_conv_blocks"])
    assert (run_set / "outliers.csv").read_bytes() == found and not (run_set / "five_conv_blocks").exists()


def test_frozen_backbones_may_be_trained_on_augmented_images(setting, tmp_path):
    main([*setting, "--models", "transfer", "--protocol", "clean", "--augment-frozen"])
    run = tmp_path / "runs" / "blood_cells" / "leukocytes_phantom-clean-quick-s0" / "extractor"
    assert read_json(run / "config.json")["frozen_on_images"] is True
    assert "embeddings" not in read_json(run / "metrics.json")["note"]


def test_what_was_prepared_goes_before_the_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    assert parse([]).data == "blood_cells_sample"
    (tmp_path / "data" / "blood_cells").mkdir(parents=True)
    (tmp_path / "data" / "blood_cells" / "manifest.csv").write_text("")
    assert parse([]).data == "blood_cells"


def test_rows_of_the_full_profile():
    options = parse(["--profile", "full", "--data", "leukocytes_phantom"])
    assert options.models == VARIANTS
    names = [config["variant"] for config in rows(options, "clean")]
    assert names[:4] == ["ResNet50", "Xception", "InceptionV3", "InceptionResNetV2"]
    assert "ResNet50+fine_tuned+AugMix" in names and "Xception+fine_tuned" not in names
    assert not any("MixUp" in config["variant"] for config in rows(options, "paper"))
    by_name = {config["variant"]: config for config in rows(options, "clean")}
    assert by_name["ResNet50+fine_tuned"]["learning_rate"] == 1e-5 and by_name["ResNet50"]["epochs"] == 30
    assert by_name["ResNet50+fine_tuned+AugMix"]["strong_augmentation"] == "AugMix"
    whole = by_name["ResNet50+all_layers+MixUp"]
    assert (whole["kind"], whole["strong_augmentation"]) == ("all_layers", "MixUp")


def test_the_short_profile_trains_the_last_block_for_the_printed_epochs():
    options = parse(["--profile", "short", "--data", "leukocytes_phantom"])
    by_name = {config["variant"]: config for config in rows(options, "clean")}
    assert by_name["EfficientNetLite0+fine_tuned"]["epochs"] == 70  # section 3.4
    assert {"EfficientNetLite0+all_layers", "EfficientNetLite0+all_layers+CutMix"} <= set(by_name)
    # They take too long to be run unasked, but can be named.
    assert not any("AugMix" in name or "RandAugment" in name for name in by_name)
    named = parse(["--profile", "short", "--data", "x", "--models", "all_layers+AugMix"])
    assert [config["variant"] for config in rows(named, "clean")] == ["EfficientNetLite0+all_layers+AugMix"]


def test_plateau_and_early_stopping_are_as_printed(tmp_path):
    plateau, early = plateaus(CONFIG | {"learning_rate": 1e-4}, tmp_path)
    assert (plateau.learning_rate, plateau.factor, plateau.patience) == (1e-4, 0.5, 4)
    assert early.patience == 15


def test_without_an_option_the_shipped_backbone_starts_from_imagenet():
    options = parse(["--profile", "short", "--data", "leukocytes_phantom", "--models", "transfer"])
    (config,) = rows(options, "clean")
    assert (config["variant"], config["weights"]) == ("EfficientNetLite0", "imagenet")


def test_bad_options_are_one_clear_line(tmp_path, capsys):
    assert parse(["--profile", "short", "--data", "x", "--models", "five_conv_blocks"]).models == [
        "five_conv_blocks"
    ]
    with pytest.raises(SystemExit):
        parse(["--backbone", str(tmp_path / "nowhere.keras")])
    assert "nowhere.keras: no such file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="unknown models"):
        parse(["--models", "VGG19"])


def test_synthetic_cells_are_known_by_their_data_set_whatever_its_name(setting, tmp_path):
    (tmp_path / "data" / "leukocytes_phantom").rename(tmp_path / "data" / "cells")
    main([*setting, "--data", "cells", "--protocol", "clean", "--models", "transfer"])
    row = tmp_path / "runs" / "blood_cells" / "cells-clean-quick-s0" / "extractor"
    assert read_json(row / "metrics.json")["phantom"] and read_json(row / "config.json")["phantom"]


def test_by_default_the_sample_is_prepared_and_every_page_says_so(setting, tmp_path, monkeypatch):
    chosen = [*setting[2:], "--protocol", "clean", "--models", "transfer"]
    main(chosen)
    row = tmp_path / "runs" / "blood_cells" / "blood_cells_sample-clean-quick-s0" / "extractor"
    said = load_manifest(tmp_path / "data" / "blood_cells_sample").info["sample"]
    assert read_json(row / "config.json")["sample"] == said and not read_json(row / "config.json")["phantom"]
    report = tmp_path / "runs" / "blood_cells" / "report-blood_cells_sample-quick"
    assert f"> **{said}**" in (report / "report.md").read_text()
    text = (report / "report.html").read_text()
    assert "A sample of real images: 402 blood cells" in text and "SYNTHETIC" not in text


@pytest.fixture
def fitted(setting, monkeypatch):
    """Return a list of what every row would be fitted with; nothing is trained."""
    seen = []

    def record(model, loss, config, cache, parts, folder, callbacks, optimizer, batch_augmentation):
        seen.append(
            {
                "loss": loss,
                "config": config,
                "parts": parts,
                "optimizer": optimizer,
                "batch_augmentation": batch_augmentation,
            }
        )
        raise Done

    class Done(Exception):
        pass

    monkeypatch.setattr(experiment, "train_and_predict", record)

    def fit(*arguments):
        with pytest.raises(Done):
            main([*setting, "--protocol", "clean", *arguments])
        return seen.pop()

    return fit


def test_rows_are_fitted_as_printed(fitted):
    own = fitted("--models", "five_conv_blocks")
    assert isinstance(own["optimizer"], keras.optimizers.Lion)
    assert float(own["optimizer"].learning_rate) == pytest.approx(own["config"]["learning_rate"])
    counts = own["parts"]["train"].counts()
    np.testing.assert_allclose(own["loss"].class_weights, counts.sum() / (8 * counts))
    assert own["config"]["augmentation"] == CONFIG["augmentation"] and own["batch_augmentation"] is None


def test_downsampled_rows_are_fitted_on_equal_classes_and_embeddings(fitted):
    row = fitted("--models", "downsampling")
    assert len(set(row["parts"]["train"].counts().tolist())) == 1
    assert row["loss"].class_weights == [1.0] * 8 and row["config"]["augmentation"] is None
    augmented = fitted("--models", "transfer", "--augment-frozen")
    assert augmented["config"]["augmentation"] == CONFIG["augmentation"]
    assert len(set(augmented["parts"]["train"].counts().tolist())) > 1


def test_every_model_sees_the_same_corrupted_images(manifest):
    chosen = choose(manifest, 20, 0)
    np.testing.assert_array_equal(chosen, choose(manifest, 20, 0))
    assert len(set(chosen)) == 20 and len(choose(manifest, 10_000, 0)) == len(manifest)
    assert set(SEEN) == {"printed", *experiment.BATCH_AUGMENTATIONS}


def test_weighted_averages_by_hand():
    per_class = {"a": {"recall": 1.0, "f1": 0.5, "support": 3}, "b": {"recall": 0.0, "f1": 0.1, "support": 1}}
    run = {
        "finished": True,
        "metrics": {"per_class": per_class | {"c": {"recall": None, "f1": None, "support": 0}}},
    }
    metrics = with_weighted(run)["metrics"]
    assert metrics["weighted_recall"] == pytest.approx(0.75) and metrics["weighted_f1"] == pytest.approx(0.4)
