"""What is exported gives what `predict` gives, for layers of every kind, or is refused and leaves nothing."""

import keras
import numpy as np
import pytest
from keras import layers

from drcls.export import export_keras, export_litert, export_onnx, export_saved_model
from drcls.export.litert import run_litert
from drcls.export.saved_model import run_saved_model
from drcls.forward.inference import draw_inputs, inference_model, predictions
from drcls.forward.onnx import run_onnx

WRITERS = {
    "keras": (export_keras, "model.keras"),
    "saved_model": (export_saved_model, "saved"),
    "onnx": (export_onnx, "model.onnx"),
    "litert": (export_litert, "model.tflite"),
}


def images():
    return keras.Input((16, 16, 3), name="images")


def augmented():
    """Random layers of every kind before a small network, as Keras's guides build it."""
    keras.utils.set_random_seed(0)
    inputs = images()
    x = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.5)], name="augmentation")(inputs)
    for layer in (
        layers.RandomZoom(0.5),
        layers.RandomTranslation(0.3, 0.3),
        layers.RandomContrast(0.5),
        layers.RandomBrightness(0.5),
        layers.RandomCrop(12, 12),
        layers.Rescaling(1 / 255),
        layers.GaussianNoise(1.0),
        layers.GaussianDropout(0.5),
        layers.SpatialDropout2D(0.5),
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.5),
        layers.Dense(3, activation="softmax"),
    ):
        x = layer(x)
    return keras.Model(inputs, x)


def called_on_one_image():
    model = keras.Sequential([layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
    model(np.zeros((1, 16, 16, 3), "float32"))
    return model


def fixed_batch():
    inputs = keras.Input(batch_shape=(1, 16, 16, 3), name="images")
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))


def two_inputs_and_outputs():
    inputs = {"image": keras.Input((16, 16, 3), name="image"), "age": keras.Input((1,), name="age")}
    x = layers.Concatenate()([layers.GlobalMaxPooling2D()(inputs["image"]), inputs["age"]])
    return keras.Model(inputs, [layers.Dense(2)(x), layers.Dense(3)(x)])


def adapted_normalisation():
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype("float32"))
    return keras.Sequential([keras.Input((16, 16, 3)), layer, layers.GlobalAveragePooling2D()])


def sequence():
    inputs = keras.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(5, 4)(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.LSTM(3)(x)))


def any_size():
    inputs = keras.Input((None, None, 3), name="images")
    x = layers.SeparableConv2D(4, 3, strides=2)(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def attention():
    inputs = images()
    x = layers.Reshape((64, 12))(layers.Conv2D(12, 2, strides=2)(inputs))
    x = layers.Reshape((64, 12))(x)
    x = layers.MultiHeadAttention(2, 4)(x, x)
    x = layers.LayerNormalization()(x)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


def bytes_in():
    inputs = keras.Input((16, 16, 3), dtype="uint8", name="images")
    x = layers.Rescaling(1 / 255)(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Resizing(8, 8)(x))))


def last_operation_is_a_function():
    inputs = images()
    x = layers.DepthwiseConv2D(3)(layers.GroupNormalization(3)(layers.UpSampling2D()(inputs)))
    return keras.Model(inputs, keras.ops.softmax(layers.Dense(3)(layers.GlobalMaxPooling2D()(x))))


def reshaped_by_the_batch():
    """A model that mixes the images of a batch cannot be run on other numbers of them."""
    inputs = keras.Input(batch_shape=(2, 16, 16, 3), name="images")
    x = keras.ops.reshape(layers.GlobalAveragePooling2D()(inputs), (2, 3))
    return keras.Model(inputs, layers.Dense(2)(x))


MODELS = (
    augmented,
    called_on_one_image,
    fixed_batch,
    two_inputs_and_outputs,
    adapted_normalisation,
    sequence,
    any_size,
    attention,
    bytes_in,
    last_operation_is_a_function,
)


@pytest.mark.parametrize("build", MODELS)
def test_every_format_gives_what_predict_gives(build, tmp_path):
    model = build()
    wanted = draw_inputs(model, 4, seed=7)
    expected = predictions(model, wanted)
    if build not in (called_on_one_image, fixed_batch):
        by_predict = keras.tree.flatten(model.predict(wanted, verbose=0))
        for mine, theirs in zip(expected, by_predict, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)
    runs = {}
    for name, (write, file) in WRITERS.items():
        try:
            written = write(model, tmp_path / file)
        except ValueError as refusal:
            assert model.name in str(refusal)
            assert not (tmp_path / file).exists()
            assert (build, name) == (sequence, "litert")  # the only pair that is refused
            continue
        if name == "keras":
            loaded = keras.models.load_model(written, compile=False)
            runs[name] = lambda inputs, loaded=loaded: predictions(loaded, inputs)
        elif name == "saved_model":
            runs[name] = run_saved_model(written)
        elif name == "onnx":
            runs[name] = run_onnx(written, inference_model(model).input)
        else:
            runs[name] = run_litert(written.read_bytes(), inference_model(model).input)
    for name, run in runs.items():
        for mine, theirs in zip(expected, run(wanted), strict=True):
            np.testing.assert_allclose(theirs, mine, rtol=1e-4, atol=1e-4, err_msg=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(WRITERS[name][1] for name in runs)


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_a_model_bound_to_its_batch_is_refused_and_leaves_nothing(name, tmp_path):
    write, file = WRITERS[name]
    with pytest.raises(ValueError, match="cannot be exported as"):
        write(reshaped_by_the_batch(), tmp_path / file)
    assert list(tmp_path.iterdir()) == []


@keras.saving.register_keras_serializable(package="tests")
class AlwaysNoise(layers.Layer):
    """A layer that draws at inference too."""

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs))


@pytest.mark.parametrize("name", WRITERS)
def test_a_model_that_draws_at_inference_is_refused(name, tmp_path):
    write, file = WRITERS[name]
    model = keras.Sequential([keras.Input((4,)), AlwaysNoise(), layers.Dense(2)], name="restless")
    with pytest.raises(ValueError, match="'restless'"):
        write(model, tmp_path / file)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_differs_is_not_left_behind(tmp_path, monkeypatch):
    """The check reads the file that was written, whatever the converter says of it."""
    other = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    for module in ("export.saved_model", "forward.onnx"):
        monkeypatch.setattr(f"drcls.{module}.inference_model", _wrapper_of(other))
    for name in ("saved_model", "onnx"):
        write, file = WRITERS[name]
        with pytest.raises(ValueError, match="differs from `predict`"):
            write(model, tmp_path / file)
    assert list(tmp_path.iterdir()) == []


def _wrapper_of(other):
    from drcls.forward.inference import inference_model

    return lambda model: inference_model(other)


def test_a_keras_file_has_no_optimizer(tmp_path):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64), layers.Dense(2, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    model.fit(np.zeros((4, 64)), np.eye(2)[[0, 1, 0, 1]], verbose=0)
    model.save(tmp_path / "trained.keras")
    written = export_keras(model, tmp_path / "model.keras")
    assert written.stat().st_size < 0.6 * (tmp_path / "trained.keras").stat().st_size
    assert model.optimizer is not None
