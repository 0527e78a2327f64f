"""The multi-scale attention network: sizes, parts that can be left out, and what a saved file carries."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from drcls.layers import LearnableWavelet2D, SqueezeExcitation, TransformerEncoder
from drcls.losses import BalancedSoftmaxCrossentropy
from drcls.models import build_multiscale_attention
from tests.trained_head import with_a_trained_head

CLASSES = ["No_DR", "Mild", "Moderate"]
SMALL = {"widths": (4, 8, 12), "blocks_per_stage": 1, "num_heads": 2, "reduction_ratio": 4}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("float32")


@pytest.fixture
def small():
    keras.utils.set_random_seed(0)
    return with_a_trained_head(build_multiscale_attention(32, CLASSES, **SMALL))


def count(model, kind):
    return sum(isinstance(layer, kind) for layer in model.layers)


def test_sizes_of_the_network_and_of_its_light_variant():
    five = list("abcde")
    full = build_multiscale_attention(64, five)
    assert full.count_params() == 1_445_181
    assert build_multiscale_attention(64, five, widths=(16, 32, 48, 64)).count_params() == 364_329
    assert full.get_layer("stage3_block2").output.shape == (None, 8, 8, 96)
    assert full.get_layer("features").output.shape == (None, 4, 4, 128)
    assert full.get_layer("scales").output.shape == (None, 64 + 96 + 128)


def test_large_scales_are_averaged_down_to_few_tokens():
    model = build_multiscale_attention(224, CLASSES, **SMALL | {"widths": (4, 8, 12, 16)})
    sides = [model.get_layer(f"scale{number}_tokens").output.shape[1] for number in (1, 2, 3)]
    assert sides == [14 * 14, 14 * 14, 14 * 14]


@pytest.mark.parametrize(
    "left_out, kind",
    [
        ({"squeeze_excitation": False}, SqueezeExcitation),
        ({"wavelet": None}, LearnableWavelet2D),
        ({"attention": False}, TransformerEncoder),
    ],
)
def test_each_part_can_be_left_out(small, left_out, kind):
    without = build_multiscale_attention(32, CLASSES, **SMALL, **left_out)
    assert count(small, kind) == 3 and count(without, kind) == 0
    for other in {SqueezeExcitation, LearnableWavelet2D, TransformerEncoder} - {kind}:
        assert count(without, other) == 3
    probabilities = np.asarray(without(IMAGES))
    assert probabilities.shape == (4, 3) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("norm_first", [False, True])
def test_only_encoders_that_normalise_first_let_the_mean_tell_strength(norm_first):
    model = build_multiscale_attention(32, CLASSES, **SMALL, norm_first=norm_first)
    encoder = model.get_layer("scale1_attention")
    tokens = np.random.default_rng(0).normal(size=(1, 4, encoder.input.shape[-1])).astype("float32")
    once, twice = (np.asarray(encoder(strength * tokens)).mean(axis=1) for strength in (1, 20))
    grown = np.linalg.norm(twice) / np.linalg.norm(once)
    assert grown > 5 if norm_first else grown < 2


def test_images_may_be_bytes(small):
    np.testing.assert_allclose(
        small.predict(IMAGES.astype("uint8"), verbose=0), small.predict(IMAGES, verbose=0), atol=1e-6
    )


def test_one_step_of_training_changes_every_part(small):
    before = [np.array(weight) for weight in small.get_weights()]
    small.compile("adam", BalancedSoftmaxCrossentropy([5, 2, 1], from_logits=False), jit_compile=False)
    small.train_on_batch(IMAGES, np.eye(3, dtype="float32")[[0, 1, 2, 0]])
    unchanged = {
        weight.path
        for weight, old, new in zip(small.weights, before, small.get_weights(), strict=True)
        if np.array_equal(old, new)
    }
    # The bias of the keys cannot matter, but for rounding: softmax ignores what all keys share.
    negligible = {weight.path for weight in small.weights if weight.path.endswith("key/bias")}
    assert len(negligible) == 3 and unchanged <= negligible


def test_the_loss_holds_the_penalty_of_the_wavelets(small):
    small.compile("sgd", "categorical_crossentropy")
    bank = small.get_layer("stage1_halve_wavelet")
    bank.set_weights([2 * weight for weight in bank.get_weights()])
    small(IMAGES)
    # Doubled filters have norm 4: (4 - 1)^2 each, times the penalty of 0.01.
    assert float(sum(small.losses)) == pytest.approx(0.18, rel=1e-4)


def test_a_saved_model_needs_no_custom_objects(small, tmp_path):
    small.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    code = (
        "import drcls, keras, numpy as np\n"
        "model = keras.models.load_model('model.keras')\n"
        "assert model.layers[-1].class_names == ['No_DR', 'Mild', 'Moderate']\n"
        "np.save('outputs.npy', model.predict(np.load('images.npy'), verbose=0))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), small.predict(IMAGES, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    "size, arguments, message",
    [
        (36, {}, "multiple of 8 for 3 stages; received 36"),
        (32, {"widths": (4, 8)}, r"at least 3 stages; received \(4, 8\)"),
        (32, {"widths": (4, 9, 12)}, r"multiples of num_heads=2; received \(4, 9, 12\)"),
        (32, {"wavelet": "db99"}, "wavelet must be one of"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(size, arguments, message):
    with pytest.raises(ValueError, match=message):
        build_multiscale_attention(size, CLASSES, **SMALL | arguments)
