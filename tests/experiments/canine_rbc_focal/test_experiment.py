"""The focal-loss study: its reported figures, its trials, what each protocol may choose by, and its report."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from drcls.data import ImageCache, imbalance_ratio, load_manifest
from drcls.files import read_json, write_json
from drcls.grid import Trial
from drcls.losses import FocalCrossentropy
from drcls.metrics import classification_metrics
from drcls.report import read_runs, write_report
from experiments.canine_rbc_focal import experiment
from experiments.canine_rbc_focal.experiment import (
    METHODS,
    PROFILES,
    STAND_INS,
    SWEEP,
    acquire,
    best_alphas,
    check_splits,
    choose,
    chosen_by_folds,
    main,
    make_config,
    parse,
    table_1,
    table_3,
)
from experiments.canine_rbc_focal.report import PUBLISHED, choices_in
from experiments.canine_rbc_focal.significance import spread_section
from experiments.canine_rbc_focal.trial import (
    divide,
    loss_of,
    new_model,
    train_trial,
    validate_fold,
)
from tests.small_data import write_squares

TINY = {"image_size": 16, "epochs": 1, "num_folds": 2, "backbones": ["tiny_resnet"], "policy": "float32"}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A root of its own with coloured squares for cells, and a study of three methods."""
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    monkeypatch.setitem(PROFILES, "quick", TINY)
    for method in set(METHODS) - {"focal_0.25", "focal_1.75", "cross_entropy"}:
        monkeypatch.delitem(METHODS, method)
    monkeypatch.setattr(experiment, "SWEEP", ["focal_0.25", "focal_1.75"])
    monkeypatch.setattr(experiment, "MAJORITY_SHARES", (0.5,))
    write_squares(tmp_path / "data" / "squares", per_class=14)
    # Compiling takes longer than these trainings.
    tf.config.run_functions_eagerly(True)
    yield ["--data", "squares", "--profile", "quick", "--engine", "sequential", "--seeds", "0", "1"]
    tf.config.run_functions_eagerly(False)


def test_printed_accuracies_are_whole_numbers_of_one_test_part():
    published = read_json(PUBLISHED)
    table = published["tables"]["1"]
    possible = 100 * np.arange(table["num_test"] + 1) / table["num_test"]
    for row in table["rows"]:
        # Those of Figure 11's four matrices are printed with one decimal and a zero.
        assert {
            np.round(possible, 2).tolist().count(row["accuracy"]),
            np.round(possible, 1).tolist().count(row["accuracy"]),
        } != {0}


def test_printed_matrices_give_the_printed_accuracies_and_the_true_f1():
    published = read_json(PUBLISHED)
    rows = {(row["network"], row["method"]): row for row in published["tables"]["1"]["rows"]}
    expected = [(91.26, 0.844), (95.58, 0.924), (91.75, 0.844), (92.83, 0.869)]
    for figure, (accuracy, f1) in zip(published["confusion_matrices"], expected, strict=True):
        matrix = np.array(figure["matrix"])
        assert matrix.sum() == published["tables"]["1"]["num_test"] and matrix.sum(axis=1).tolist() == [
            121,
            115,
            782,
        ]
        y_true, y_pred = np.indices((3, 3)).reshape(2, -1).repeat(matrix.ravel(), axis=1)
        measured = classification_metrics(y_true, np.eye(3)[y_pred], published["classes"])
        assert 100 * measured["accuracy"] == pytest.approx(accuracy, abs=0.005)
        assert measured["macro_f1"] == pytest.approx(f1, abs=0.0005)
        printed = rows[(figure["network"], figure["method"])]
        assert printed["accuracy"] == pytest.approx(accuracy, abs=0.06)


def test_printed_ratios_follow_from_the_printed_counts():
    for row in read_json(PUBLISHED)["tables"]["2"]["rows"]:
        assert imbalance_ratio(row["counts"]) == pytest.approx(row["rho"], abs=0.005)


