import os
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from drcls.explain import GradCAM, grad_cam, grad_cam_plus_plus
from drcls.layers import ClassProbabilities
from drcls.models.chexnet_cbam import build_chexnet_cbam
from tests.trained_head import with_a_trained_head

CLASS_NAMES = ["red", "green", "blue"]
HEADS = {
    "ClassProbabilities": lambda: ClassProbabilities(CLASS_NAMES, explain_layer="backbone"),
    "Softmax": layers.Softmax,
    "Activation": lambda: layers.Activation("softmax"),
}


def small_model(kernel, weights, flatten=False):
    """Images (2, 2, 3) -> 1x1 convolution -> mean or flatten -> Dense, with the given weights, no biases."""
    inputs = keras.Input((2, 2, 3))
    x = layers.Conv2D(2, 1, use_bias=False, name="conv")(inputs)
    x = layers.Flatten()(x) if flatten else layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", use_bias=False)(x))
    model.set_weights([np.reshape(kernel, (1, 1, 3, 2)), np.asarray(weights)])
    return model


RED_AND_BLUE = [[1, 0], [0, 0], [0, 1]]  # feature map 0 is the red channel, feature map 1 the blue one
IMAGE = np.zeros((1, 2, 2, 3), "float32")
IMAGE[0, :, :, 0] = [[8, 4], [0, 0]]
IMAGE[0, :, :, 2] = [[0, 4], [8, 0]]


def test_equations_by_hand_with_average_pooling():
    """y^c = sum_k w_kc mean(A^k), so alpha_k = w_kc / 4 and the map is ReLU(w_0c red + w_1c blue) / 4."""
    model = small_model(RED_AND_BLUE, [[1, -1], [-0.5, 2]])
    raw = grad_cam(model, IMAGE, class_index=0, normalise=False)
    np.testing.assert_allclose(raw, [[[8 / 4, (4 - 2) / 4], [0, 0]]], atol=1e-6)
    np.testing.assert_allclose(grad_cam(model, IMAGE, class_index=0), [[[1, 0.25], [0, 0]]], atol=1e-6)
    raw = grad_cam(model, IMAGE, class_index=1, normalise=False)
    np.testing.assert_allclose(raw, [[[0, (8 - 4) / 4], [16 / 4, 0]]], atol=1e-6)


def test_equation_19_averages_gradients_that_differ_between_positions():
    weights = np.zeros((8, 2), "float32")  # flattened (row, column, map)
    weights[[0, 2, 4, 6], 0] = [4, 3, 2, -1]  # red: mean 2
    weights[[1, 3, 5, 7], 0] = [1, -1, -5, 1]  # blue: mean -1
    raw = grad_cam(small_model(RED_AND_BLUE, weights, flatten=True), IMAGE, class_index=0, normalise=False)
    np.testing.assert_allclose(raw, [[[2 * 8, 2 * 4 - 4], [0, 0]]], atol=1e-6)


@pytest.mark.parametrize("explained", [None, "conv", "activation", "nested", "joined"])
def test_channels_first_layers_by_hand(explained):
    """The network of the first test, its 2 x 2 maps padded to 2 x 3, computed channels first."""
    inner = keras.Input((3, 2, 3))
    x = layers.Conv2D(2, 1, use_bias=False, data_format="channels_first", name="conv")(inner)
    x = layers.BatchNormalization(axis=1, epsilon=0, name="norm")(x)
    nested = keras.Model(inner, layers.Activation("linear", name="activation")(x), name="nested")
    inputs = keras.Input((2, 3, 3))
    x = nested(layers.Permute((3, 1, 2))(inputs))
    x = layers.Concatenate(axis=1, name="joined")([x, x])
    x = layers.GlobalAveragePooling2D(data_format="channels_first", keepdims=True)(x)
    scores = layers.Dense(2, activation="softmax", use_bias=False)(layers.Flatten()(x))
    model = keras.Model(inputs, scores)
    nested.get_layer("conv").set_weights([np.reshape(RED_AND_BLUE, (1, 1, 3, 2))])
    model.layers[-1].set_weights([np.array([[0.5, 0], [-0.25, 0]] * 2)])
    image = np.pad(IMAGE, [(0, 0), (0, 0), (0, 1), (0, 0)])
    explainer = GradCAM(model, explained)
    assert explainer.places == (2, 3)
    raw = explainer(image, class_index=0, normalise=False)
    np.testing.assert_allclose(raw, [[[8 / 6, (4 - 2) / 6, 0], [0, 0, 0]]], atol=1e-6)
    with pytest.raises(ValueError, match="channels first; GradcamPlusPlus"):
        grad_cam_plus_plus(model, image, layer="joined")


