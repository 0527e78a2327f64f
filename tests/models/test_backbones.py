"""Backbones: their preprocessing, their weights, and what is refused."""

import keras
import numpy as np
import pytest

from drcls.models import build_backbone
from drcls.models.backbones import BACKBONES

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("MobileNetV2", keras.applications.mobilenet_v2),
        ("VGG19", keras.applications.vgg19),
        ("MobileNet", keras.applications.mobilenet),
    ],
)
def test_preprocessing_is_that_of_keras_applications(name, module):
    backbone = build_backbone(name, 32)
    first = next(layer for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D))
    received = keras.Model(backbone.input, first.input)(IMAGES)
    np.testing.assert_allclose(received, module.preprocess_input(IMAGES.copy()), atol=1e-4)


def test_densenet_preprocessing_is_standardisation():
    images = keras.Input((32, 32, 3))
    standardise = BACKBONES["DenseNet121"][1]
    received = keras.Model(images, standardise(images))(IMAGES)
    expected = keras.applications.densenet.preprocess_input(IMAGES.copy())
    np.testing.assert_allclose(received, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_the_last_convolution_is_where_it_is_said_to_be(name):
    backbone = build_backbone(name, 96)
    last = backbone.get_layer(BACKBONES[name][2]).output
    assert last.shape[-1] == backbone.output_shape[-1] and len(last.shape) == 4


def test_a_saved_feature_extractor_is_a_backbone(tmp_path):
    saved = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    saved.save(tmp_path / "extractor.keras")
    np.testing.assert_array_equal(build_backbone(tmp_path / "extractor.keras", 32)(IMAGES), saved(IMAGES))


def test_a_model_without_feature_map_is_no_backbone(tmp_path):
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)]).save(tmp_path / "dense.keras")
    with pytest.raises(ValueError, match=r"must give \(N, h, w, C\) features; this model gives \(None, 4\)"):
        build_backbone(tmp_path / "dense.keras", 32)


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"no archive")
    for wrong in (
        lambda: build_backbone(tmp_path / "broken.keras", 32),
        lambda: build_backbone("MobileNetV2", 32, tmp_path / "broken.keras"),
    ):
        with pytest.raises(ValueError, match=r"broken\.keras is not a Keras model that can be loaded"):
            wrong()


def test_weights_of_another_network_are_named(tmp_path):
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)]).save(tmp_path / "dense.keras")
    with pytest.raises(ValueError, match=r"dense\.keras: its weights are not those of"):
        build_backbone("MobileNetV2", 32, tmp_path / "dense.keras")


def test_an_unknown_name_lists_the_known():
    with pytest.raises(FileNotFoundError, match="'AlexNet' is neither a file nor one of .*MobileNetV2"):
        build_backbone("AlexNet", 32)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"chexnet\.h5 do not exist"):
        build_backbone("MobileNetV2", 32, tmp_path / "chexnet.h5")


def test_weights_of_an_unknown_kind_are_refused(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"weights\.pt: expected a \.keras, \.weights\.h5 or \.h5 file"):
        build_backbone("MobileNetV2", 32, tmp_path / "weights.pt")


def test_weights_go_through_a_file(tmp_path):
    original = build_backbone("MobileNetV2", 32)
    original.save(tmp_path / "saved.keras")
    original.save_weights(tmp_path / "saved.weights.h5")
    for name in ("saved.keras", "saved.weights.h5"):
        np.testing.assert_allclose(
            build_backbone("MobileNetV2", 32, tmp_path / name)(IMAGES), original(IMAGES), atol=1e-5
        )


def test_the_14_way_head_of_the_public_chexnet_is_dropped(tmp_path, monkeypatch):
    """The public file is DenseNet121 with a head; a small network stands in, written in the same format."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    def small(include_top, weights, input_tensor):
        return keras.Model(input_tensor, keras.layers.Conv2D(6, 3, name="conv")(input_tensor))

    monkeypatch.setitem(BACKBONES, "CheXNet", (small, BACKBONES["CheXNet"][1], "conv"))
    original = build_backbone("CheXNet", 32)
    pooled = keras.layers.GlobalAveragePooling2D()(original.output)
    chexnet = keras.Model(original.input, keras.layers.Dense(14, name="predictions")(pooled))
    with h5py.File(tmp_path / "chexnet.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, chexnet)
    restored = build_backbone("CheXNet", 32, tmp_path / "chexnet.h5")
    np.testing.assert_array_equal(restored(IMAGES), original(IMAGES))


def test_a_download_that_fails_names_the_file_and_its_place(monkeypatch):
    def unreachable(**options):
        raise Exception("URL fetch failure on https://host/path/mobilenet_v2_no_top.h5: None -- unreachable")

    monkeypatch.setitem(BACKBONES, "MobileNetV2", (unreachable, BACKBONES["MobileNetV2"][1], "out_relu"))
    with pytest.raises(FileNotFoundError, match=r"put the file mobilenet_v2_no_top\.h5 into .*models"):
        build_backbone("MobileNetV2", 32, "imagenet")


def test_moving_averages_settle_within_a_short_training():
    backbone = build_backbone("MobileNetV2", 32)
    norms = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms and {layer.momentum for layer in norms} == {0.9}