def test_always_answering_normal_beats_three_of_the_four_networks_at_the_highest_imbalance():
    published = read_json(PUBLISHED)
    counts = published["tables"]["2"]["rows"][-1]["counts"]
    constant = 100 * max(counts) / sum(counts)
    assert constant == pytest.approx(94.99, abs=0.005)
    last = [row["accuracy"] for row in published["tables"]["3"]["rows"] if row["rho"] == 37.9]
    assert sum(accuracy < constant for accuracy in last) == 3


def test_the_loss_is_equation_4_by_hand():
    # p_t = 0.8, alpha 0.25, gamma 2: -0.25 * 0.2^2 * log 0.8
    y_true, y_pred = np.array([[1.0, 0, 0]]), np.array([[0.8, 0.15, 0.05]])
    assert float(loss_of(0.25, 2.0)(y_true, y_pred)) == pytest.approx(0.25 * 0.04 * -np.log(0.8), rel=1e-5)
    # Without the modulating factor it is alpha times cross-entropy (Eq. 1 and 3).
    assert float(loss_of(1.0, 0.0)(y_true, y_pred)) == pytest.approx(-np.log(0.8), rel=1e-5)
    by_class = loss_of((3.0, 1.0, 1.0), 2.0)
    assert float(by_class(y_true, y_pred)) == pytest.approx(3 * 0.04 * -np.log(0.8), rel=1e-5)
    assert isinstance(by_class, FocalCrossentropy)


def settings(arguments, **changes):
    return make_config(parse(arguments), "clean", 0, "tiny_resnet", "focal_0.25") | changes


def probabilities(folder):
    frame = pd.read_csv(folder / "predictions.csv")
    return frame[[name for name in frame if name.startswith("p_")]].to_numpy()


def test_alpha_changes_nothing_under_adam_and_something_under_sgd(study, tmp_path):
    found = {}
    for optimizer, rate in (("Adam", 1e-3), ("SGD", 1e-1)):
        for alpha in (0.25, 1.75):
            folder = tmp_path / f"{optimizer}{alpha}"
            changes = {"alpha": alpha, "optimizer": optimizer, "learning_rate": rate, "epochs": 2}
            train_trial(settings(study, **changes), folder, tmp_path / "data" / "squares")
            found[(optimizer, alpha)] = probabilities(folder)
    assert np.abs(found[("Adam", 0.25)] - found[("Adam", 1.75)]).max() < 1e-3
    assert np.abs(found[("SGD", 0.25)] - found[("SGD", 1.75)]).max() > 1e-2


def test_a_cell_does_not_depend_on_what_was_trained_before(study, tmp_path):
    settings_a = settings(study, epochs=2)
    train_trial(settings_a, tmp_path / "first", tmp_path / "data" / "squares")
    train_trial(settings(study, seed=5), tmp_path / "other", tmp_path / "data" / "squares")
    train_trial(settings_a, tmp_path / "again", tmp_path / "data" / "squares")
    np.testing.assert_array_equal(probabilities(tmp_path / "first"), probabilities(tmp_path / "again"))
    assert not (tmp_path / "first" / "checkpoint").exists()


def test_the_network_is_compiled_once_and_its_optimizer_starts_anew(study, tmp_path):
    manifest = load_manifest(tmp_path / "data" / "squares")
    train_part = divide(settings(study), manifest)["train"]
    first = new_model(settings(study), train_part)
    first.optimizer.iterations.assign(7)
    second = new_model(settings(study), train_part)
    assert second is first and int(second.optimizer.iterations) == 0


def test_every_cell_keeps_smears_whole_under_the_clean_protocol(study, tmp_path):
    config = settings(study, fold=0)
    parts = divide(config, load_manifest(tmp_path / "data" / "squares"))
    assert not set(parts["train"].frame["group"]) & set(parts["test"].frame["group"])


