"""LIME, SHAP and the methods of tf-keras-vis: one shape, closed forms, and an untouched model."""

import inspect

import keras
import numpy as np
import pytest
from lime.lime_image import LimeImageExplainer
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

from drcls.explain import METHODS, lime, saliency, shap_gradient, shap_partition
from drcls.explain.lime import superpixels
from drcls.explain.scores import blurred, score_function, score_model
from drcls.forward import fastest
from drcls.layers import ClassProbabilities

FAST = {
    "lime": {"num_samples": 40, "num_segments": 12},
    "shap_gradient": {"num_samples": 8},
    "shap_partition": {"max_evaluations": 40},
}
LAYERED = ("grad_cam", "grad_cam_plus_plus", "score_cam")


@pytest.fixture(scope="module")
def linear():
    """A network without a convolution whose scores are linear in the pixels, and its weights (H, W, 3, C)."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((12, 12, 3))
    scores = keras.layers.Dense(2, name="scores")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, ClassProbabilities(["a", "b"], name="probabilities")(scores))
    return model, np.asarray(model.get_layer("scores").kernel).reshape(12, 12, 3, 2)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(3).integers(0, 256, (2, 12, 12, 3)).astype("uint8")


@pytest.mark.parametrize("method", METHODS)
def test_one_shape_and_an_untouched_model(method, trained, images):
    images = images[:3]
    before = trained.get_config(), trained.get_weights(), trained.predict(images, verbose=0)
    explain, options = METHODS[method], FAST.get(method, {})
    maps = explain(trained, images, 1, **options)
    assert maps.shape == (3, 32, 32) and maps.dtype == np.float32
    assert maps.min() >= 0 and np.all(np.isclose(maps.max(axis=(1, 2)), 1) | (maps.max(axis=(1, 2)) == 0))
    np.testing.assert_array_equal(maps, explain(trained, images, [1, 1, 1], **options))
    raw = explain(trained, images, 1, normalise=False, **options)
    positive = np.maximum(raw, 0)
    highest = positive.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(maps, positive / np.where(highest > 0, highest, 1), atol=1e-5)
    assert trained.get_config() == before[0]
    for old, new in zip(before[1], trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(trained.predict(images, verbose=0), before[2])


@pytest.mark.parametrize("method", METHODS)
def test_the_predicted_class_is_explained_unless_told(method, trained, images):
    images = images[:2]
    predicted = trained.predict(images, verbose=0).argmax(axis=1)
    options = FAST.get(method, {})
    expected = METHODS[method](trained, images, predicted, **options)
    np.testing.assert_array_equal(METHODS[method](trained, images, **options), expected)


@pytest.mark.parametrize("method", METHODS)
def test_heads_of_every_kind(method, trained, nested, images):
    """The same network ending in ClassProbabilities over nested features gives the same maps."""
    if method in ("grad_cam_plus_plus", "score_cam"):
        with pytest.raises(ValueError, match="is or stands in a nested model"):
            METHODS[method](nested(ClassProbabilities(list("abc"))), images[:1], 0)
        return
    options = FAST.get(method, {})
    expected = METHODS[method](trained, images[:1], 0, **options)
    model = nested(ClassProbabilities(list("abc")))
    np.testing.assert_allclose(METHODS[method](model, images[:1], 0, **options), expected, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_sequential_gives_the_maps_of_the_functional_model(method, trained, images):
    """Built by `add`, which calls the layers so far once more each time."""
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for layer in trained.layers[1:]:
        model.add(type(layer).from_config(layer.get_config()))
    model.set_weights(trained.get_weights())
    options = FAST.get(method, {})
    expected = METHODS[method](trained, images[:1], 0, **options)
    np.testing.assert_allclose(METHODS[method](model, images[:1], 0, **options), expected, atol=1e-3)


def test_a_layer_shared_with_another_model_is_explained_in_this_one():
    """The largest value of each channel alone has a gradient; the mean of the other model gives one to each pixel."""
    inputs, last = keras.Input((12, 12, 3)), keras.layers.Dense(2, activation="softmax")
    keras.Model(inputs, last(keras.layers.GlobalAveragePooling2D()(inputs)))
    model = keras.Model(inputs, last(keras.layers.GlobalMaxPooling2D()(inputs)))
    image = np.random.default_rng(0).permutation(12 * 12 * 3).reshape(1, 12, 12, 3)
    maps = saliency(model, image, 0)
    np.testing.assert_array_equal(np.argwhere(maps[0]), np.argwhere((image[0] == image.max((1, 2))).any(-1)))


@pytest.mark.parametrize("method", METHODS)
def test_bad_input_is_named(method, trained, images):
    explain = METHODS[method]
    with pytest.raises(ValueError, match=r"images have the shape \(2, 16, 16, 3\)"):
        explain(trained, images[:2, :16, :16])
    with pytest.raises(ValueError, match=r"class_index must lie in 0\.\.2; received 9"):
        explain(trained, images[:1], 9)
    broken = images[:1].astype("float32")
    broken[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        explain(trained, broken)
    with pytest.raises(ValueError, match="no image to explain"):
        explain(trained, images[:0])
    if "batch_size" in inspect.signature(explain).parameters:
        with pytest.raises(ValueError, match="whole number of 1 or more; received -1"):
            explain(trained, images[:1], batch_size=-1)


@pytest.mark.parametrize("method", ["saliency", "shap_gradient", "grad_cam_plus_plus", "score_cam"])
def test_a_model_of_integers_is_refused_where_its_image_needs_a_gradient(method):
    inputs = keras.Input((12, 12, 3), dtype="uint8")
    maps = keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(1 / 255)(inputs))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(inputs, outputs, name="bytes")
    pictures = np.zeros((1, 12, 12, 3), "uint8")
    with pytest.raises(ValueError, match="model 'bytes' takes uint8"):
        METHODS[method](model, pictures)
    assert METHODS["grad_cam"](model, pictures).shape == (1, 12, 12)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_convolution(method, linear, pictures):
    model, _ = linear
    if method in LAYERED:
        with pytest.raises(ValueError, match=r"no layer with an \(N, h, w, K\) output"):
            METHODS[method](model, pictures, 0)
    else:
        assert METHODS[method](model, pictures, 0, **FAST.get(method, {})).shape == (2, 12, 12)


def test_scores_are_what_stands_before_the_softmax(linear, pictures):
    model, weights = linear
    expected = np.einsum("nhwc,hwck->nk", pictures.astype("float64"), weights)
    np.testing.assert_allclose(score_function(model, batch_size=3)(pictures), expected, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(
        score_model(model).predict(pictures, verbose=0), expected, rtol=1e-4, atol=1e-2
    )


def test_saliency_of_a_linear_model_is_its_largest_weight(linear, pictures):
    model, weights = linear
    maps = saliency(model, pictures, 1, normalise=False)
    np.testing.assert_allclose(maps, np.broadcast_to(np.abs(weights[..., 1]).max(-1), maps.shape), rtol=1e-4)


def test_expected_gradients_of_a_linear_model_are_weight_times_difference(linear, pictures):
    model, weights = linear
    background = np.full((1, 12, 12, 3), 40, "uint8")
    maps = shap_gradient(model, pictures, 0, background, num_samples=5, normalise=False)
    expected = ((pictures.astype("float64") - 40) * weights[..., 0]).sum(-1)
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-2)


def test_partition_values_sum_to_the_difference_from_the_blurred_image(linear, pictures):
    model, _ = linear
    maps = shap_partition(model, pictures[:1], 0, max_evaluations=60, normalise=False)
    hidden = shap_partition(model, pictures[:1], 1, max_evaluations=60, normalise=False)
    assert not np.allclose(maps, hidden)
    import cv2

    blur = cv2.blur(pictures[0].astype("float32"), (3, 3))[None]
    scores = score_function(model)
    assert maps.sum() == pytest.approx(
        float(scores(pictures[:1])[0, 0] - scores(blur)[0, 0]), rel=1e-3, abs=0.1
    )


def test_lime_equals_the_library_with_the_same_seed(trained, images):
    image = images[0].astype("float64")
    segments = superpixels(images[0], 12)
    plain = LimeImageExplainer(random_state=5).explain_instance(
        image,
        score_function(trained),
        labels=(1,),
        top_labels=None,
        num_samples=60,
        segmentation_fn=lambda _: segments,
        random_seed=5,
    )
    expected = np.zeros(segments.max() + 1)
    for segment, weight in plain.local_exp[1]:
        expected[segment] = weight
    received = lime(trained, images[:1], 1, num_samples=60, num_segments=12, seed=5, normalise=False)
    np.testing.assert_allclose(received[0], expected[segments], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["lime", "shap_partition"])
def test_onnxruntime_gives_the_maps_of_keras(method, nested, images, monkeypatch):
    model, options = nested(ClassProbabilities(list("abc"))), FAST[method] | {"normalise": False}
    expected = METHODS[method](model, images[:2], 1, **options)
    monkeypatch.setattr(fastest, "PAYS_FROM", 80 * 32 * 32)
    scores = score_function(model)
    received = METHODS[method](model, images[:2], 1, scores=scores, **options)
    assert scores.engine == "onnx" and model in fastest._CONVERTED
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_lime_follows_its_seed(trained, images):
    maps = [
        lime(trained, images[:1], 0, num_samples=30, num_segments=12, seed=seed, normalise=False)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.any(maps[0] != maps[2])


def test_grad_cam_plus_plus_equals_the_library(trained, images):
    peer = GradcamPlusPlus(trained, ReplaceToLinear(), clone=True)
    expected = peer(
        CategoricalScore([2, 2]),
        images[:2].astype("float32"),
        penultimate_layer="conv_2",
        normalize_cam=False,
    )
    received = METHODS["grad_cam_plus_plus"](trained, images[:2], 2, layer="conv_2", normalise=False)
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-5)


def test_superpixels_are_counted_without_gaps(pictures):
    segments = superpixels(pictures[0], 9)
    assert segments.shape == (12, 12)
    np.testing.assert_array_equal(np.unique(segments), np.arange(segments.max() + 1))


def test_blurring_keeps_a_flat_image_flat():
    flat = np.full((1, 20, 20, 3), 77.0, "float32")
    np.testing.assert_allclose(blurred(flat), flat)