def test_a_layer_that_brings_the_channels_last_again_is_no_channels_first_one():
    inputs = keras.Input((2, 2, 3))
    x = layers.Conv2D(2, 1, data_format="channels_first")(layers.Permute((3, 1, 2))(inputs))
    x = layers.ReLU(name="last")(layers.Permute((2, 3, 1), name="back")(x))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    assert GradCAM(model, "last").places == GradCAM(model, "back").places == (2, 2)


def test_images_with_the_channels_first_are_refused():
    inputs = keras.Input((3, 16, 12))
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(
        layers.Conv2D(2, 3, data_format="channels_first")(inputs)
    )
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x), name="first")
    with pytest.raises(ValueError, match=r"model 'first' takes \(None, 3, 16, 12\), with the channels first"):
        GradCAM(model)


def test_map_without_evidence_stays_zero():
    model = small_model(RED_AND_BLUE, [[-1, 1], [-1, 1]])
    np.testing.assert_array_equal(grad_cam(model, IMAGE, class_index=0), np.zeros((1, 2, 2)))


def test_evidence_everywhere_is_not_shifted_away():
    model = small_model(RED_AND_BLUE, [[1, -1], [1, -1]])
    image = np.full((1, 2, 2, 3), 40, "float32")
    image[0, 0, 0] = 80
    np.testing.assert_allclose(grad_cam(model, image, class_index=0), [[[1, 0.5], [0.5, 0.5]]], atol=1e-6)


def test_agrees_with_tf_keras_vis_on_a_trained_model(trained, images):
    """Compared before the upscaling, where scipy's zoom aligns corners, and after the same upscaling."""
    gradcam = pytest.importorskip("tf_keras_vis.gradcam")
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    copy = keras.models.clone_model(trained)  # tf-keras-vis changes the model it is given
    copy.set_weights(trained.get_weights())
    for class_index in range(3):
        theirs = gradcam.Gradcam(copy, ReplaceToLinear(), clone=False)(
            CategoricalScore([class_index] * len(images)),
            images.astype("float32"),
            penultimate_layer="conv_2",
            expand_cam=False,
            normalize_cam=False,
        ).numpy()
        assert (theirs.max(axis=(1, 2)) > 0).any()
        explainer = GradCAM(trained, "conv_2")
        ours = explainer._raw_maps(images.astype("float32"), np.full(len(images), class_index, "int32"))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.max())
        upscaled = np.stack([cv2.resize(raw, (32, 32)) for raw in theirs])
        np.testing.assert_allclose(explainer(images, class_index, normalise=False), upscaled, atol=1e-6)
        maximum = np.maximum(upscaled.max(axis=(1, 2), keepdims=True), 1e-12)
        np.testing.assert_allclose(explainer(images, class_index), upscaled / maximum, atol=1e-4)


def test_points_at_the_evidence(trained, draw_images):
    images, labels, masks = draw_images(24, seed=3)
    heat_maps = grad_cam(trained, images, class_index=labels)
    share_inside = (heat_maps * masks).sum() / heat_maps.sum()
    assert share_inside > 5 * masks.mean()


def test_range_type_and_shape(trained, images):
    heat_maps = grad_cam(trained, images)
    assert heat_maps.dtype == np.float32 and heat_maps.shape == (7, 32, 32)
    assert heat_maps.min() >= 0
    assert set(heat_maps.max(axis=(1, 2))) <= {0.0, 1.0} and heat_maps.max() == 1


