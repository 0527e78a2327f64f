"""EfficientNet-Lite0 with the weights in this package: against the public file, a round trip, ONNX, and refusals."""

import subprocess
import sys
import zipfile

import cv2
import keras
import numpy as np
import pytest

from drcls.export import onnx_function
from drcls.models import build_backbone
from drcls.models.efficientnet_lite import efficientnet_lite0, save_weights

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")


@pytest.fixture(scope="module")
def backbone():
    return build_backbone("EfficientNetLite0", 64, "imagenet")


def test_the_feature_map_has_the_size_of_the_paper(backbone):
    assert backbone.output_shape == (None, 2, 2, 1280) and backbone.count_params() == 3_413_024


def test_features_of_real_images_equal_those_of_the_public_file(sources):
    public = keras.models.load_model(sources("efficientnet_lite0_imagenet_notop.keras"), compile=False)
    with zipfile.ZipFile(sources("aptos2019_gaussian_224.zip")) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][::700]
        files = [np.frombuffer(archive.read(name), np.uint8) for name in names]
    images = np.stack([cv2.imdecode(file, cv2.IMREAD_COLOR)[:, :, ::-1] for file in files]).astype("float32")
    expected = public.predict(images, verbose=0)
    received = build_backbone("EfficientNetLite0", 224, "imagenet").predict(images, verbose=0)
    assert np.linalg.norm(received - expected) / np.linalg.norm(expected) < 2e-3


def test_pretrained_weights_are_not_random_ones(backbone):
    random = build_backbone("EfficientNetLite0", 64).predict(IMAGES, verbose=0)
    assert np.abs(backbone.predict(IMAGES, verbose=0) - random).max() > 0.1


def test_a_saved_copy_gives_the_same_features_in_a_fresh_process(backbone, tmp_path):
    backbone.save(tmp_path / "lite.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    program = (
        "import keras, numpy as np, sys; m = keras.models.load_model(sys.argv[1] + '/lite.keras');"
        "np.save(sys.argv[1] + '/features.npy', m.predict(np.load(sys.argv[1] + '/images.npy'), verbose=0))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "features.npy"), backbone.predict(IMAGES, verbose=0), atol=1e-5
    )


def test_onnx_gives_the_same_features(backbone):
    received = onnx_function(backbone)(IMAGES)
    np.testing.assert_allclose(received, backbone.predict(IMAGES, verbose=0), atol=1e-3)


def test_stored_kernels_lose_at_most_half_a_step_of_their_channel(tmp_path):
    values = keras.Input((8, 8, 3))
    model = keras.Model(values, keras.layers.Conv2D(4, 3, name="conv")(values))
    save_weights(model, tmp_path / "weights.npz")
    kernel = model.get_layer("conv").kernel.numpy()
    with np.load(tmp_path / "weights.npz") as stored:
        restored = stored["conv/kernel"] * stored["conv/kernel/scale"]
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 32767
    assert np.all(np.abs(restored - kernel) <= 0.5001 * step + 1e-9)


@pytest.mark.parametrize("wrong", [{"include_top": True}, {"weights": "noisy-student"}])
def test_what_the_package_does_not_hold_is_refused(wrong):
    with pytest.raises(ValueError, match="knows weights None and 'imagenet'"):
        efficientnet_lite0(input_tensor=keras.Input((32, 32, 3)), **wrong)
