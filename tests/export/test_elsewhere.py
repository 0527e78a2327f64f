"""What a colleague does who has no drcls: the code of the model card runs, and gives what `predict` gives."""

import json
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from drcls.export import FORMATS, export_model
from drcls.layers import CBAM, ClassProbabilities
from drcls.models import attach_head, build_dense_head
from drcls.models.plain import own_layers, plain_model
from drcls.models.saved import load_saved_model
from tests.trained_head import with_a_trained_head

NAMES = ["well", "ill"]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype("float32")
WITHOUT_DRCLS = 'import sys\nsys.modules["drcls"] = None  # importing drcls now fails\n'
KEEP = '\nnp.save("probabilities.npy", probabilities)\n'


def build_model(attention=False):
    """Build what `drcls train --frozen` leaves, on a small backbone; with attention it needs a layer of drcls."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), name="images")
    x = layers.Conv2D(8, 3, activation="relu")(layers.Rescaling(1 / 255)(inputs))
    x = layers.BatchNormalization()(x)
    backbone = keras.Model(inputs, CBAM(reduction_ratio=2)(x) if attention else x, name="backbone")
    return with_a_trained_head(attach_head(backbone, build_dense_head(8, NAMES, seed=0)))


@pytest.fixture(scope="module")
def model():
    return build_model()


def follow_the_card(folder, blocked=True):
    """Run the code of the model card in a new process, where the exported files and the images are."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "model_card.md").read_text(), re.DOTALL)
    np.save(folder / "images.npy", IMAGES)
    environment = os.environ | ({"PYTHONPATH": ""} if blocked else {})
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DRCLS * blocked + code + KEEP],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    return done, folder / "probabilities.npy"


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_the_same_without_drcls(format, model, tmp_path):
    expected = model.predict(IMAGES, verbose=0)
    assert np.ptp(expected, axis=0).max() > 1e-3  # the outputs tell the images apart
    export_model(model, tmp_path, format)
    text = (tmp_path / "model_card.md").read_text()
    assert ", not drcls." in text and "# float32 (N, 16, 16, 3), values 0..255" in text
    done, file = follow_the_card(tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(np.load(file), expected, atol=1e-5)


def test_layers_of_this_package_are_named_where_the_file_needs_them(tmp_path):
    model = build_model(attention=True)
    export_model(model, tmp_path, "keras")
    card = json.loads((tmp_path / "model_card.json").read_text())
    assert card["loading"]["own_layers"] == ["CBAM", "ClassProbabilities"]
    assert "and drcls, for the layers CBAM" in (tmp_path / "model_card.md").read_text()
    done, _ = follow_the_card(tmp_path)
    assert done.returncode != 0 and "drcls" in done.stderr
    done, file = follow_the_card(tmp_path, blocked=False)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(np.load(file), model.predict(IMAGES, verbose=0), atol=1e-5)


def test_this_package_finds_the_class_names_of_a_plain_file(model, tmp_path):
    file = export_model(model, tmp_path, "keras")["file"]
    assert own_layers(keras.models.load_model(file)) == []
    loaded = load_saved_model(file)
    assert loaded.layers[-1].class_names == NAMES and loaded.layers[-1].explain_layer == "features"
    assert loaded.name == model.name
    np.testing.assert_allclose(loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), atol=1e-6)


def test_a_nested_and_a_sequential_network_become_plain(model):
    images = keras.Input((16, 16, 3), name="images")
    nested = keras.Model(images, model(images))
    scores = [keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(2), ClassProbabilities(NAMES)]
    for network in (nested, keras.Sequential(scores)):
        plain, carried = plain_model(network)
        assert own_layers(plain) == [] and carried["class_names"] == NAMES
        np.testing.assert_allclose(
            plain.predict(IMAGES, verbose=0), network.predict(IMAGES, verbose=0), atol=1e-6
        )


def test_names_where_they_do_not_belong_are_left_alone():
    inputs = keras.Input((3,))
    both = keras.Model(inputs, [ClassProbabilities(["a", "b", "c"])(inputs), layers.Dense(1)(inputs)])
    assert plain_model(both) == (both, {})
