"""Model cards, and the one function that writes a model with its card."""

import json

import keras
import numpy as np
import onnx
import pytest
from keras import layers

from drcls.export import describe, export_model, write_model_card
from drcls.export.quantisation import loss_by_quantisation
from drcls.files import write_json
from drcls.layers import ClassProbabilities
from drcls.models.training_data import digest

LEAKAGE = {"overall": 0.25, "identical": 0.25, "near_identical": 0.0, "group": 0.25, "per_class": {}}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), name="images")
    x = layers.Conv2D(8, 3, activation="relu")(layers.Rescaling(1 / 255)(inputs))
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, ClassProbabilities(["well", "ill"])(x), name="small")


@pytest.fixture
def run_folder(model, tmp_path):
    folder = tmp_path / "phantom-clean-quick-s0" / "small"
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    write_json(
        folder / "config.json",
        {"data": "smears", "phantom": True, "protocol": "clean", "seed": 3, "epochs": 2},
    )
    write_json(folder / "env.json", {"versions": {"keras": "3.1"}})
    measured = {
        "metrics": {
            "accuracy": 0.75,
            "macro_auroc": None,
            "per_class": {"well": {"recall": 0.5}, "ill": {"recall": None}},
        },
        "intervals": {"accuracy": {"wilson": [0.3, 0.95], "bootstrap": [0.25, 1.0]}},
        "num_test": 4,
        "leakage": LEAKAGE,
    }
    write_json(folder / "metrics.json", measured)
    return folder


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3)).astype("uint8")


