"""One softmax, one sigmoid, several sigmoids: the score, the probability, and every explainer and measure."""

import random

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy.special import expit, softmax

from drcls.explain import METHODS, deletion_auc, insertion_auc
from drcls.explain.head import find_head
from drcls.explain.scores import score_function
from drcls.forward import fastest
from drcls.layers import ClassProbabilities

FAST = {
    "lime": {"num_samples": 40, "num_segments": 12},
    "shap_gradient": {"num_samples": 8},
    "shap_partition": {"max_evaluations": 40},
}
LINKS = {"softmax": lambda scores: softmax(scores, axis=1), "sigmoid": expit}


def features(shape=(16, 16, 3)):
    keras.utils.set_random_seed(2)
    inputs = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv")(x)
    return inputs, layers.GlobalAveragePooling2D()(x)


def dense(units, activation=None):
    return layers.Dense(units, activation=activation, kernel_initializer="glorot_normal", name="scores")


HEADS = {
    "dense softmax": (3, "softmax", lambda x: dense(3, "softmax")(x)),
    "softmax layer": (3, "softmax", lambda x: layers.Softmax()(dense(3)(x))),
    "activation softmax": (3, "softmax", lambda x: layers.Activation("softmax")(dense(3)(x))),
    "ops.softmax": (3, "softmax", lambda x: ops.softmax(dense(3)(x))),
    "class probabilities": (3, "softmax", lambda x: ClassProbabilities(list("abc"))(dense(3)(x))),
    "scores": (3, "softmax", lambda x: dense(3)(x)),
    "one score": (1, "sigmoid", lambda x: dense(1)(x)),
    "one sigmoid": (1, "sigmoid", lambda x: dense(1, "sigmoid")(x)),
    "several sigmoids": (3, "sigmoid", lambda x: dense(3, "sigmoid")(x)),
    "activation sigmoid": (3, "sigmoid", lambda x: layers.Activation("sigmoid")(dense(3)(x))),
    "ops.sigmoid": (1, "sigmoid", lambda x: ops.sigmoid(dense(1)(x))),
    "linear after softmax": (3, "softmax", lambda x: layers.Activation("linear")(dense(3, "softmax")(x))),
    "dropout after sigmoid": (1, "sigmoid", lambda x: layers.Dropout(0.5)(dense(1, "sigmoid")(x))),
    "cast after softmax": (3, "softmax", lambda x: ops.cast(dense(3, "softmax")(x), "float32")),
}


def build(head):
    inputs, x = features()
    return keras.Model(inputs, HEADS[head][2](x))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(3).integers(0, 256, (3, 16, 16, 3)).astype("uint8")


