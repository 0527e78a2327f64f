"""The head of Table 1, fine-tuning of the last block, and the paper's three own networks."""

import keras
import numpy as np
import pytest

from drcls.models import (
    attach_head,
    build_backbone,
    build_dense_head,
    build_embedding_model,
    build_five_conv_blocks,
    build_four_inception_blocks,
    build_three_residual_blocks,
    unfreeze_last_block,
)
from drcls.models.fine_tuning import LAST_BLOCK
from tests.models.fresh_process import predicted_in_a_fresh_process
from tests.trained_head import with_a_trained_head

CLASSES = list("abcdefgh")
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype("float32")
Y_TRUE = np.eye(8, dtype="float32")
OWN = [build_five_conv_blocks, build_three_residual_blocks, build_four_inception_blocks]


def extractor():
    """A backbone of two blocks with batch norms, whose names tell the blocks apart."""
    keras.utils.set_random_seed(0)
    images = features = keras.Input((None, None, 3))
    for block in ("fire1", "fire2"):
        features = keras.layers.Conv2D(6, 3, strides=2, name=f"{block}_convolution")(features)
        features = keras.layers.BatchNormalization(name=f"{block}_norm")(features)
    return keras.Model(images, features, name="extractor")


def test_the_head_is_table_1():
    head = build_dense_head(512, CLASSES)
    kinds = [type(layer).__name__ for layer in head.layers]
    assert kinds == ["InputLayer", "Dense", "Dropout", "Dense", "Dropout", "Dense", "ClassProbabilities"]
    first, second, scores = (layer for layer in head.layers if isinstance(layer, keras.layers.Dense))
    assert [first.units, second.units, scores.units] == [512, 256, 8]
    assert [layer.rate for layer in head.layers if isinstance(layer, keras.layers.Dropout)] == [0.5, 0.5]
    assert first.activation is second.activation is keras.activations.relu
    assert float(first.kernel_regularizer.l2) == float(second.kernel_regularizer.l2) == pytest.approx(1e-4)
    assert head.count_params() == 513 * 512 + 513 * 256 + 257 * 8


def test_the_head_trained_on_embeddings_is_the_head_trained_inside_the_frozen_network():
    weights = []
    for inside in (False, True):
        backbone = extractor()
        backbone.trainable = False
        keras.utils.set_random_seed(1)
        head = build_dense_head(6, CLASSES, seed=3)
        features = np.array(build_embedding_model(backbone)(IMAGES))
        model = attach_head(backbone, head) if inside else head
        model.compile(keras.optimizers.Lion(1e-3), "categorical_crossentropy", jit_compile=False)
        model.fit(IMAGES if inside else features, Y_TRUE, batch_size=4, epochs=3, shuffle=False, verbose=0)
        weights.append(head.get_weights()[:6])
    for on_embeddings, inside in zip(*weights, strict=True):
        np.testing.assert_allclose(on_embeddings, inside, atol=1e-6)


def test_attached_the_head_keeps_its_weights_and_its_names():
    backbone, head = extractor(), build_dense_head(6, CLASSES)
    model = attach_head(backbone, head)
    features = np.array(build_embedding_model(backbone)(IMAGES))
    expected = head(features)
    np.testing.assert_allclose(np.array(model(IMAGES.astype("uint8"))), expected, atol=1e-5)
    assert model.layers[-1].class_names == CLASSES
    assert model.get_layer(model.layers[-1].explain_layer).output.shape[-1] == 6


def test_saved_models_need_no_custom_objects(tmp_path):
    models = {build.__name__: with_a_trained_head(build(32, CLASSES)) for build in OWN}
    models["attached"] = attach_head(extractor(), build_dense_head(6, CLASSES))
    check = f"assert model.layers[-1].class_names == {CLASSES}"
    predicted = predicted_in_a_fresh_process(models, IMAGES, tmp_path, check)
    for name, model in models.items():
        np.testing.assert_allclose(predicted[name], model(IMAGES), atol=1e-5)