def test_a_run_folder_becomes_a_model_with_its_card(run_folder, tmp_path):
    written = export_model(run_folder, tmp_path / "out", "onnx")
    names = ["model.onnx", "model_card.json", "model_card.md"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert written["file"] == tmp_path / "out" / "model.onnx"
    assert written["bytes"] == written["file"].stat().st_size and written["int8"] is None
    card = json.loads((tmp_path / "out" / "model_card.json").read_text())
    assert card["classes"] == ["well", "ill"] and card["protocol"] == "clean" and card["leakage"] == LEAKAGE
    assert card["inputs"] == [
        {"name": "images", "shape": [None, 16, 16, 3], "dtype": "float32", "values": "0..255"}
    ]
    assert card["preprocessing"] == [f"Rescaling: image * {1 / 255} + 0.0"]
    assert card["metrics"]["accuracy"] == 0.75 and card["trained_with"] == {"keras": "3.1"}
    assert len(card["source_sha256"]) == 64 and card["versions"]["keras"] == keras.__version__
    text = (tmp_path / "out" / "model_card.md").read_text()
    assert "| accuracy | 0.7500 | 0.2500 to 1.0000 (bootstrap) |" in text
    assert "| ill | undefined |" in text and "- Synthetic: yes" in text
    assert "25.0% of the test images have a copy in training" in text
    assert "no diagnosis or treatment" in text
    assert "- Licence: not recorded" in text


def test_a_model_that_is_no_export_is_not_written_over(run_folder, model, tmp_path):
    (tmp_path / "models").mkdir()
    model.save(tmp_path / "models" / "model.keras")
    before = (tmp_path / "models" / "model.keras").read_bytes()
    with pytest.raises(
        ValueError, match="models/model.keras is no export that a model_card.json beside it names"
    ):
        export_model(run_folder, tmp_path / "models", "keras")
    export_model(run_folder, tmp_path / "models", "onnx")
    with pytest.raises(ValueError, match="is no export"):
        export_model(run_folder, tmp_path / "models", "keras")
    assert (tmp_path / "models" / "model.keras").read_bytes() == before
    model.export(tmp_path / "models" / "saved_model", verbose=False)
    with pytest.raises(ValueError, match="models/saved_model is no export"):
        export_model(run_folder, tmp_path / "models", "saved_model")
    export_model(run_folder, tmp_path / "models", "onnx")


def test_a_model_of_a_sample_says_so(run_folder, tmp_path):
    config = json.loads((run_folder / "config.json").read_text())
    write_json(run_folder / "config.json", config | {"sample": "A sample of real images: 9 cells."})
    export_model(run_folder, tmp_path, "keras", facts={"run": ""})
    text = (tmp_path / "model_card.md").read_text()
    assert "- Sample: A sample of real images: 9 cells." in text and "- Run: not recorded" in text


def test_a_bar_in_the_name_of_a_class_ends_no_cell(run_folder, tmp_path):
    measured = json.loads((run_folder / "metrics.json").read_text())
    measured["metrics"]["per_class"] = {"well": {"recall": 0.5}, "ill|treated": {"recall": 1.0}}
    write_json(run_folder / "metrics.json", measured)
    export_model(run_folder, tmp_path, "keras")
    assert "\n| ill\\|treated | 1.0000 |\n" in (tmp_path / "model_card.md").read_text()


def test_one_model_in_two_formats_has_one_card(run_folder, tmp_path):
    folder = tmp_path / "out"
    for format in ("onnx", "keras"):
        export_model(run_folder, folder, format)
    card = json.loads((folder / "model_card.json").read_text())
    assert card["file"] == "model.keras"
    assert card["files"] == {name: digest(folder / name) for name in ("model.onnx", "model.keras")}
    assert f"- SHA256: {card['files']['model.keras']}" in (folder / "model_card.md").read_text()


def test_a_second_model_beside_the_card_of_another_is_refused(run_folder, model, tmp_path):
    folder, other = tmp_path / "out", tmp_path / "other.keras"
    export_model(run_folder, folder, "keras")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    changed = keras.models.clone_model(model)
    changed.save(other)
    for second in (other, changed):
        with pytest.raises(
            ValueError, match=r"model_card\.json is the card of model\.keras, of another model"
        ):
            export_model(second, folder, "onnx")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    export_model(other, folder, "keras")  # the same file: file and card are replaced together
    card = json.loads((folder / "model_card.json").read_text())
    assert card["files"] == {"model.keras": digest(folder / "model.keras")} and card["protocol"] is None


def test_an_exported_file_keeps_its_facts_when_it_is_exported_again(run_folder, tmp_path):
    file = export_model(run_folder, tmp_path / "out", "keras")["file"]
    export_model(file, tmp_path / "out", "onnx")
    card = json.loads((tmp_path / "out" / "model_card.json").read_text())
    assert card["protocol"] == "clean" and card["metrics"]["accuracy"] == 0.75
    assert set(card["files"]) == {"model.keras", "model.onnx"}
    assert card["source_sha256"] == digest(run_folder / "model.keras")


def test_a_foreign_file_in_a_run_folder_is_not_described_as_the_run(run_folder, model, tmp_path):
    keras.models.clone_model(model).save(run_folder / "other.keras")
    facts = describe(run_folder / "other.keras")
    assert {key for key, value in facts.items() if value is not None} == {"source_sha256"}


def test_the_model_of_a_run_is_not_written_over(run_folder):
    before = digest(run_folder / "model.keras")
    with pytest.raises(ValueError, match=r"model\.keras is the model of a run and would be written over"):
        export_model(run_folder, run_folder, "keras")
    assert digest(run_folder / "model.keras") == before and not (run_folder / "model_card.json").exists()


def test_what_is_not_recorded_is_said(model, tmp_path):
    facts = describe(model)
    assert set(facts.values()) == {None}
    markdown, _ = write_model_card(tmp_path, model, facts)
    text = markdown.read_text()
    for field in ("Protocol", "Leak audit", "Data", "Run"):
        assert f"- {field}: not recorded" in text
    assert "Metrics: not recorded." in text


def test_given_facts_stand_in_the_card(model, tmp_path):
    data = {"title": "Smears", "licence": "CC BY 4.0", "counts": {"well": 3, "ill": 1}}
    export_model(model, tmp_path, "keras", facts={"data": data})
    text = (tmp_path / "model_card.md").read_text()
    assert "- Licence: CC BY 4.0" in text and "- Images per class: well 3, ill 1" in text


@pytest.mark.parametrize(("format", "name"), [("onnx", "model_int8.onnx"), ("litert", "model_int8.tflite")])
def test_int8_is_written_with_its_loss(model, pictures, tmp_path, format, name):
    labels = model.predict(pictures, verbose=0).argmax(axis=1)
    written = export_model(
        model, tmp_path, format, int8=True, calibration=pictures[:16], test=(pictures[16:], labels[16:])
    )
    assert written["file"].name == name
    loss = written["int8"]
    assert loss["calibration_images"] == 16 and loss["images"] == 8 and loss["measured_on"] == "test images"
    assert loss["accuracy_float32"] == 1.0 and loss["accuracy_int8"] == loss["same_class"]
    assert 0 < loss["largest_difference"] < 0.05
    card = (tmp_path / "model_card.md").read_text()
    assert "## int8" in card and ("VNNI" in card) == (format == "onnx")


def test_a_batch_norm_behind_a_depthwise_convolution_is_not_quantised_apart(pictures, tmp_path):
    """Its factors differ by 10,000 times between channels: apart, 8 bits could not hold them."""
    images = keras.Input((16, 16, 3), name="images")
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Conv2D(8, 3)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU(6)(x))
    model = keras.Model(images, layers.Dense(4, activation="softmax")(x))
    spread = np.geomspace(1e-2, 1e2, 8)
    norm = model.get_layer("norm")
    norm.set_weights([np.full(8, 3.0), np.zeros(8), np.zeros(8), spread**2])
    model.get_layer(index=3).set_weights(
        [model.get_layer(index=3).get_weights()[0] * spread[:, None], np.zeros(8)]
    )
    written = export_model(model, tmp_path, "onnx", int8=True, calibration=pictures, test=None)
    kinds = {node.op_type for node in onnx.load(written["file"]).graph.node}
    assert "Conv" in kinds and not kinds & {"BatchNormalization", "Sub"}
    assert sum(node.op_type == "Mul" for node in onnx.load(written["file"]).graph.node) <= 1  # the rescaling
    assert written["int8"]["mean_difference"] < 0.01