def test_no_class_means_the_predicted_class(trained, images):
    predicted = trained.predict(images.astype("float32"), verbose=0).argmax(axis=-1)
    assert len(set(predicted)) > 1
    np.testing.assert_array_equal(grad_cam(trained, images), grad_cam(trained, images, class_index=predicted))


def test_one_class_per_image_is_that_class_for_each(trained, images):
    classes = [0, 1, 2, 0, 1, 2, 0]
    together = grad_cam(trained, images, class_index=classes, normalise=False)
    for class_index in range(3):
        alone = grad_cam(trained, images, class_index=class_index, normalise=False)
        chosen = np.array(classes) == class_index
        np.testing.assert_allclose(together[chosen], alone[chosen], rtol=1e-5, atol=1e-6)
        assert not np.allclose(together[~chosen], alone[~chosen])


def test_batch_size_and_image_type_change_nothing(trained, images):
    expected = grad_cam(trained, images)
    np.testing.assert_allclose(grad_cam(trained, images, batch_size=3), expected, atol=1e-5)
    np.testing.assert_allclose(grad_cam(trained, images.astype("float64")), expected, atol=1e-6)
    explainer = GradCAM(trained)
    np.testing.assert_allclose(
        np.concatenate([explainer(image[None]) for image in images]), expected, atol=1e-5
    )


def test_positive_scale_of_the_scores_does_not_matter(trained, images):
    scaled = keras.models.clone_model(trained)
    weights = trained.get_weights()
    scaled.set_weights([*weights[:-2], 7 * weights[-2], 7 * weights[-1]])
    np.testing.assert_allclose(grad_cam(scaled, images), grad_cam(trained, images), atol=1e-5)
    raw, raw_scaled = (grad_cam(model, images, normalise=False) for model in (trained, scaled))
    np.testing.assert_allclose(raw_scaled, 7 * raw, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_every_softmax_head_gives_the_score_before_it(nested, trained, images, head):
    model = nested(HEADS[head]())
    np.testing.assert_allclose(grad_cam(model, images), grad_cam(trained, images), atol=1e-5)


@pytest.mark.parametrize("layer", [None, "conv_2", "conv_1", "relu_1"])
def test_nested_equals_flat(nested, trained, images, layer):
    expected = grad_cam(trained, images, layer=layer)
    np.testing.assert_allclose(grad_cam(nested(), images, layer=layer), expected, atol=1e-5)
    if layer:
        np.testing.assert_allclose(grad_cam(nested(), images, layer=f"backbone/{layer}"), expected, atol=1e-5)
    else:
        np.testing.assert_allclose(grad_cam(nested(), images, layer="backbone"), expected, atol=1e-5)


def test_deeper_nesting_and_sequential_equal_flat(nested, trained, images):
    inner = nested(layers.Softmax(name="softmax"))
    outer = keras.Sequential([keras.Input((32, 32, 3)), inner], name="outer")
    expected = grad_cam(trained, images, layer="conv_1")
    np.testing.assert_allclose(grad_cam(outer, images, layer="nested/backbone/conv_1"), expected, atol=1e-5)
    np.testing.assert_allclose(grad_cam(outer, images), grad_cam(trained, images), atol=1e-5)


def test_branch_around_the_nested_model(trained, images):
    """The gradient of a layer in one branch is not disturbed by the other branch."""
    inputs = keras.Input((32, 32, 3))
    inner_inputs = keras.Input((32, 32, 3))
    inner = keras.Model(
        inner_inputs, layers.Conv2D(4, 3, padding="same", name="conv")(inner_inputs), name="inner"
    )
    pooled = [layers.GlobalAveragePooling2D()(inner(inputs)), layers.GlobalAveragePooling2D()(inputs)]
    dense = layers.Dense(3, activation="softmax")
    model = keras.Model(inputs, dense(layers.Concatenate()(pooled)))
    raw = grad_cam(model, images, class_index=1, layer="conv", normalise=False)
    features = np.asarray(inner(images.astype("float32")))
    expected = np.maximum((features * np.asarray(dense.kernel)[:4, 1] / 32**2).sum(axis=-1), 0)
    np.testing.assert_allclose(raw, expected, rtol=1e-4, atol=1e-5)


def test_layer_to_explain_travels_with_class_probabilities(trained, images):
    features = trained.get_layer("dropout").output
    probabilities = ClassProbabilities(CLASS_NAMES, explain_layer="conv_1")(layers.Dense(3)(features))
    model = keras.Model(trained.input, probabilities)
    np.testing.assert_allclose(
        grad_cam(model, images, class_index=0), grad_cam(model, images, class_index=0, layer="conv_1")
    )
    assert not np.allclose(grad_cam(model, images), grad_cam(model, images, layer="conv_2"))


def test_the_network_of_the_paper_names_its_own_layer(images):
    inputs = keras.Input((32, 32, 3))
    backbone = keras.Model(inputs, layers.Conv2D(8, 3, strides=4, activation="relu")(inputs), name="backbone")
    model = build_chexnet_cbam(backbone, CLASS_NAMES, reduction_ratio=2, num_heads=2, key_dim=4, ff_dim=8)
    with_a_trained_head(model)
    heat_maps = grad_cam(model, images, normalise=False)
    assert heat_maps.max() > 0
    np.testing.assert_array_equal(
        heat_maps, grad_cam(model, images, layer=model.layers[-1].explain_layer, normalise=False)
    )
    assert not np.allclose(heat_maps, grad_cam(model, images, layer="backbone", normalise=False))


def test_a_map_of_one_position_is_not_chosen_by_itself(trained, images):
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(trained.get_layer("conv_2").output)
    scores = layers.Dense(3, activation="softmax")(layers.Flatten()(pooled))
    assert GradCAM(keras.Model(trained.input, scores)).layer.name == "conv_2"


def test_model_is_left_as_it_was(nested, images):
    model = nested(layers.Softmax())
    layers_inside = [*model.layers, *model.get_layer("backbone").layers]
    before = [len(layer._inbound_nodes) for layer in layers_inside]
    weights, config = model.get_weights(), model.to_json()
    probabilities = model.predict(images.astype("float32"), verbose=0)
    grad_cam(model, images, layer="conv_2")
    assert [len(layer._inbound_nodes) for layer in layers_inside] == before
    assert model.to_json() == config
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(model.predict(images.astype("float32"), verbose=0), probabilities)


def test_mixed_precision_model(images):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255, dtype="mixed_bfloat16")(inputs)
    x = layers.Conv2D(4, 3, dtype="mixed_bfloat16", name="conv")(x)
    x = layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", dtype="float32")(x))
    heat_maps = grad_cam(model, images)
    assert heat_maps.dtype == np.float32 and heat_maps.max() == 1


