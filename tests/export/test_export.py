import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from drcls.export import export_onnx, export_saved_model, onnx_function
from drcls.models.chexnet_cbam import build_chexnet_cbam
from tests.trained_head import with_a_trained_head

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype("float32")


def build_model():
    """Build CheXNet_CBAM, with every layer of this package in it, on a small backbone."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3), name="images")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(8, 3, strides=4, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    backbone = keras.Model(inputs, x, name="backbone")
    parts = {"reduction_ratio": 2, "num_heads": 2, "key_dim": 4, "ff_dim": 8, "drop_block_size": 2}
    return with_a_trained_head(build_chexnet_cbam(backbone, ["a", "b", "c"], **parts))


@pytest.fixture(scope="module")
def model():
    return build_model()


@pytest.fixture(scope="module")
def expected(model):
    probabilities = model.predict(IMAGES, verbose=0)
    assert np.ptp(probabilities, axis=0).max() > 1e-3  # the outputs tell the images apart
    return probabilities


READ_SAVED_MODEL = """
import sys
sys.modules["drcls"] = None  # importing drcls now fails
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load("saved")
images = np.load("images.npy")
np.save("all.npy", loaded.serve(images))
np.save("one.npy", loaded.serve(images[:1]))
"""

READ_ONNX = """
import sys
sys.modules.update(drcls=None, keras=None, tensorflow=None)
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
images = np.load("images.npy")
(image_input,) = session.get_inputs()
np.save("all.npy", session.run(None, {image_input.name: images})[0])
np.save("one.npy", session.run(None, {image_input.name: images[:1]})[0])
"""


def run_in_new_process(code, folder):
    """Run code where only the exported files are; return what the model gave for all images and for one."""
    np.save(folder / "images.npy", IMAGES)
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, env={**os.environ, "PYTHONPATH": ""})
    return np.load(folder / "all.npy"), np.load(folder / "one.npy")


def test_saved_model_gives_the_same_without_this_package(model, expected, tmp_path):
    assert export_saved_model(model, tmp_path / "saved") == tmp_path / "saved"
    together, alone = run_in_new_process(READ_SAVED_MODEL, tmp_path)
    np.testing.assert_allclose(together, expected, atol=1e-5)
    np.testing.assert_allclose(alone, expected[:1], atol=1e-5)


def test_onnx_gives_the_same_without_this_package(model, expected, tmp_path):
    pytest.importorskip("onnxruntime")
    assert export_onnx(model, tmp_path / "model.onnx") == tmp_path / "model.onnx"
    together, alone = run_in_new_process(READ_ONNX, tmp_path)
    np.testing.assert_allclose(together, expected, atol=1e-5)
    np.testing.assert_allclose(alone, expected[:1], atol=1e-5)


def test_mixed_precision_model_is_exported_to_onnx_in_float32(model, expected, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build_model()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    session = onnxruntime.InferenceSession(export_onnx(mixed, tmp_path / "model.onnx"))
    (image_input,) = session.get_inputs()
    np.testing.assert_allclose(session.run(None, {image_input.name: IMAGES})[0], expected, atol=1e-5)


def test_normalisation_by_given_numbers_and_flips_are_exported_to_onnx():
    inputs = keras.Input((32, 32, 3), name="images")
    x = layers.Normalization(mean=(10.0, 20.0, 30.0), variance=(4.0, 9.0, 16.0))(inputs)
    backbone = keras.Model(inputs, keras.ops.flip(x, axis=-1), name="backbone")
    outer = keras.Input((32, 32, 3), name="images")
    model = keras.Model(outer, layers.GlobalAveragePooling2D()(backbone(outer)))
    by_hand = ((IMAGES - [10, 20, 30]) / [2, 3, 4]).mean(axis=(1, 2))[:, ::-1]
    np.testing.assert_allclose(onnx_function(model)(IMAGES), by_hand, rtol=1e-5)
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), by_hand, rtol=1e-5)  # left as it was


def test_an_earlier_export_is_replaced_and_nothing_else_is_left(tmp_path):
    small = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="first")])
    for _ in range(2):
        export_saved_model(small, tmp_path / "new" / "saved")
        export_onnx(small, tmp_path / "new" / "model.onnx")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["model.onnx", "saved"]


def test_a_failed_export_leaves_the_earlier_one(tmp_path, monkeypatch):
    export_onnx(keras.Sequential([keras.Input((4,)), layers.Dense(2)]), tmp_path / "model.onnx")
    before = (tmp_path / "model.onnx").read_bytes()

    def fail(*args, **kwargs):
        raise OSError("no space left")

    unlucky = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    monkeypatch.setattr("tf2onnx.convert.from_function", fail)
    with pytest.raises(OSError, match="no space left"):
        export_onnx(unlucky, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == before


def test_a_model_that_is_not_built_is_refused(tmp_path):
    for export in (export_saved_model, export_onnx):
        with pytest.raises(ValueError, match="has not been built"):
            export(keras.Sequential([layers.Dense(2)], name="raw"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_not_replaced(model, tmp_path):
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="is not a SavedModel"):
        export_saved_model(model, tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "keep"


@pytest.mark.parametrize("export", [export_saved_model, export_onnx])
def test_other_backends_are_refused_by_name(model, tmp_path, monkeypatch, export):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="needs the TensorFlow backend; this is 'jax'"):
        export(model, tmp_path / "out")