def test_the_loss_by_hand():
    expected, received = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.8, 0.2], [0.6, 0.4]])
    assert loss_by_quantisation(expected, received, [0, 1]) == {
        "images": 2,
        "same_class": 0.5,
        "mean_difference": pytest.approx(0.15),
        "largest_difference": pytest.approx(0.2),
        "accuracy_float32": 1.0,
        "accuracy_int8": 0.5,
    }


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"format": "torch"}, "format 'torch' received; expected one of"),
        ({"format": "keras", "int8": True, "calibration": [1]}, "int8 is written as one of"),
        ({"format": "onnx", "int8": True}, "needs training images"),
        ({"format": "onnx", "calibration": [1]}, "serve int8 alone"),
    ],
)
def test_wishes_that_cannot_be_met_leave_nothing(model, tmp_path, wish, message):
    with pytest.raises(ValueError, match=message):
        export_model(model, tmp_path / "out", **wish)
    assert not (tmp_path / "out").exists()


def test_calibration_images_of_another_shape_are_named(model, tmp_path):
    with pytest.raises(ValueError, match=r"images have the shape \(2, 8, 8, 3\)"):
        export_model(model, tmp_path, "onnx", int8=True, calibration=np.zeros((2, 8, 8, 3)))


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.keras does not exist"):
        export_model(tmp_path / "nowhere.keras", tmp_path / "out")
    (tmp_path / "broken.keras").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"broken\.keras is not a Keras model that can be loaded"):
        export_model(tmp_path / "broken.keras", tmp_path / "out")
    assert not (tmp_path / "out").exists()