IN_A_NEW_PROCESS = """
import sys, keras, numpy as np, drcls.layers.class_probabilities
from drcls.explain import GradCAM, grad_cam, grad_cam_plus_plus
from drcls.explain.scores import score_function
model = keras.models.load_model(sys.argv[1])
assert keras.backend.backend() == sys.argv[3]
images = np.load(sys.argv[2])
chosen = grad_cam(model, images, [0, 1, 2, 0, 1, 2, 0], "conv_1")
np.save(sys.argv[4], np.stack([grad_cam(model, images), chosen]))
explainer, scores = GradCAM(model), score_function(model)
before = explainer(images), scores(images)
model.set_weights([weight[..., ::-1] if weight.ndim else weight for weight in model.get_weights()])
after = explainer(images), scores(images)
for old, new, anew in zip(before, after, (grad_cam(model, images), score_function(model)(images))):
    np.testing.assert_allclose(new, anew, atol=1e-5)
    assert np.abs(new - old).max() > 0.01
"""


@pytest.mark.parametrize(
    "backend",
    [
        "tensorflow",
        pytest.param("jax", marks=pytest.mark.slow),
        pytest.param("torch", marks=pytest.mark.slow),
    ],
)
def test_reloaded_in_a_new_process_on_every_backend(nested, images, tmp_path, backend):
    if backend != "tensorflow":
        pytest.importorskip(backend)
    model = nested(HEADS["ClassProbabilities"]())
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    names = ["model.keras", "images.npy", backend, "maps.npy"]
    subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, *names],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    predicted, chosen = np.load(tmp_path / "maps.npy")
    atol = 0 if backend == "tensorflow" else 1e-4
    np.testing.assert_allclose(predicted, grad_cam(model, images), rtol=0, atol=atol)
    np.testing.assert_allclose(
        chosen, grad_cam(model, images, [0, 1, 2, 0, 1, 2, 0], "conv_1"), rtol=0, atol=atol
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"images": np.zeros((32, 32, 3))}, r"shape \(32, 32, 3\).*expects \(None, 32, 32, 3\)"),
        ({"images": np.zeros((1, 16, 32, 3))}, r"shape \(1, 16, 32, 3\)"),
        ({"images": np.full((1, 32, 32, 3), np.nan)}, "NaN"),
        ({"images": np.full((1, 32, 32, 3), "a")}, "finite numbers; received dtype <U1"),
        ({"class_index": 3}, "0..2; received 3"),
        ({"class_index": -1}, "0..2; received -1"),
        ({"class_index": [0, 1]}, r"each of the 1 images; received int64 of shape \(2,\)"),
        ({"class_index": 0.5}, "received float64"),
        ({"batch_size": 0}, "batch_size must be a whole number of 1 or more; received 0"),
        ({"batch_size": -1}, "received -1"),
        ({"batch_size": 2.5}, r"received 2\.5"),
        ({"images": np.zeros((0, 32, 32, 3))}, "no image to explain"),
        ({"layer": "conv_9"}, r"'conv_9' of model 'small' is unknown.*'relu_1', 'conv_2'"),
        ({"layer": "pooling"}, "'pooling' of model 'small' is an input or has no 4-D output"),
        ({"layer": "images"}, "'images' of model 'small' is an input"),
    ],
)
def test_bad_arguments_are_named(trained, arguments, message):
    images = arguments.pop("images", np.zeros((1, 32, 32, 3)))
    with pytest.raises(ValueError, match=message):
        grad_cam(trained, images, **arguments)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX gives a gradient of zeros")
