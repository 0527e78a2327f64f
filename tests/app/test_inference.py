"""From the file to the grade: the same probabilities as in training, in batches, and clear errors."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from drcls.app import inference
from drcls.app.inference import Grader, MicroBatches, TooBusyError
from drcls.data import Batches, ImageCache
from drcls.evaluate import predict
from tests.app.conftest import PREPARATION, build_model, draw


def test_http_gives_the_probabilities_of_evaluate(app, token, run_folder, data_set, sources_folder):
    """The source file through the API against the prepared image through drcls.evaluate."""
    model = keras.models.load_model(run_folder / "model.keras")
    expected = predict(model, Batches(ImageCache(data_set, 32), data_set, 4))
    client = app.test_client()
    for row, path in zip(expected, data_set.frame["path"], strict=True):
        source = next(sources_folder.glob(f"{path.split('/')[-1][:2]}.*"))
        answer = client.post(
            "/api/v1/predict?override_quality=true",
            data=source.read_bytes(),
            content_type="image/jpeg" if source.suffix == ".jpg" else "image/png",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text
        found = list(answer.json["prediction"]["raw_probabilities"].values())
        assert np.abs(np.array(found) - row).max() <= 1e-5


def test_the_network_tells_pictures_apart(grader):
    rows = [list(grader.grade(draw(seed)).probabilities.values()) for seed in range(4)]
    assert np.ptp(rows, axis=0).max() > 0.01


def test_the_flag_and_the_temperature(grader):
    raw = np.array([0.05, 0.05, 0.6, 0.2, 0.1], np.float32)
    try:
        grader.temperature, grader.refer_below = 1.0, 0.6001
        judged = grader.judge(raw)
        assert (judged.grade, judged.refer) == (grader.class_names[2], True)
        grader.temperature = 0.5
        assert not grader.judge(raw).refer
        assert judged.raw_probabilities == pytest.approx(dict(zip(grader.class_names, raw, strict=True)))
    finally:
        grader.reload_calibration()
    assert (grader.temperature, grader.refer_below) == (1.0, 0.5)


def test_a_lone_item_is_run_at_once_and_a_crowd_in_batches():
    sizes, gate = [], threading.Event()

    def run(items):
        sizes.append(len(items))
        gate.wait(5)
        return items * 2

    batches = MicroBatches(run, max_batch=4)
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(batches, np.array(1))
        while not sizes:
            time.sleep(0.001)
        others = [pool.submit(batches, np.array(number)) for number in range(2, 11)]
        while len(batches._waiting) < 9:
            time.sleep(0.001)
        gate.set()
        assert [int(future.result()) for future in [first, *others]] == [2 * n for n in range(1, 11)]
    assert sizes == [1, 4, 4, 1]


def test_a_failing_batch_fails_for_all_in_it_and_for_nobody_else():
    def run(items):
        if (items < 0).any():
            raise RuntimeError("negative")
        return items

    batches = MicroBatches(run)
    with pytest.raises(RuntimeError, match="negative"):
        batches(np.array(-1))
    assert batches(np.array(3)) == 3


def test_a_full_queue_refuses():
    started, gate = threading.Event(), threading.Event()

    def run(items):
        started.set()
        gate.wait(5)
        return items

    batches = MicroBatches(run, max_waiting=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batches, np.array(1))
        started.wait(5)
        second = pool.submit(batches, np.array(2))
        while len(batches._waiting) < 1:
            time.sleep(0.001)
        with pytest.raises(TooBusyError):
            batches(np.array(3))
        gate.set()
        assert (first.result(), second.result()) == (1, 2)


def test_what_is_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.keras"):
        Grader(tmp_path / "none.keras", tmp_path, PREPARATION)
    (tmp_path / "text.keras").write_text("not a model")
    with pytest.raises(ValueError, match=r"text\.keras is not a Keras model"):
        Grader(tmp_path / "text.keras", tmp_path, PREPARATION)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(inputs))
    keras.Model(inputs, x).save(tmp_path / "nameless.keras")
    with pytest.raises(ValueError, match=r"nameless\.keras does not name its classes"):
        Grader(tmp_path / "nameless.keras", tmp_path, PREPARATION)


def test_an_export_that_differs_is_not_used(grader, run_folder, tmp_path, monkeypatch):
    def other_weights(model_file, file):
        file.parent.mkdir(parents=True)
        file.write_bytes((grader.folder / "model.onnx").read_bytes())

    other = build_model(grader.class_names)
    other.set_weights([weight * 1.5 for weight in other.get_weights()])
    other.save(tmp_path / "model.keras")
    monkeypatch.setattr(inference, "_export", other_weights)
    with pytest.raises(ValueError, match="differs from it"):
        Grader(tmp_path / "model.keras", tmp_path, PREPARATION)
    assert not list(tmp_path.rglob("model.onnx"))


def test_the_description_says_what_a_grade_depends_on(grader, run_folder):
    import hashlib

    described = grader.description()
    assert described["model_sha256"] == hashlib.sha256((run_folder / "model.keras").read_bytes()).hexdigest()
    assert described["model_version"] == "tiny, clinic-clean-quick-s0"
    assert described["preparation"] == PREPARATION and described["calibrated"] is False
    json.dumps(described)
