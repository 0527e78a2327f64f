"""Temperature scaling: by hand, on a network that is too sure, and from the run folder."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from drcls.app.calibration import (
    calibrate,
    calibrated,
    fit_temperature,
    load_calibration,
    negative_log_likelihood,
    preparation_of,
    save_calibration,
    temperature_interval,
    validation_part,
    why_undetermined,
)
from drcls.app.deployment import describe
from tests.app.conftest import PREPARATION


def test_two_classes_by_hand():
    # Scores log 9 and 0; halved they are log 3 and 0.
    assert calibrated([0.9, 0.1], 2) == pytest.approx([0.75, 0.25])
    assert calibrated([0.9, 0.1], 1) == pytest.approx([0.9, 0.1])
    assert negative_log_likelihood([[0.9, 0.1]], [1], 2) == pytest.approx(-np.log(0.25))


def test_the_temperature_of_a_network_that_is_three_times_too_sure():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1.5, (4000, 5))
    labels = np.array([rng.choice(5, p=p) for p in softmax(scores, axis=1)])
    assert fit_temperature(softmax(3 * scores, axis=1), labels) == pytest.approx(3, rel=0.08)
    assert fit_temperature(softmax(scores, axis=1), labels) == pytest.approx(1, rel=0.08)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=6).filter(lambda p: sum(p) > 0),
    st.floats(0.05, 20),
)
def test_no_temperature_changes_the_order(weights, temperature):
    p = np.array(weights, np.float32) / np.sum(weights, dtype=np.float32)
    scaled = calibrated(p, temperature)
    assert scaled.sum() == pytest.approx(1) and np.isfinite(scaled).all()
    assert scaled[p.argmax()] == scaled.max()


def test_calibrating_a_model(grader, run_folder, data_set, tmp_path):
    validation = validation_part(data_set.root, run_folder / "model.keras")
    fitted = calibrate(grader, validation, refer_below=0.4)
    assert fitted["num_images"] == len(validation) == 10
    assert fitted["after"]["negative_log_likelihood"] <= fitted["before"]["negative_log_likelihood"] + 1e-9
    assert sum(fitted["predicted_counts"].values()) == 10
    assert [row["referred"] for row in fitted["thresholds"]] == sorted(
        row["referred"] for row in fitted["thresholds"]
    )
    save_calibration(tmp_path / "calibration.json", fitted)
    assert load_calibration(tmp_path / "calibration.json", grader.sha256) == fitted
    with pytest.raises(
        ValueError, match=f"calibration of the model {grader.sha256[:12]}; expected that of abab"
    ):
        load_calibration(tmp_path / "calibration.json", "ab" * 32)
    for interval in ([0.5], None, ["a", "b"], [None, 2]):
        save_calibration(tmp_path / "wrong.json", fitted | {"temperature_interval": interval})
        with pytest.raises(ValueError, match="calibrate again: python -m drcls.app calibrate"):
            load_calibration(tmp_path / "wrong.json", grader.sha256)
    assert load_calibration(tmp_path / "none.json", grader.sha256) is None
    with pytest.raises(ValueError, match="--refer-below 1.5"):
        calibrate(grader, validation, refer_below=1.5)


def test_validation_images_without_a_mistake_do_not_tell_how_sure_to_be(
    grader, run_folder, data_set, monkeypatch
):
    validation = validation_part(data_set.root, run_folder / "model.keras")
    answers = 0.6 * np.eye(len(grader.class_names))[validation.labels] + 0.4 / len(grader.class_names)
    monkeypatch.setattr(type(grader), "run_prepared", lambda *_: answers)
    fitted = calibrate(grader, validation, refer_below=0.4)
    assert fitted[
        "undetermined"
    ] and "fit on 10 validation images allows temperatures down to" in why_undetermined(fitted)
    # Probabilities stay as they are, so the figures are those of the network's own.
    assert fitted["after"] == fitted["before"]
    assert fitted["thresholds"][-1]["referred"] == 1
    answers[0] = np.roll(answers[0], 1)
    assert not calibrate(grader, validation, refer_below=0.4)["undetermined"]


@pytest.mark.parametrize(
    "interval, reason",
    [
        ([0.05, 1.2], "fit on 6 validation images allows temperatures down to"),
        ([0.9, 20.0], "highest, 20"),
        ([0.5, 2.1], "from 0.5 to 2.1"),
    ],
)
def test_a_temperature_that_few_images_leave_open_is_undetermined(interval, reason):
    fit = {"temperature_interval": interval, "num_images": 6}
    assert reason in why_undetermined(fit) and "6 validation images" in why_undetermined(fit)
    assert why_undetermined(fit | {"temperature_interval": [0.6, 2.1]}) is None


def test_the_interval_of_the_temperature_by_hand():
    # 30 of 40 answers of 0.9 are right. With q = 1 / (1 + 9 ** (-1 / T)) the likelihood is binomial in q.
    probabilities = np.tile([0.9, 0.1], (40, 1))
    labels = np.repeat([0, 1], [30, 10])
    low, high = temperature_interval(probabilities, labels)
    assert fit_temperature(probabilities, labels) == pytest.approx(np.log(9) / np.log(3), rel=1e-3)
    q = 1 / (1 + 9 ** (-1 / np.array([low, high])))
    deviance = 2 * (30 * np.log(0.75 / q) + 10 * np.log(0.25 / (1 - q)))
    assert deviance == pytest.approx([3.8415, 3.8415], abs=1e-3) and low < 2 < high
    # More images, a narrower interval; too few or none wrong, no lower end.
    assert temperature_interval(np.tile(probabilities, (10, 1)), np.tile(labels, 10))[1] < high
    assert temperature_interval(probabilities[:30], labels[:30])[0] == 0.05
    # Ten copies of every image in one group each tell no more than one.
    copies = temperature_interval(np.tile(probabilities, (10, 1)), np.tile(labels, 10), images_per_group=10)
    assert copies == pytest.approx((low, high), rel=1e-4)


def test_six_images_with_one_mistake_are_too_few():
    probabilities = np.tile([0.608, 0.1, 0.1, 0.1, 0.092], (6, 1))
    interval = temperature_interval(probabilities, np.array([0, 0, 0, 0, 0, 3]))
    assert why_undetermined({"temperature_interval": interval, "num_images": 6})


def test_the_preparation_is_that_of_the_training_data(data_set, tmp_path):
    assert preparation_of(data_set.root) == PREPARATION
    with pytest.raises(FileNotFoundError, match="dataset.json"):
        preparation_of(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"phantom": True, "preparation": {"size": 64}}))
    assert preparation_of(tmp_path) == {"crop": "none", "size": 64, "filter": "none", "clahe": False}
    (tmp_path / "dataset.json").write_text(json.dumps({"preparation": {"crop": "oval"}}))
    with pytest.raises(ValueError, match="dataset.json"):
        preparation_of(tmp_path)


def test_another_data_set_is_not_the_validation_part(run_folder, data_set, tmp_path):
    (tmp_path / "split.csv").write_text("path,label,group,sha256,part\nimages/zz.png,Mild,1,ab,validation\n")
    with pytest.raises(ValueError, match="not those of"):
        validation_part(data_set.root, tmp_path / "model.keras")
    with pytest.raises(FileNotFoundError, match=r"split\.csv"):
        validation_part(data_set.root, tmp_path / "elsewhere" / "model.keras")


def test_the_about_page_counts_the_images_of_each_threshold(ben, grader, monkeypatch):
    thresholds = [
        {"refer_below": 0.5, "referred": 0.3, "accuracy_of_others": 5 / 7},
        {"refer_below": 0.9, "referred": 1.0, "accuracy_of_others": None},
    ]
    ece = {"expected_calibration_error": 0.1}
    fitted = {"num_images": 10, "data": "Clinic", "before": ece, "after": ece, "thresholds": thresholds}
    monkeypatch.setattr(grader, "calibration", fitted)
    monkeypatch.setattr(grader, "why_not_calibrated", None)
    page = ben.get("/about").text
    assert (
        '30.0 % <span class="hint">3 of 10</span>' in page
        and '71.4 % <span class="hint">5 of 7</span>' in page
    )
    assert '100.0 % <span class="hint">10 of 10</span>' in page and '<td class="number">–</td>' in page


def test_the_about_page_names_the_models_classes(ben, grader, monkeypatch):
    shown = "one of 5 classes for a colour photograph of the fundus (No DR, Mild, Moderate, Severe, Proliferate DR)"
    assert shown in ben.get("/about").text
    monkeypatch.setattr(grader, "class_names", ["healthy", "glaucoma"])
    page = ben.get("/about").text
    assert "one of 2 classes" in page and "(healthy, glaucoma)" in page and "retinopathy" not in page


def test_images_of_another_preparation_fit_no_temperature(grader, data_set, run_folder, tmp_path):
    other = shutil.copytree(data_set.root, tmp_path / "other")
    description = json.loads((other / "dataset.json").read_text())
    description["preparation"] = PREPARATION | {"size": 64}
    (other / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=r"other/dataset\.json says .*'size': 64.*; expected .*'size': 48"):
        calibrate(grader, validation_part(other, run_folder / "model.keras"), 0.5)


@pytest.fixture
def undetermined(grader):
    """What six images without a mistake leave: a temperature far too cold."""
    stored = {
        "model_sha256": grader.sha256,
        "temperature": 0.0500004,
        "temperature_interval": [0.05, 1.1],
        "num_images": 6,
        "refer_below": 0.5,
    }
    save_calibration(grader.folder / "calibration.json", stored | {"predicted_counts": {}})
    grader.reload_calibration()
    yield grader
    (grader.folder / "calibration.json").unlink()
    grader.reload_calibration()


def test_an_undetermined_temperature_is_not_used(undetermined):
    raw = np.array([0.608, 0.1, 0.1, 0.1, 0.092], np.float32)
    judged = undetermined.judge(raw)
    assert judged.confidence == pytest.approx(0.608, abs=1e-6)
    assert list(judged.probabilities.values()) == pytest.approx(list(judged.raw_probabilities.values()))
    described = undetermined.description()
    assert (described["temperature"], described["calibrated"]) == (1.0, False)


def test_everything_says_that_and_why_it_is_not_calibrated(
    undetermined, ben, case_id, app, token, photograph
):
    why = "fit on 6 validation images allows temperatures down to"
    assert why in describe(undetermined) and "NOT CALIBRATED" in describe(undetermined)
    case, report, about = (
        ben.get(path).text for path in (f"/cases/{case_id}", f"/cases/{case_id}/report", "/about")
    )
    for page in (case, report):
        assert "Probabilities, not calibrated: the fit on 6 validation images" in page
    assert "temperature 1.0000 (not calibrated: the fit on 6 validation images" in report
    assert (
        "</strong> Not calibrated: the fit on 6 validation images" in about and "Calibrated on" not in about
    )
    for page in (case, report, about, ben.get("/").text):
        assert (
            "<strong>Not calibrated</strong>: the fit on 6 validation images" in page
            and "Temperature 0" not in page
        )
    headers = {"Authorization": f"Bearer {token}"}
    sent = app.test_client().post(
        "/api/v1/predict", data=photograph, content_type="image/png", headers=headers
    )
    prediction = sent.json["prediction"]
    assert prediction["calibrated"] is False and why in prediction["why_not_calibrated"]