def test_the_clean_protocol_tests_only_what_the_folds_chose(study, tmp_path):
    options = parse(study)
    methods = {
        method: {"epochs": 1, "val_loss": 1.0, "val_macro_f1": 0.9 if method == "focal_1.75" else 0.5}
        for method in METHODS
    }
    assert chosen_by_folds(methods) == "focal_1.75"
    tested = {
        trial.config["method"] for trial in table_1(options, "clean", {"tiny_resnet": methods}, tmp_path)
    }
    assert tested == set(METHODS) - {"focal_0.25"}
    tested = {
        trial.config["method"] for trial in table_1(options, "paper", {"tiny_resnet": methods}, tmp_path)
    }
    assert tested == set(METHODS)
    for method, f1 in (("focal_0.25", 0.8), ("focal_1.75", 0.7)):
        folder = tmp_path / "squares-paper-quick-s0" / f"tiny_resnet+{method}"
        write_json(folder / "metrics.json", {"metrics": {"macro_f1": f1}})
    choice = {"tiny_resnet": methods}
    assert best_alphas(options, "paper", choice, tmp_path) == {"tiny_resnet": "focal_0.25"}
    assert best_alphas(options, "clean", choice, tmp_path) == {"tiny_resnet": "focal_1.75"}
    trials = table_3(options, "clean", choice, {"tiny_resnet": "focal_1.75"}, tmp_path)
    assert {trial.config["method"] for trial in trials} == {"focal_1.75", "cross_entropy"}


def test_the_whole_study_from_cells_to_page(study, tmp_path):
    main(study)
    run_set = tmp_path / "runs" / "canine_rbc_focal"
    assert len(list(run_set.glob("cross_validation/*/*/fold-*/metrics.json"))) == 2 * 3 * 2
    report = (run_set / "report-squares-quick" / "report.md").read_text()
    for heading in ("Table 1", "What alpha does", "Tables 2 and 3", "Figures 10 to 12", "Grad-CAM"):
        assert heading in report
    controls = read_json(run_set / "squares-paper-quick-s0" / "majority" / "metrics.json")["metrics"]
    assert f"| majority | {100 * controls['accuracy']:.1f} |" in report
    assert "| file_hash_dictionary |" in report
    assert (
        "tiny_resnet" in report and "Paper: ResNet-50; ours: tiny_resnet" in report and "SYNTHETIC" in report
    )
    choice = read_json(run_set / "cross_validation" / "squares-clean-quick-s0" / "choice.json")
    assert set(choice["tiny_resnet"]) == set(METHODS)
    before = sorted((path, path.stat().st_mtime_ns) for path in run_set.glob("**/metrics.json"))
    main(study)
    assert sorted((path, path.stat().st_mtime_ns) for path in run_set.glob("**/metrics.json")) == before


def test_a_study_of_few_methods_ends_after_table_1(study, tmp_path, monkeypatch):
    chosen = {"methods": ("focal_0.25", "cross_entropy"), "table_1_alone": True}
    monkeypatch.setitem(PROFILES, "quick", TINY | chosen)
    main([*study, "--protocol", "clean"])
    run_set = tmp_path / "runs" / "canine_rbc_focal"
    tested = {path.parent.name for path in run_set.glob("squares-clean-quick-s1/*/metrics.json")}
    assert tested == {"tiny_resnet+focal_0.25", "tiny_resnet+cross_entropy"}
    assert not (run_set / "imbalance").exists() and not (run_set / "alpha").exists()
    report = (run_set / "report-squares-quick" / "report.md").read_text()
    assert "Table 1" in report and "Not run." in report


@pytest.mark.parametrize("changes", [{"fold": 0}, {"majority_share": 0.5}, {}])
def test_a_trial_of_other_images_is_refused(study, tmp_path, changes):
    trial = Trial(tmp_path / "trial", settings(study, **changes))
    train_trial(trial.config, trial.folder, tmp_path / "data" / "squares")
    check_splits([trial], load_manifest(tmp_path / "data" / "squares"))
    with pytest.raises(ValueError, match="trial was trained on other images or another split"):
        check_splits([trial], write_squares(tmp_path / "data" / "others", per_class=14, seed=1))