def test_a_layer_beside_the_way_to_the_score_is_refused():
    inputs = keras.Input((4, 4, 3))
    whole = layers.Conv2D(2, 3, padding="same", name="before")(inputs)
    steps = keras.ops.cast(keras.ops.cast(whole, "int32"), "float32")
    pooled = layers.GlobalAveragePooling2D()(layers.ReLU(name="after")(steps))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(pooled))
    assert grad_cam(model, np.ones((1, 4, 4, 3)), layer="after").shape == (1, 4, 4)
    with pytest.raises(ValueError, match="no gradient of the score reaches the layer 'before'"):
        grad_cam(model, np.ones((1, 4, 4, 3)), layer="before")


def test_name_of_several_nested_layers_is_refused(trained):
    inputs = keras.Input((32, 32, 3))
    branches = []
    for name in ("left", "right"):
        inner = keras.Input((32, 32, 3))
        branches.append(keras.Model(inner, layers.Conv2D(2, 3, name="conv")(inner), name=name)(inputs))
    pooled = layers.GlobalAveragePooling2D()(layers.Add()(branches))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(pooled))
    with pytest.raises(ValueError, match=r"\['left/conv', 'right/conv'\]"):
        GradCAM(model, "conv")
    assert GradCAM(model, "right/conv").layer is model.get_layer("right").get_layer("conv")


def test_models_that_cannot_be_explained_are_refused(trained):
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match="received Subclassed"):
        GradCAM(Subclassed())
    with pytest.raises(ValueError, match="not built"):
        GradCAM(keras.Sequential([layers.Flatten(), layers.Dense(2)]))
    with pytest.raises(ValueError, match="has 1 and 2"):
        GradCAM(keras.Model(trained.input, [trained.output, trained.get_layer("pooling").output]))
    with pytest.raises(ValueError, match=r"maps \(None, 32, 32, 3\) to \(None, 8, 8, 12\)"):
        GradCAM(keras.Model(trained.input, trained.get_layer("conv_2").output))
    with pytest.raises(ValueError, match="'pooling', a GlobalAveragePooling2D"):
        GradCAM(keras.Model(trained.input, trained.get_layer("pooling").output))
    flat = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match="no layer with an"):
        GradCAM(flat)
