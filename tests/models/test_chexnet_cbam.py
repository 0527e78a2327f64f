"""CheXNet_CBAM and the transfer head: shapes, parts, and what a saved file carries."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from drcls.models import build_chexnet_cbam, build_transfer_classifier, embed
from tests.trained_head import with_a_trained_head

CLASSES = ["No_DR", "Mild", "Moderate"]
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3)).astype("float32")


@pytest.fixture
def backbone():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, strides=4, activation="relu"),
        ],
        name="small",
    )


@pytest.mark.parametrize("left_out", [None, "cbam", "drop_block", "transformer"])
def test_each_part_can_be_left_out(backbone, left_out):
    parts = {"reduction_ratio": 4, "num_heads": 2, "key_dim": 4, "ff_dim": 8}
    model = build_chexnet_cbam(backbone, CLASSES, **parts, **({left_out: False} if left_out else {}))
    names = {layer.name for layer in model.layers}
    assert names >= {"cbam", "drop_block", "transformer"} - {left_out}
    assert left_out not in names
    probabilities = np.asarray(model(IMAGES))
    assert probabilities.shape == (4, 3) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_images_may_be_bytes(backbone):
    model = with_a_trained_head(build_transfer_classifier(backbone, CLASSES))
    np.testing.assert_allclose(
        model.predict(IMAGES.astype("uint8"), verbose=0), model.predict(IMAGES, verbose=0), atol=1e-6
    )


def test_a_saved_model_needs_no_custom_objects_and_knows_its_classes(backbone, tmp_path):
    model = with_a_trained_head(
        build_chexnet_cbam(
            backbone,
            CLASSES,
            reduction_ratio=4,
            num_heads=2,
            key_dim=4,
            ff_dim=None,
            seed=1,
            cbam_near_identity=True,
            norm_first=True,
            drop_block_schedule_steps=10,
            normalise=True,
        )
    )
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    code = (
        "import drcls, keras, numpy as np\n"
        "model = keras.models.load_model('model.keras')\n"
        "head = model.layers[-1]\n"
        "assert head.class_names == ['No_DR', 'Mild', 'Moderate'] and head.explain_layer == 'features'\n"
        "np.save('outputs.npy', model.predict(np.load('images.npy'), verbose=0))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), model.predict(IMAGES, verbose=0), atol=1e-6)


def test_options_reach_their_layers(backbone):
    arguments = {"num_heads": 2, "key_dim": 4, "ff_dim": 8}
    plain = build_chexnet_cbam(backbone, CLASSES, reduction_ratio=4, **arguments)
    assert not plain.get_layer("cbam").near_identity and not plain.get_layer("transformer").norm_first
    assert plain.get_layer("drop_block").schedule_steps is None
    model = build_chexnet_cbam(
        backbone,
        CLASSES,
        reduction_ratio=4,
        **arguments,
        cbam_near_identity=True,
        norm_first=True,
        drop_block_schedule_steps=7,
        normalise=True,
    )
    assert model.get_layer("cbam").near_identity and model.get_layer("transformer").norm_first
    assert model.get_layer("drop_block").schedule_steps == 7
    names = [layer.name for layer in model.layers]
    assert names.index("normalisation") < names.index("cbam") < names.index("features")
    for network in (plain, build_transfer_classifier(backbone, CLASSES)):
        assert "normalisation" not in {layer.name for layer in network.layers}


def test_the_transfer_head_normalises_the_map_that_is_explained(backbone):
    model = build_transfer_classifier(backbone, CLASSES, normalise=True)
    features = np.asarray(keras.Model(model.inputs, model.get_layer("features").output)(IMAGES))
    np.testing.assert_allclose(features.mean(axis=-1), 0, atol=1e-4)
    raw = np.asarray(backbone(IMAGES))
    expected = (raw - raw.mean(-1, keepdims=True)) / np.sqrt(raw.var(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(features, expected, atol=1e-3)


def test_two_steps_of_training_change_every_part(backbone):
    model = build_chexnet_cbam(backbone, CLASSES, reduction_ratio=4, num_heads=2, key_dim=4, ff_dim=8, seed=1)
    before = [np.array(weight) for weight in model.get_weights()]
    model.compile("adam", "categorical_crossentropy", jit_compile=False)
    for _ in range(2):  # the scores start at zero, so the first step reaches only them
        model.train_on_batch(IMAGES, np.eye(3, dtype="float32")[[0, 1, 2, 0]])
    unchanged = {
        weight.path
        for weight, old, new in zip(model.weights, before, model.get_weights(), strict=True)
        if np.array_equal(old, new)
    }
    # The bias of the keys cannot matter, but for rounding: softmax ignores what all keys share.
    [negligible] = [weight.path for weight in model.weights if weight.path.endswith("key/bias")]
    assert len(before) > 20 and unchanged <= {negligible}


def test_embedding_is_the_average_of_the_feature_map(backbone):
    features = embed(backbone, IMAGES.astype("uint8"), batch_size=3)
    np.testing.assert_allclose(features, np.asarray(backbone(IMAGES)).mean(axis=(1, 2)), rtol=1e-5)
    assert features.dtype == np.float32