@pytest.mark.parametrize("head", HEADS)
def test_scores_and_probabilities_are_the_models(head, pictures):
    model = build(head)
    _, link, _ = HEADS[head]
    scores_of = keras.Model(model.inputs, layers.Identity()(model.get_layer("scores").input))
    kernel, bias = model.get_layer("scores").get_weights()
    expected = scores_of.predict(pictures, verbose=0) @ kernel + bias
    scores = score_function(model)(pictures)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_allclose(score_function(model, engine="onnx")(pictures), expected, atol=1e-5)
    assert find_head(model).link == link
    probabilities = find_head(model).probabilities(scores)
    np.testing.assert_allclose(probabilities, LINKS[link](expected), atol=1e-5)
    if head not in ("scores", "one score"):
        np.testing.assert_allclose(probabilities, model.predict(pictures, verbose=0), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("head", ["one sigmoid", "several sigmoids", "ops.softmax", "linear after softmax"])
def test_every_explainer_explains_the_score(head, method, pictures):
    """The score has no softmax or sigmoid, so it is what a network that ends in scores has."""
    model = build(head)
    bare = keras.Model(model.inputs, dense(HEADS[head][0])(model.get_layer("scores").input))
    bare.get_layer("scores").set_weights(model.get_layer("scores").get_weights())
    index = HEADS[head][0] - 1
    options = FAST.get(method, {})
    maps = METHODS[method](model, pictures[:2], index, normalise=False, **options)
    np.testing.assert_allclose(
        maps, METHODS[method](bare, pictures[:2], index, normalise=False, **options), atol=1e-4
    )
    if head == "one sigmoid":  # there is but one output to explain
        np.testing.assert_array_equal(maps, METHODS[method](model, pictures[:2], normalise=False, **options))


@pytest.mark.parametrize("head", ["one sigmoid", "several sigmoids", "dense softmax"])
@pytest.mark.parametrize("measure", [deletion_auc, insertion_auc])
def test_onnxruntime_gives_the_areas_of_keras(head, measure, pictures, monkeypatch):
    model, maps = build(head), np.random.default_rng(6).random((3, 16, 16))
    expected = measure(model, pictures, maps, 0, num_steps=4)
    monkeypatch.setattr(fastest, "PAYS_FROM", 15 * 16 * 16)
    np.testing.assert_allclose(measure(model, pictures, maps, 0, num_steps=4), expected, rtol=1e-5)
    assert model in fastest._CONVERTED


@pytest.mark.parametrize("head", ["one sigmoid", "several sigmoids", "dense softmax"])
def test_deletion_and_insertion_follow_what_the_model_says(head, pictures):
    model = build(head)
    index = HEADS[head][0] - 1
    rng = np.random.default_rng(5)
    maps = rng.random((3, 16, 16))
    order = np.argsort(-maps.reshape(3, -1), axis=1, kind="stable")
    curves = np.zeros((2, 3, 5))
    for image in range(3):
        whole = pictures[image].astype("float64").reshape(-1, 3)
        for step in range(5):
            hidden = order[image, : 64 * step]
            deleted = whole.copy()
            deleted[hidden] = whole.mean(axis=0)
            curves[0, image, step] = model.predict(deleted.reshape(1, 16, 16, 3), verbose=0)[0, index]
    expected = np.trapezoid(curves[0], np.linspace(0, 1, 5), axis=1)
    measured = deletion_auc(model, pictures, maps, index, num_steps=4)
    np.testing.assert_allclose(measured, expected, atol=1e-5)
    assert np.ptp(measured) > 1e-4 and measured.max() < 0.999
    inserted = insertion_auc(model, pictures, np.ones((3, 16, 16)), index, num_steps=1)
    assert not np.allclose(inserted, 1)
    last = model.predict(pictures, verbose=0)[:, index]
    assert np.all(np.abs(2 * inserted - last) < 1)  # the mean of the blurred and the whole image


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (lambda x: dense(3, "tanh")(x), "'scores', a Dense with the activation 'tanh'"),
        (lambda x: dense(3, "log_softmax")(x), "with the activation 'log_softmax'"),
        (lambda x: layers.ReLU(name="relu")(dense(3)(x)), "'relu', a ReLU"),
        (lambda x: ops.tanh(dense(3)(x)), "a Tanh"),
        (lambda x: layers.Softmax(axis=0, name="odd")(dense(3)(x)), "'odd', a Softmax"),
    ],
)
def test_other_endings_are_refused_by_name(head, message, pictures):
    inputs, x = features()
    model = keras.Model(inputs, head(x))
    for refused in (
        lambda: METHODS["grad_cam"](model, pictures),
        lambda: METHODS["lime"](model, pictures),
        lambda: deletion_auc(model, pictures, np.zeros((3, 16, 16)), 0),
    ):
        with pytest.raises(ValueError, match=message):
            refused()


@pytest.mark.parametrize("method", METHODS)
def test_no_explainer_moves_a_global_generator(method, pictures):
    model = build("dense softmax")
    METHODS[method](model, pictures[:1], 0, **FAST.get(method, {}))  # first calls may import and seed
    np.random.seed(11)  # noqa: NPY002
    random.seed(11)
    before = np.random.get_state()[1:], random.getstate()  # noqa: NPY002
    METHODS[method](model, pictures[:1], 0, **FAST.get(method, {}))
    after = np.random.get_state()[1:], random.getstate()  # noqa: NPY002
    np.testing.assert_array_equal(before[0][0], after[0][0])
    assert before[0][1:] == after[0][1:] and before[1] == after[1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(16, 16, 1), (16, 24, 4), (24, 16, 3)])
def test_grey_four_channel_and_rectangular_images(shape, method):
    inputs, x = features(shape)
    model = keras.Model(inputs, dense(2, "softmax")(x))
    images = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype("uint8")
    maps = METHODS[method](model, images, 1, normalise=False, **FAST.get(method, {}))
    assert maps.shape == images.shape[:3] and np.isfinite(maps).all() and np.ptp(maps) > 0
    for measure in (deletion_auc, insertion_auc):
        assert np.all(measure(model, images, maps, 1, num_steps=3) <= 1)


@pytest.mark.parametrize("method", METHODS)
def test_images_on_another_scale_are_warned_of(method, pictures):
    model = build("dense softmax")
    with pytest.warns(UserWarning, match=r"images lie in 0[.\d]*\.\.1; model .* expects 0\.\.255"):
        METHODS[method](model, pictures[:1] / np.float32(pictures[:1].max()), 0, **FAST.get(method, {}))


def test_images_on_the_models_own_scale_are_not(pictures, recwarn):
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))))
    METHODS["grad_cam"](model, pictures / np.float32(255), 0)
    METHODS["grad_cam"](build("scores"), np.zeros((1, 16, 16, 3), "float32"), 0)
    assert not [warning for warning in recwarn if "expects 0..255" in str(warning.message)]
