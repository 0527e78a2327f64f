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
from drcls.layers import ClassProbabilities
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


def graded(model, folder):
    """Save a model and load it as the application does."""
    model.save(folder / "model.keras")
    return Grader(folder / "model.keras", folder, PREPARATION, num_threads=1)


def classifier(shape, names=("healthy", "ill")):
    inputs = keras.Input(shape)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="features")(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.Dense(len(names))(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, ClassProbabilities(list(names), "features")(x))


def test_a_network_of_mixed_precision_grades_in_float32(tmp_path, monkeypatch):
    monkeypatch.setattr(inference, "_export", inference._convert)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = classifier((32, 32, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    graded(model, tmp_path)


@pytest.mark.parametrize("shape", [(20, 28, 3), (24, 24, 1), (16, 30, 1)])
def test_rectangular_and_grey_models_grade(shape, tmp_path, monkeypatch):
    monkeypatch.setattr(
        inference, "_export", inference._convert
    )  # a process of its own takes seconds to start
    model = classifier(shape)
    grader = graded(model, tmp_path)
    image = draw(3)
    network_input = grader.network_input(image)
    assert network_input.shape == shape and network_input.dtype == np.uint8
    expected = keras.ops.convert_to_numpy(model(network_input[None].astype(np.float32)))[0]
    assert np.abs(list(grader.grade(image).raw_probabilities.values()) - expected).max() <= 1e-5
    assert np.abs(grader.run_prepared([image])[0].sum() - 1) <= 1e-5
    assert grader.description()["input_shape"] == list(shape)


@pytest.mark.parametrize(
    "shape, message",
    [
        ((24, 24, 4), "images of 4 channels; a photograph has 3, or 1"),
        ((None, None, 3), "None x None pixels; expected a fixed size"),
    ],
)
def test_models_that_no_photograph_fits_are_named(shape, message, tmp_path):
    with pytest.raises(ValueError, match=rf"model\.keras .*{message}"):
        graded(classifier(shape), tmp_path)


def test_what_lies_beside_a_model_is_named_where_it_is_damaged(grader, run_folder, tmp_path):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    stored = tmp_path / "models" / grader.folder.name
    stored.mkdir(parents=True)
    for content in (b"not a model", (grader.folder / "model.onnx").read_bytes()[:400]):
        (stored / "model.onnx").write_bytes(content)
        with pytest.raises(
            ValueError, match=r"model\.onnx, the ONNX copy of .*model\.keras, cannot be loaded"
        ):
            Grader(folder / "model.keras", tmp_path, PREPARATION)
    shutil.copy(grader.folder / "model.onnx", stored / "model.onnx")
    for content in ("[]", "{}", '{"temperature": 1e9, "refer_below": 0.5}', "{", '{"temperature": "1"}'):
        (stored / "calibration.json").write_text(content)
        with pytest.raises(ValueError, match=r"calibration\.json"):
            Grader(folder / "model.keras", tmp_path, PREPARATION)
    (stored / "calibration.json").unlink()
    (folder / "config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"config\.json holds no configuration"):
        Grader(folder / "model.keras", tmp_path, PREPARATION)


def test_external_data_of_an_onnx_copy_is_not_followed(grader, run_folder, tmp_path):
    import onnx

    stored = tmp_path / "models" / grader.folder.name
    stored.mkdir(parents=True)
    model = onnx.load(grader.folder / "model.onnx")
    tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    onnx.external_data_helper.set_external_data(
        tensor, "../../../secret", offset=0, length=len(tensor.raw_data)
    )
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    (stored / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"model\.onnx, the ONNX copy"):
        Grader(run_folder / "model.keras", tmp_path, PREPARATION)


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