def test_only_the_last_block_learns_and_no_batch_norm_moves():
    backbone = extractor()
    assert unfreeze_last_block(backbone, "extractor.keras") == ["fire2_convolution"]
    model = attach_head(backbone, build_dense_head(6, CLASSES, seed=0))
    before = {weight.path: np.array(weight) for weight in backbone.weights}
    model.compile("sgd", "categorical_crossentropy", run_eagerly=True)
    model.fit(IMAGES, Y_TRUE, epochs=2, verbose=0)
    changed = {path for path, old in before.items() if not np.array_equal(old, get_weight(backbone, path))}
    assert {path.split("/")[-2] for path in changed} == {"fire2_convolution"}


def get_weight(model, path):
    return np.array(next(weight for weight in model.weights if weight.path == path))


def test_the_first_layer_of_the_block_may_be_named():
    backbone = extractor()
    assert unfreeze_last_block(backbone, "x.keras", "fire2_convolution") == ["fire2_convolution"]
    with pytest.raises(ValueError, match="has no layer 'fire3'; its last layers are .*fire2_norm"):
        unfreeze_last_block(backbone, "x.keras", "fire3")
    with pytest.raises(ValueError, match="2 of 2 layers would be trained"):
        unfreeze_last_block(backbone, "x.keras", "fire1_convolution")


def test_last_block_of_mobilenet():
    backbone = build_backbone("MobileNet", 32)
    assert unfreeze_last_block(backbone, "MobileNet") == ["conv_dw_13", "conv_pw_13"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number", "one_of_them"),
    [
        ("ResNet50", 3, "conv5_block3_3_conv"),
        ("Xception", 2, "block14_sepconv2"),
        ("InceptionV3", 9, None),
        ("InceptionResNetV2", 6, "conv_7b"),
        ("MobileNetV2", 4, "Conv_1"),
    ],
)
def test_last_blocks_of_the_papers_backbones(name, number, one_of_them):
    trained = unfreeze_last_block(build_backbone(name, 96), name)
    assert len(trained) == number and (one_of_them in trained or one_of_them is None), trained
    assert name in LAST_BLOCK


@pytest.mark.parametrize("build", OWN)
def test_own_networks_classify_and_learn(build):
    keras.utils.set_random_seed(0)
    model = with_a_trained_head(build(32, CLASSES))
    probabilities = np.array(model(IMAGES.astype("uint8")))
    assert probabilities.shape == (8, 8) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert len(model.get_layer("features").output.shape) == 4
    before = model.get_weights()
    model.compile("adam", "categorical_crossentropy", run_eagerly=True)
    model.train_on_batch(IMAGES, Y_TRUE)
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert np.mean(moved) > 0.9


def test_five_conv_blocks_are_as_printed():
    model = build_five_conv_blocks(96, CLASSES)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert len(convolutions) == 5 and [layer.units for layer in dense] == [512, 256, 128, 64, 32, 8]
    for layer in convolutions:
        assert isinstance(layer.kernel_initializer, keras.initializers.GlorotNormal)
    for layer in [*convolutions, *dense[:-1]]:
        assert isinstance(layer.kernel_regularizer, keras.regularizers.L2)


def test_residual_and_inception_blocks_are_as_many_as_printed():
    residual = build_three_residual_blocks(96, CLASSES)
    assert [residual.get_layer(f"block{i}").output.shape[-1] for i in (1, 2, 3)] == [32, 64, 128]
    inception = build_four_inception_blocks(96, CLASSES)
    assert [inception.get_layer(f"block{i}_paths").output.shape[-1] for i in (1, 2, 3, 4)] == [
        32,
        64,
        96,
        128,
    ]
    kernels = {layer.kernel_size for layer in inception.layers if isinstance(layer, keras.layers.Conv2D)}
    assert kernels == {(1, 1), (3, 3), (5, 5)}


@pytest.mark.parametrize(
    ("build", "size", "arguments", "message"),
    [
        (build_five_conv_blocks, 16, {}, "image_size of at least 32.*16"),
        (build_five_conv_blocks, 32, {"widths": (4, 4)}, r"five widths.*\(4, 4\)"),
        (build_three_residual_blocks, 8, {}, "at least 16 for 3 blocks; received 8"),
        (build_four_inception_blocks, 16, {}, "image_size of at least 32.*16"),
        (build_four_inception_blocks, 32, {"widths": (4,)}, r"four widths.*\(4,\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(build, size, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(size, CLASSES, **arguments)
