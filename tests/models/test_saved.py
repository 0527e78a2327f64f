import json
import zipfile

import keras
import pytest

from drcls.models.saved import load_saved_model


@pytest.fixture
def saved(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="small").save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_a_file_or_its_run_folder(saved):
    assert load_saved_model(saved).name == load_saved_model(saved.parent).name == "small"


def rewritten(file, change):
    """Write a copy of a `.keras` file with another `config.json`."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = change(parts["config.json"])
    with zipfile.ZipFile(file.with_name("changed.keras"), "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.with_name("changed.keras")


def unknown_class(content):
    config = json.loads(content)
    config["module"], config["class_name"], config["registered_name"] = "nowhere", "Nothing", "Nothing"
    return json.dumps(config)


@pytest.mark.parametrize(
    "change",
    [
        unknown_class,
        lambda content: content[:-40],
        lambda content: b"[" * 100_000 + b"]" * 100_000,
        lambda content: content.replace(b'"units": 2', b'"units": 3'),
    ],
)
def test_whatever_is_wrong_the_file_is_named(saved, change):
    changed = rewritten(saved, change)
    with pytest.raises(ValueError, match=r"changed\.keras is not a Keras model that can be loaded: \w"):
        load_saved_model(changed)


@pytest.mark.parametrize(
    "layer, before, after",
    [
        (keras.layers.Dense(2), '"units": 2', '"units": 2000000000'),
        (keras.layers.Dense(2), '"input_shape": [null, 8, 16]', '"input_shape": [null, 8, 400000000]'),
        (keras.layers.LSTM(7), '"units": 7', '"units": 60000'),
        (keras.layers.MultiHeadAttention(3, 5), '"key_dim": 5', '"key_dim": 500000000'),
        (keras.layers.EinsumDense("abc,cd->abd", (8, 7)), '"output_shape": [8, 7]', '"output_shape": [8, 700000000]'),
        (keras.layers.LayerNormalization(), '"input_shape": [null, 8, 16]', '"input_shape": [null, 8, 1600000000]'),
    ],
)  # fmt: skip
def test_a_layer_of_more_weights_than_the_file_holds_takes_no_memory(layer, before, after, tmp_path):
    inputs = keras.Input((8, 16))
    outputs = layer(inputs, inputs) if isinstance(layer, keras.layers.MultiHeadAttention) else layer(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    load_saved_model(tmp_path)
    changed = rewritten(
        tmp_path / "model.keras", lambda content: content.replace(before.encode(), after.encode())
    )
    with pytest.raises(
        ValueError, match=r"changed\.keras .*with the layer \w+ it asks for \d+ weights; the file holds"
    ):
        load_saved_model(changed)
    assert keras.layers.Dense(9, name="wide").build((None, 10**5)) is None  # nothing is counted any longer


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(saved):
    with zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", bytes(2**26))
    with pytest.raises(ValueError, match="more than two hundred times its size"):
        load_saved_model(saved)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(8, 3, groups=2),
        keras.layers.SeparableConv2D(64, 5),
        keras.layers.DepthwiseConv2D(5),
        keras.layers.Conv2DTranspose(8, 3),
        keras.layers.BatchNormalization(),
        keras.layers.ConvLSTM1D(4, 3),
    ],
)
def test_every_layer_announces_what_it_holds(layer, tmp_path):
    keras.Sequential([keras.Input((9, 9, 16)), layer]).save(tmp_path / "model.keras")
    assert load_saved_model(tmp_path).count_params() == layer.count_params()


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.keras does not exist; expected a \.keras file"):
        load_saved_model(tmp_path)
    (tmp_path / "notes.keras").write_text("notes")
    with pytest.raises(ValueError, match=r"notes\.keras is not a Keras model"):
        load_saved_model(tmp_path / "notes.keras")
