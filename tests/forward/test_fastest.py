"""Forward passes by the fastest engine: Keras' answers, one conversion a model, and every reason for Keras."""

import gc
import importlib.util

import keras
import numpy as np
import pytest
from keras import layers

from drcls.forward import ForwardPass, fastest

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3)).astype("uint8")


def build(last=None, name="small"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), name="pictures")
    x = layers.Normalization(mean=(90.0, 100.0, 110.0), variance=(400.0, 900.0, 1600.0))(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2)(x)))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, name="last")(last(x) if last else x), name=name)


def forward_pass(model, **options):
    return ForwardPass(lambda images: model(images, training=False), model, "scores", **options)


@pytest.fixture
def pays_from_ten(monkeypatch):
    monkeypatch.setattr(fastest, "PAYS_FROM", 10 * 16 * 16)


@pytest.fixture
def conversions(monkeypatch):
    """A list that grows by one with each network converted."""
    made, write = [], fastest.write_function

    def counted(*arguments):
        made.append(arguments)
        write(*arguments)

    monkeypatch.setattr(fastest, "write_function", counted)
    return made


def test_the_announced_number_of_images_chooses_the_engine_and_the_answers_are_those_of_keras(
    pays_from_ten, conversions
):
    model = build()
    forward, expected = forward_pass(model, batch_size=4), model.predict(IMAGES, verbose=0)
    for announced, engine, converted in ((6, "keras", 0), (3, "keras", 0), (1, "onnx", 1), (1, "onnx", 1)):
        forward.expect(announced)
        received = forward(IMAGES)
        assert (forward.engine, len(conversions)) == (engine, converted)
        assert received.dtype == np.float32
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(forward(IMAGES[:1]), expected[:1], rtol=0, atol=1e-5)


def test_without_an_announcement_keras_computes(conversions):
    assert forward_pass(build())(IMAGES).shape == (11, 3)
    assert conversions == []


def test_a_model_is_converted_once_and_again_when_its_weights_have_changed(conversions):
    model = build()
    before = forward_pass(model, engine="onnx")(IMAGES)
    np.testing.assert_array_equal(forward_pass(model, engine="onnx")(IMAGES), before)
    assert len(conversions) == 1
    model.get_layer("last").bias.assign([1.0, 2.0, 3.0])
    np.testing.assert_allclose(forward_pass(model, engine="onnx")(IMAGES), before + [1, 2, 3], atol=1e-5)
    assert len(conversions) == 2


def test_a_forgotten_model_takes_its_conversion_with_it():
    model = build()
    forward_pass(model, engine="onnx")(IMAGES)
    assert model in fastest._CONVERTED
    before = len(fastest._CONVERTED)
    del model
    keras.utils.clear_session(free_memory=True)
    gc.collect()
    assert len(fastest._CONVERTED) < before


def test_no_file_is_left(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    forward_pass(build(), engine="onnx")(IMAGES)
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["temporary", "work"]


def spectrum(x):
    """An operation that the converter does not know."""
    return keras.ops.real(keras.ops.fft2((x, keras.ops.zeros_like(x)))[0])


def against_the_batch(x):
    """An operation that mixes the images of a batch: no other batch gives the same."""
    return x - keras.ops.mean(x, axis=0, keepdims=True)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (layers.Lambda(spectrum), "cannot be exported as ONNX"),
        (
            layers.Lambda(against_the_batch),
            "through onnxruntime differ from Keras' by .*; expected at most 1e-04",
        ),
    ],
)
def test_a_model_that_cannot_be_converted_is_computed_by_keras_and_the_reason_is_told(
    last, reason, pays_from_ten, conversions
):
    model = build(last, "unusual")
    forward = forward_pass(model)
    forward.expect(10)
    with pytest.warns(UserWarning, match=f"'unusual' {reason}.*Keras computes the scores instead") as told:
        received = forward(IMAGES)
    if "exported" in reason:
        np.testing.assert_allclose(received, model.predict(IMAGES, verbose=0), rtol=1e-4, atol=1e-4)
    forward.expect(10)
    forward(IMAGES)
    assert [warning.category for warning in told].count(UserWarning) == len(conversions) == 1
    with pytest.raises(ValueError, match=f"'unusual' {reason}"):
        forward_pass(model, engine="onnx")(IMAGES)
    assert len(conversions) == 1


def test_what_forbids_onnxruntime_is_named(pays_from_ten, monkeypatch, conversions):
    model = build()

    def refused(reason, model=model):
        forward = forward_pass(model)
        forward.expect(10)
        assert forward.engine == "keras"
        with pytest.raises(RuntimeError, match=f"scores of model 'small' cannot .* onnxruntime: {reason}"):
            forward_pass(model, engine="onnx")

    with monkeypatch.context() as patch:
        patch.setattr(keras.distribution, "list_devices", lambda kind: ["gpu:0"])
        refused("TensorFlow finds a GPU")
    with monkeypatch.context() as patch:
        find = importlib.util.find_spec
        patch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name))
        refused("tf2onnx not installed; the extra `export`")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        refused("it does not compute in float32", build())
    finally:
        keras.config.set_dtype_policy("float32")
    assert conversions == []


def test_an_unknown_engine_is_refused():
    with pytest.raises(
        ValueError, match=r"engine 'fast' received; expected one of \['auto', 'keras', 'onnx'\]"
    ):
        forward_pass(build(), engine="fast")