def test_epochs_are_chosen_among_those_that_all_folds_have(study, tmp_path):
    options = parse(study)
    home = tmp_path / "cross_validation" / "squares-clean-quick-s0"
    trials = [Trial(home / f"fold-{fold}", {}) for fold in range(2)]
    for trial, losses in zip(trials, ([3.0, 1.0, 2.0], [3.0, 2.0]), strict=True):
        trial.folder.mkdir(parents=True)
        curve = pd.DataFrame({"val_loss": losses, "val_macro_f1": [0.2, 0.4, 0.9][: len(losses)]})
        curve.to_csv(trial.folder / "history.csv")
    found = choose(options, "clean", {("tiny_resnet", "cross_entropy"): trials}, tmp_path)
    assert found["tiny_resnet"]["cross_entropy"] == {
        "epochs": 2,
        "val_loss": 1.5,
        "val_macro_f1": 0.4,
        "val_macro_f1_by_fold": [0.4, 0.4],
    }


def test_a_fold_ends_when_its_validation_loss_no_longer_falls(study, tmp_path):
    manifest = load_manifest(tmp_path / "data" / "squares")
    config = settings(study, epochs=9, fold=0, patience=2, learning_rate=0.0)
    cache = ImageCache(manifest, config["image_size"])
    validate_fold(config, cache, divide(config, manifest), tmp_path / "fold")
    losses = pd.read_csv(tmp_path / "fold" / "history.csv")["val_loss"]
    assert len(losses) - 1 - losses.argmin() == 2 and len(losses) < 9


def test_the_report_takes_the_choice_of_the_lowest_seed_and_of_its_own_data(tmp_path):
    for setting in ("cells-clean-quick-s10", "cells-clean-quick-s2", "cells-b-clean-quick-s0"):
        (tmp_path / setting).mkdir()
        write_json(tmp_path / setting / "choice.json", {"setting": setting})
    assert choices_in(tmp_path, "cells", "quick") == {"clean": {"setting": "cells-clean-quick-s2"}}


def test_trials_without_a_common_seed_are_left_out(tmp_path):
    def tested(method, seed):
        run = {
            "variant": f"net+{method}",
            "protocol": "paper",
            "seed": seed,
            "finished": True,
            "phantom": True,
        }
        config = {"backbone": "net", "method": method, "alpha": 1.0, "gamma": 2.0}
        return run | {"metrics": {"macro_f1": 0.5}, "config": config}

    choices = {"paper": {"net": {"focal_0.25": {}, "focal_1.75": {}, "cross_entropy": {}}}}
    runs = [tested("focal_0.25", 0), tested("focal_1.75", 1), tested("cross_entropy", 2)]
    section = spread_section(tmp_path, runs, choices)
    assert len(section.parts) == 1 and not (tmp_path / "differences.json").exists()


@pytest.mark.parametrize("option", [["--models", "cross_entropy"], ["--seed", "3"], ["--tensorboard"]])
def test_options_that_would_do_nothing_are_refused(study, option):
    with pytest.raises(SystemExit):
        parse([*study, *option])


def test_a_seed_named_twice_is_refused_at_once(capsys):
    with pytest.raises(SystemExit):
        parse(["--seeds", "0", "1", "0"])
    assert "--seeds: expected every seed once; received 0 1 0" in capsys.readouterr().err


def test_by_default_the_cells_of_the_sample_are_cut_and_every_trial_says_so(study, tmp_path):
    options = parse(study[2:])
    assert options.data == "red_cells_sample"
    manifest = acquire(tmp_path / "data" / options.data, STAND_INS)
    folder = tmp_path / "runs" / "red_cells_sample-clean-quick-s0" / "tiny_resnet+focal_0.25"
    train_trial(settings(study[2:], majority_share=0.5), folder, manifest.root)
    (run,) = read_runs(folder)
    assert run["sample"] == manifest.info["sample"] and not run["phantom"]
    report = write_report(tmp_path / "report", "Cells", [], [run])[0].read_text()
    assert "> **A sample of real images: " in report and "the paper's are dogs'" in report


def test_alphas_are_those_of_table_1():
    assert (
        len(SWEEP) == 7 and SWEEP[0] == "focal_0.25" and METHODS["focal_1.50"] == {"alpha": 1.5, "gamma": 2.0}
    )


def test_failed_cells_end_the_study_with_their_folders(study, tmp_path):
    (tmp_path / "data" / "squares" / "images" / "000.png").write_bytes(b"no image")
    with pytest.raises(SystemExit, match="12 of 12 trials failed"):
        main(study)
    assert load_manifest(tmp_path / "data" / "squares")
