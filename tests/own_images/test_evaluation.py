"""Evaluation of a run or a model on its own or other images, and the comparison of runs."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from drcls.cli.compare import describe as describe_comparison
from drcls.cli.evaluate import describe
from drcls.cli.results import describe_threshold
from drcls.data import ImageCache, load_manifest
from drcls.layers import ClassProbabilities
from drcls.metrics import mcnemar_exact, wilson_interval
from drcls.own_images import compare_runs, evaluate_classifier, train_classifier
from drcls.own_images.calibration import calibration_images
from drcls.own_images.evaluation import FILES, PAGE_FILES, _assumed, check_fit, predict_part
from drcls.own_images.measuring import measure_classifier, reliability
from drcls.own_images.page import write_evaluation_page
from tests.data.tables import table
from tests.small_data import write_squares


def two_classes(squares, folder):
    """The squares with red and green alone."""
    manifest = load_manifest(squares)
    folder.mkdir()
    (folder / "images").symlink_to(squares / "images")
    manifest.frame[manifest.frame["label"] != "blue"].to_csv(folder / "manifest.csv", index=False)
    (folder / "dataset.json").write_text(json.dumps(manifest.info | {"classes": ["red", "green"]}))
    return folder


def some_of(squares, folder, rows, **columns):
    """The squares of some rows, with other values in some columns."""
    shutil.copytree(squares, folder)
    frame = load_manifest(squares).frame
    frame[rows(frame)].assign(**columns).to_csv(folder / "manifest.csv", index=False)
    return folder


def test_the_test_part_of_a_run_is_measured_as_training_measured_it(run, squares):
    recorded = json.loads((run / "metrics.json").read_text())
    result = evaluate_classifier(run, squares)
    assert result["part"] == "test" and result["seen_in_training"] == 0
    assert result["metrics"]["per_class"] == recorded["metrics"]["per_class"]
    assert result["metrics"]["confusion_matrix"] == recorded["metrics"]["confusion_matrix"]
    assert result["intervals"]["accuracy"] == recorded["intervals"]["accuracy"]
    mine, theirs = (pd.read_csv(Path(folder) / "predictions.csv") for folder in (result["folder"], run))
    pd.testing.assert_frame_equal(
        mine.sort_values("path", ignore_index=True), theirs.sort_values("path", ignore_index=True), atol=1e-6
    )


def test_the_file_of_a_run_is_that_run(run, squares, tmp_path):
    result = evaluate_classifier(run / "model.keras", squares, folder=tmp_path / "measured")
    assert (result["part"], result["seen_in_training"], result["variant"]) == ("test", 0, run.name)


def test_of_a_model_that_lies_alone_nobody_knows_what_it_was_trained_with(run, squares, tmp_path):
    (tmp_path / "alone").mkdir()
    shutil.copy(run / "model.keras", tmp_path / "alone" / "mine.keras")
    result = evaluate_classifier(tmp_path / "alone" / "mine.keras", squares)
    assert result["part"] == "all" and result["seen_in_training"] is None
    assert "which of these images the model was trained with is not known" in describe(result)
    page = write_evaluation_page(result["folder"], tmp_path / "page.html").read_text()
    assert "Which of these images the model was trained with is not known." in page


def test_files_of_another_model_beside_one_say_nothing_of_it(run, squares, tmp_path):
    data = shutil.copytree(squares, tmp_path / "data")
    shutil.copy(run / "model.keras", data / "mine.keras")
    told = describe(evaluate_classifier(data / "mine.keras", data))
    assert "assumed: the images are prepared as the model's were, which is not known" in told
    assert "(dataset.json) is of another model" in told


def test_what_a_foreign_model_does_not_say_is_told(squares, tmp_path):
    pooled = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, "softmax")]
    keras.Sequential([keras.Input((16, 16, 3)), *pooled]).save(tmp_path / "foreign.keras")
    told = describe(evaluate_classifier(tmp_path / "foreign.keras", squares))
    assert "assumed: no layer of the model brings images to its own scale: it was given 0 to 255" in told
    assert "assumed: the model names no classes: its outputs were taken for red, green, blue" in told


def test_the_parts_of_the_source_are_measured_of_a_model_alone(run, tmp_path, squares):
    parts = np.where(np.arange(72) < 9, "Test_Set", "Training_Set")
    data = some_of(squares, tmp_path / "data", lambda frame: frame["path"] != "", source_split=parts)
    model = shutil.copy(run / "model.keras", tmp_path / "mine.keras")
    assert evaluate_classifier(model, data, part="test")["num_test"] == 9


def test_a_run_leaves_nothing_to_be_assumed(run, squares, tmp_path):
    assert evaluate_classifier(run, squares, folder=tmp_path / "to")["assumed"] == []


def test_known_and_unknown_images_together_are_asked_about(run, squares, tmp_path):
    known = pd.read_csv(run / "split.csv")["path"][:3]
    mixed = shutil.copytree(squares, tmp_path / "mixed")
    frame = load_manifest(squares).frame
    frame.loc[~frame["path"].isin(known), "sha256"] = "0" * 64
    frame.iloc[:60].to_csv(mixed / "manifest.csv", index=False)
    with pytest.raises(
        ValueError, match=r"mixed holds 3 of the 72 images .* 57 others; .*--part all, or --part"
    ):
        evaluate_classifier(run, mixed)
    assert evaluate_classifier(run, mixed, part="all", folder=tmp_path / "all")["num_test"] == 60


def test_the_classes_of_a_nested_head_are_known_and_their_order_is_checked(squares):
    manifest = load_manifest(squares)

    def nested(names):
        features, images = keras.Input((3,)), keras.Input((16, 16, 3))
        head = keras.Model(features, ClassProbabilities(names)(features))
        return keras.Model(images, head(keras.layers.GlobalAveragePooling2D()(images)))

    check_fit(nested(manifest.classes), "model.keras", manifest, {})
    with pytest.raises(
        ValueError, match=r"tells 3 classes apart, \['blue', 'green', 'red'\]; .*--classes blue,"
    ):
        check_fit(nested(manifest.classes[::-1]), "model.keras", manifest, {})
    assert not any("names no classes" in told for told in _assumed(nested(manifest.classes), manifest))


def test_a_filter_at_another_size_is_another_preparation(squares):
    manifest = load_manifest(squares)
    trained = {"crop": "none", "filter": "ben_graham", "clahe": False, "size": 32}
    manifest.info["preparation"] = trained | {"size": 224}
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="size 224, trained with 32"):
        check_fit(model, "model.keras", manifest, {"preparation": trained})
    plain = {"preparation": trained | {"filter": "none"}}
    manifest.info["preparation"] = plain["preparation"] | {"size": 224}
    check_fit(model, "model.keras", manifest, plain)


def test_images_that_the_run_was_trained_with_are_counted(run, squares, tmp_path):
    result = evaluate_classifier(run, squares, part="all", folder=tmp_path / "all")
    assert (result["num_test"], result["seen_in_training"]) == (72, 52)


def test_an_evaluation_writes_over_nothing_but_an_evaluation(run, squares, tmp_path):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(
        ValueError, match="config.json, predictions.csv, .* of something else than an evaluation"
    ):
        evaluate_classifier(run, squares, folder=run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    (tmp_path / "metrics.json").write_text("[]")
    with pytest.raises(ValueError, match="holds metrics.json of something else"):
        evaluate_classifier(run, squares, folder=tmp_path)
    for seed in (0, 1):
        evaluate_classifier(run, squares, folder=tmp_path / "twice", seed=seed)
    assert json.loads((tmp_path / "twice" / "config.json").read_text())["seed"] == 1


def test_an_evaluation_of_other_data_or_another_part_is_not_written_over(run, squares, tmp_path):
    own = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("evaluation-*"))
    here = some_of(squares, tmp_path / "here", lambda frame: frame.index < 40)
    there = some_of(squares, tmp_path / "there", lambda frame: frame.index < 50)
    folder = Path(evaluate_classifier(own, here, part="all")["folder"])
    assert folder == own / "evaluation-all"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(
        ValueError, match=r"evaluation-all holds another evaluation \(data: .*here there, .*there now"
    ):
        evaluate_classifier(own, there, part="all")
    with pytest.raises(ValueError, match=r"\(part: all there, test now\); name another folder with --to"):
        evaluate_classifier(own, here, part="test", folder=folder)
    changed = keras.models.load_model(run / "model.keras")
    changed.set_weights([values + 0.1 for values in changed.get_weights()])
    changed.save(tmp_path / "changed.keras")
    with pytest.raises(ValueError, match=r"\(model: .*run there, .*changed\.keras now"):
        evaluate_classifier(tmp_path / "changed.keras", here, part="all", folder=folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_path_may_be_written_in_two_ways(run, squares, tmp_path, monkeypatch):
    result = evaluate_classifier(run, squares, part="all", folder=tmp_path / "all")
    monkeypatch.chdir(run)
    again = evaluate_classifier("../plain", squares, part="all", folder=tmp_path / "all")
    assert again["metrics"] == result["metrics"]


def test_no_page_describes_other_numbers_than_those_beside_it(run, squares, tmp_path):
    folder = tmp_path / "evaluation"
    evaluate_classifier(run, squares, folder=folder)
    write_evaluation_page(folder, tmp_path / "first.html")
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == {*FILES, *PAGE_FILES}
    evaluate_classifier(run, squares, folder=folder, seed=1)
    assert {path.name for path in folder.rglob("*") if path.is_file()} == set(FILES)
    assert (tmp_path / "first.html").is_file()
    (tmp_path / "mine" / "figures").mkdir(parents=True)
    (tmp_path / "mine" / "figures" / "roc.png").write_bytes(b"mine")
    with pytest.raises(ValueError, match="holds figures/roc.png of something else"):
        evaluate_classifier(run, squares, folder=tmp_path / "mine")


def test_a_positive_class_without_effect_is_refused(run, squares, backbone, tmp_path):
    with pytest.raises(ValueError, match="positive: received 'violet', expected one of"):
        evaluate_classifier(run, squares, folder=tmp_path / "to", positive="violet")
    with pytest.raises(ValueError, match="positive: received 'red', but .* has 3 classes"):
        evaluate_classifier(run, squares, folder=tmp_path / "to", positive="red")
    data = two_classes(squares, tmp_path / "two")
    train_classifier(data, tmp_path / "run", backbone, epochs=1, batch_size=8)
    shutil.copy(tmp_path / "run" / "model.keras", tmp_path / "alone.keras")
    for positive, message in (("nonsense", "expected one of"), ("red", "no validation image of the run")):
        with pytest.raises(ValueError, match=f"positive: received '{positive}'.*{message}"):
            evaluate_classifier(tmp_path / "alone.keras", data, folder=tmp_path / "to", positive=positive)
    assert not (tmp_path / "to").exists()


def test_a_model_alone_is_measured_on_all_images(run, squares, tmp_path):
    shutil.copy(run / "model.keras", tmp_path / "model.keras")
    result = evaluate_classifier(tmp_path / "model.keras", squares)
    assert (result["part"], result["num_test"], result["seen_in_training"]) == ("all", 72, None)
    with pytest.raises(
        ValueError, match="no image of .* is in the test part by the parts that .* came in; use --part"
    ):
        evaluate_classifier(tmp_path / "model.keras", squares, part="test")


def test_other_classes_are_one_clear_error(run, squares, tmp_path):
    folder = two_classes(squares, tmp_path / "two")
    with pytest.raises(ValueError, match=r"tells 3 classes apart, \['red', .*has 2: \['red', 'green'\]"):
        evaluate_classifier(run, folder)


def test_too_small_images_are_one_clear_error(run, tmp_path):
    write_squares(tmp_path / "small", per_class=4, size=8)
    with pytest.raises(ValueError, match="takes images of 16 pixels; .* holds images of 8; .*--size 16"):
        evaluate_classifier(run, tmp_path / "small")


def test_another_preparation_is_one_clear_error(run, squares, tmp_path):
    changed = tmp_path / "run"
    shutil.copytree(run, changed)
    info = json.loads((run / "dataset.json").read_text())
    (changed / "dataset.json").write_text(json.dumps(info | {"preparation": {"filter": "ben_graham"}}))
    for model in (changed, changed / "model.keras"):
        with pytest.raises(ValueError, match="filter None, trained with ben_graham"):
            evaluate_classifier(model, squares)


def test_a_model_of_rectangles_is_refused(squares, tmp_path):
    images = keras.Input((16, 24, 3))
    scores = keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(images))
    keras.Model(images, scores).save(tmp_path / "wide.keras")
    with pytest.raises(ValueError, match="expected one square colour image"):
        evaluate_classifier(tmp_path / "wide.keras", squares)


def test_two_classes_have_a_threshold_chosen_on_validation(squares, backbone, tmp_path):
    folder = two_classes(squares, tmp_path / "two")
    metrics = train_classifier(folder, tmp_path / "run", backbone, epochs=8, learning_rate=0.02, batch_size=8)
    threshold = metrics["threshold"]
    assert threshold["positive_class"] == "green" and 0 < threshold["value"] < 1
    validation = pd.read_csv(tmp_path / "run" / "validation_predictions.csv")
    assert threshold["num_validation"] == len(validation)
    predictions = pd.read_csv(tmp_path / "run" / "predictions.csv")
    called = predictions["p_green"] >= threshold["value"]
    green = predictions["label"] == "green"
    assert threshold["sensitivity"]["value"] == pytest.approx(called[green].mean())
    assert threshold["specificity"]["value"] == pytest.approx((~called)[~green].mean())
    other = evaluate_classifier(tmp_path / "run", folder, positive="red")["threshold"]
    assert other["positive_class"] == "red"
    with pytest.raises(ValueError, match="positive: received 'violet'"):
        evaluate_classifier(tmp_path / "run", folder, positive="violet")


def trained_and_without_green(squares, backbone, tmp_path, part):
    """Train on two classes into `run`; return the images without the green ones of a part."""
    folder = two_classes(squares, tmp_path / "two")
    train_classifier(folder, tmp_path / "run", backbone, epochs=1, batch_size=8)
    split = pd.read_csv(tmp_path / "run" / "split.csv")
    gone = set(split["path"][(split["part"] == part) & (split["label"] == "green")])
    return some_of(folder, tmp_path / "fewer", lambda frame: ~frame["path"].isin(gone))


def test_among_all_images_there_is_no_threshold_as_those_it_is_chosen_on_are_measured(
    squares, backbone, tmp_path
):
    folder = two_classes(squares, tmp_path / "two")
    train_classifier(folder, tmp_path / "run", backbone, epochs=1, batch_size=8)
    assert evaluate_classifier(tmp_path / "run", folder, part="all").get("threshold") is None
    with pytest.raises(ValueError, match="chosen on the validation part, and measured on another"):
        evaluate_classifier(tmp_path / "run", folder, part="all", positive="green")


def test_validation_images_of_one_class_give_no_threshold_and_that_is_said(squares, backbone, tmp_path):
    fewer = trained_and_without_green(squares, backbone, tmp_path, "validation")
    result = evaluate_classifier(tmp_path / "run", fewer, folder=tmp_path / "evaluation")
    assert result["part"] == "test" and result["threshold"] is None
    told = "no threshold: the known validation images are all of one class"
    assert told in describe(result)
    assert told in write_evaluation_page(result["folder"], tmp_path / "page.html").read_text().lower()
    with pytest.raises(ValueError, match="positive: received 'violet'"):
        evaluate_classifier(tmp_path / "run", fewer, folder=tmp_path / "evaluation", positive="violet")


def test_test_images_of_one_class_have_one_of_sensitivity_and_specificity(squares, backbone, tmp_path):
    fewer = trained_and_without_green(squares, backbone, tmp_path, "test")
    result = evaluate_classifier(tmp_path / "run", fewer, folder=tmp_path / "evaluation")
    assert result["threshold"]["sensitivity"]["value"] is None
    page = write_evaluation_page(result["folder"], tmp_path / "page.html").read_text()
    for told in (page, describe(result)):
        assert "sensitivity undefined, specificity" in told


def test_every_measure_has_its_interval_and_kappa_only_grades(squares):
    part = load_manifest(squares)
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], len(part)) * 0.5 + np.eye(3)[part.labels] * 0.5
    measured = measure_classifier(part, probabilities)
    assert measured["metrics"]["quadratic_kappa"] is None and "quadratic_kappa" not in measured["intervals"]
    numbers = {name for name, value in measured["metrics"].items() if isinstance(value, float)}
    assert numbers == set(measured["intervals"]) - {"per_class"}
    for name, kinds in measured["intervals"].items():
        if name not in ("per_class", "expected_calibration_error"):
            low, high = kinds["bootstrap"]
            assert low <= measured["metrics"][name] <= high
    for name, by_class in measured["intervals"]["per_class"].items():
        assert set(by_class) == set(measured["metrics"]["per_class"][name]) - {"support"}
        for share in ("recall", "precision", "specificity"):
            low, high = by_class[share]["wilson"]
            assert low <= measured["metrics"]["per_class"][name][share] <= high
    part.info["ordered"] = True
    assert measure_classifier(part, probabilities)["metrics"]["quadratic_kappa"] is not None


def patients(labels, groups):
    """A part of two classes with these groups."""
    part = table({"healthy": labels.count("healthy"), "ill": labels.count("ill")})
    part.frame["label"], part.frame["group"] = labels, groups
    return part


def test_images_of_one_patient_tell_no_interval_of_a_class():
    part = patients(["healthy"] * 6 + ["ill"] * 6, [*"aabbcc", *"dddddd"])
    right = np.array([1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1], dtype=bool)
    probabilities = np.where(right, 0.9, 0.1)[:, np.newaxis] * np.eye(2)[part.labels]
    probabilities += np.where(right, 0.1, 0.9)[:, np.newaxis] * np.eye(2)[1 - part.labels]
    measured = measure_classifier(part, probabilities, (part, probabilities), positive="ill")
    by_class = measured["intervals"]["per_class"]
    assert (
        by_class["ill"]["recall"] == by_class["healthy"]["specificity"] == {"bootstrap": None, "wilson": None}
    )
    low, high = by_class["healthy"]["recall"]["bootstrap"]
    assert low < 5 / 6 < high
    threshold = measured["threshold"]
    assert threshold["sensitivity"]["bootstrap"] is threshold["sensitivity"]["wilson"] is None
    assert threshold["specificity"]["bootstrap"] == by_class["healthy"]["recall"]["bootstrap"]
    assert threshold["specificity"]["wilson"] == pytest.approx(wilson_interval(5, 6))
    shown = describe_threshold(threshold)
    assert "sensitivity 0.833, specificity 0.833 (0.500-1.000)" in shown


def test_reliability_by_hand():
    probabilities = np.array([[0.95, 0.05], [0.92, 0.08], [0.4, 0.6]])
    bins = reliability(np.array([0, 1, 1]), probabilities)
    assert [(row["num"], row["right"]) for row in bins] == [(1, 1.0), (2, 0.5)]
    assert bins[1]["confidence"] == pytest.approx(0.935) and bins[1]["low"] == pytest.approx(0.9)


def test_runs_are_compared_on_the_same_images(run, squares, backbone, tmp_path):
    other = tmp_path / "focal"
    train_classifier(squares, other, backbone, loss="focal", epochs=1, batch_size=8)
    result = compare_runs([run, other])
    first, second = (pd.read_csv(folder / "predictions.csv").sort_values("path") for folder in (run, other))
    (pair,) = result["pairs"]
    assert pair["mcnemar"] == mcnemar_exact(
        first["label"].to_numpy(),
        first["predicted"].to_numpy(),
        second["predicted"].to_numpy(),
        first["group"].to_numpy(),
    )
    right = [(table["label"] == table["predicted"]).mean() for table in (first, second)]
    change = pair["differences"]["accuracy"]
    assert change["difference"] == pytest.approx(right[1] - right[0])
    assert change["low"] <= change["difference"] <= change["high"]
    assert "quadratic_kappa" not in pair["differences"]


def test_images_of_one_class_and_one_patient_are_compared_without_what_they_lack(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder, predicted in zip(folders, (["ill", "well"], ["ill", "ill"]), strict=True):
        folder.mkdir()
        table = pd.DataFrame({"path": ["a", "b"], "label": "ill", "group": "anna", "predicted": predicted})
        table.to_csv(folder / "predictions.csv", index=False)
        measured = dict.fromkeys(("accuracy", "macro_recall", "macro_specificity", "macro_f1"))
        (folder / "metrics.json").write_text(
            json.dumps({"class_names": ["ill", "well"], "metrics": measured})
        )
    result = compare_runs(folders)
    (pair,) = result["pairs"]
    assert pair["differences"]["accuracy"] == {"difference": 0.5, "low": None, "high": None}
    assert "macro_specificity" not in pair["differences"]
    assert "+50.0 (no interval: all images are of one group)" in describe_comparison(result)


def test_runs_on_other_images_are_not_compared(run, squares, backbone, tmp_path):
    other = tmp_path / "seed1"
    train_classifier(squares, other, backbone, epochs=1, seed=1)
    with pytest.raises(ValueError, match="predicts 11 images and .* 10, 1 of them the same"):
        compare_runs([run, other])
    with pytest.raises(ValueError, match="needs two different runs"):
        compare_runs([run, run])
    with pytest.raises(ValueError, match="needs two different runs or more, each once"):
        compare_runs([run, run / ".." / run.name])
    with pytest.raises(FileNotFoundError, match="is no finished run"):
        compare_runs([run, tmp_path])


def test_predictions_of_other_classes_are_not_compared(run, tmp_path):
    """A name that is no class is not one more wrong answer."""
    other = shutil.copytree(run, tmp_path / "other")
    frame = pd.read_csv(other / "predictions.csv").assign(predicted="purple")
    frame.to_csv(other / "predictions.csv", index=False)
    with pytest.raises(ValueError, match=r"predictions.csv names the classes \['purple'\]; expected some of"):
        compare_runs([run, other])


def test_an_evaluation_becomes_one_page(run, squares, tmp_path):
    result = evaluate_classifier(run, squares, folder=tmp_path / "evaluation")
    page = write_evaluation_page(result["folder"], tmp_path / "pages" / "plain.html").read_text()
    assert page.count("data:image/png;base64") == 3 and "SYNTHETIC DATA" in page
    for told in ("macro f1", "Wilson", "Confusion matrix", "Reliability diagram", "11 images (test)"):
        assert told in page


def test_images_of_one_class_are_measured(run, squares, tmp_path):
    data = some_of(squares, tmp_path / "red", lambda frame: frame["label"] == "red")
    result = evaluate_classifier(run, data, part="all", folder=tmp_path / "evaluation")
    assert result["intervals"]["macro_specificity"] == {"bootstrap": None}
    low, high = result["intervals"]["accuracy"]["bootstrap"]
    assert 0 <= low <= result["metrics"]["accuracy"] <= high
    assert "undefined" in describe(result) and "macro specificity" not in describe(result)
    page = write_evaluation_page(result["folder"], tmp_path / "page.html").read_text()
    assert "24 images (all)" in page and "undefined" in page


@pytest.mark.parametrize("number", [72, 1])
def test_images_of_one_group_are_measured_without_intervals_over_groups(run, squares, tmp_path, number):
    data = some_of(squares, tmp_path / "patient", lambda frame: frame.index < number, group="patient")
    result = evaluate_classifier(run, data, part="all", folder=tmp_path / "evaluation")
    assert result["num_test"] == number and len(result["intervals"]["accuracy"]["wilson"]) == 2
    by_class = result["intervals"].pop("per_class")
    found = [*result["intervals"].values(), *(kinds for one in by_class.values() for kinds in one.values())]
    assert {kinds["bootstrap"] for kinds in found} == {None}
    result["intervals"]["per_class"] = by_class
    assert "no intervals: all images are of one group" in describe(result)
    page = write_evaluation_page(result["folder"], tmp_path / "page.html").read_text()
    assert "All images are of one group: there is no interval over groups." in page


def test_int8_is_calibrated_on_training_images_and_measured_on_test_images(run, squares):
    images, (test_images, labels) = calibration_images(run, squares)
    assert images.shape == (52, 16, 16, 3) and images.dtype == np.uint8
    assert len(test_images) == len(labels) == 11
    trained = {image.tobytes() for image in images}
    assert not any(image.tobytes() in trained for image in test_images)


def test_one_sigmoid_is_the_probability_of_the_second_class(squares, tmp_path):
    folder = two_classes(squares, tmp_path / "two")
    images = keras.Input((16, 16, 3))
    green = keras.layers.Lambda(lambda values: values[..., 1:2] / 255, output_shape=(16, 16, 1))(images)
    model = keras.Model(
        images, keras.layers.Activation("sigmoid")(keras.layers.GlobalAveragePooling2D()(green))
    )
    manifest = load_manifest(folder)
    probabilities = predict_part(model, ImageCache(manifest, 16), manifest)
    assert probabilities.shape == (48, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    greener = probabilities[:, 1]
    assert greener[manifest.labels == 1].mean() > greener[manifest.labels == 0].mean()
