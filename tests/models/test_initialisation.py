"""CheXNet_CBAM before its first step: can it learn from here?"""

import keras
import numpy as np
import pytest

from data_prep.phantoms.retina import draw_fundus
from drcls.models import build_chexnet_cbam, build_transfer_classifier

CLASSES = ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]
SIZE, CHANNELS = 64, 256


@pytest.fixture(scope="module")
def images():
    """Three synthetic fundus photographs of each grade."""
    return np.stack([draw_fundus(i % 5, np.random.default_rng(i), SIZE)[0] for i in range(15)]).astype(
        "float32"
    )


@pytest.fixture(scope="module")
def backbone():
    """A network without normalisation whose feature map has a scale like SqueezeNet's (deviation near 10)."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 5)(inputs)
    for filters in (32, 64, CHANNELS):
        convolution = keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", activation="relu", kernel_initializer="he_normal"
        )
        x = convolution(x)
    return keras.Model(inputs, x, name="backbone")


def input_of(model, name, images):
    """Return a layer of the model and what goes into it."""
    layer = model.get_layer(name)
    return layer, np.asarray(keras.Model(model.inputs, layer.input)([images]))


def saturated_share(attention, features):
    """Return the share of activations whose gate lies outside 0.05..0.95, and what the attention gives."""
    attended = np.asarray(attention(features))
    gates = attended[features != 0] / features[features != 0]
    return np.mean((gates < 0.05) | (gates > 0.95)), attended


def attention_entropy(encoder, tokens):
    """Return the mean entropy of the attention as a share of its maximum, log T."""
    if encoder.norm_first:
        tokens = encoder.attention_norm(tokens)
    weights = np.asarray(
        encoder.attention(tokens, tokens, return_attention_scores=True)[1]
    )  # (N, heads, T, T)
    entropy = -np.sum(weights * np.log(np.maximum(weights, 1e-30)), axis=-1)
    return entropy.mean() / np.log(weights.shape[-1])


def first_loss(model, images):
    labels = np.eye(len(CLASSES), dtype="float32")[np.arange(len(images)) % len(CLASSES)]
    model.compile(loss="categorical_crossentropy", jit_compile=False)
    return model.evaluate(images, labels, verbose=0)


def state_at_the_start(backbone, images, **arguments):
    keras.utils.set_random_seed(0)
    model = build_chexnet_cbam(backbone, CLASSES, **arguments)
    cbam, features = input_of(model, "cbam", images)
    closed_channels, attended = saturated_share(cbam.channel_attention, features)
    closed_places, _ = saturated_share(cbam.spatial_attention, attended)
    entropy = attention_entropy(*input_of(model, "transformer", images))
    return first_loss(model, images), closed_channels, closed_places, entropy


@pytest.mark.parametrize("cbam_near_identity", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_gates_attention_and_loss_can_learn_at_the_start(backbone, images, cbam_near_identity, norm_first):
    loss, closed_channels, closed_places, entropy = state_at_the_start(
        backbone, images, cbam_near_identity=cbam_near_identity, norm_first=norm_first, normalise=True
    )
    assert loss == pytest.approx(np.log(len(CLASSES)), rel=0.05)
    assert closed_channels < 0.2 and closed_places < 0.2
    assert entropy > 0.5


def test_a_map_that_is_not_normalised_saturates_gates_and_attention(backbone, images):
    loss, closed_channels, closed_places, _ = state_at_the_start(backbone, images)
    assert closed_channels > 0.5 and closed_places > 0.5
    # The scores start at zero, so the loss does not show it.
    assert loss == pytest.approx(np.log(len(CLASSES)), rel=0.05)
    *_, entropy = state_at_the_start(backbone, images, cbam_near_identity=True)
    assert entropy < 0.25


@pytest.mark.parametrize("normalise", [False, True])
def test_a_transfer_head_starts_at_log_c(backbone, images, normalise):
    model = build_transfer_classifier(backbone, CLASSES, normalise=normalise)
    assert first_loss(model, images) == pytest.approx(np.log(len(CLASSES)), rel=0.05)
