"""The Transformer encoder against Eq. 13-16."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drcls.layers import TransformerEncoder


def layer_norm(x):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)


def encoder_in_numpy(tokens, layer):
    """Eq. 13-16 with the layer's weights, written head by head; the norms' gains and offsets are at 1 and 0."""
    attention = layer.attention
    (w_q, b_q), (w_k, b_k), (w_v, b_v), (w_o, b_o) = (
        [np.asarray(weight) for weight in dense.weights]
        for dense in (
            attention.query_dense,
            attention.key_dense,
            attention.value_dense,
            attention.output_dense,
        )
    )  # (C, heads, d_k) and (heads, d_k); the last (heads, d_k, C) and (C,)
    attended = b_o
    for head in range(layer.num_heads):
        query = tokens @ w_q[:, head] + b_q[head]  # (N, T, d_k)
        key = tokens @ w_k[:, head] + b_k[head]
        value = tokens @ w_v[:, head] + b_v[head]
        score = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(layer.key_dim))  # (N, T, T)
        attended = attended + score / score.sum(axis=-1, keepdims=True) @ value @ w_o[head]
    normed = layer_norm(tokens + attended)
    w_1, b_1, w_2, b_2 = (np.asarray(w) for w in [*layer.hidden.weights, *layer.projection.weights])
    return layer_norm(normed + np.maximum(normed @ w_1 + b_1, 0) @ w_2 + b_2)


def random_encoder(channels, seed=0, **arguments):
    """An encoder whose biases are not zero, so that a missing one shows."""
    layer = TransformerEncoder(**arguments)
    layer.build((None, None, channels))
    rng = np.random.default_rng(seed)
    for part in (layer.attention, layer.hidden, layer.projection):
        part.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in part.get_weights()])
    return layer


def test_by_hand():
    tokens = np.array([[[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]]])
    layer = TransformerEncoder(num_heads=1, key_dim=3, ff_dim=3)
    layer.build(tokens.shape)
    identity, zeros = np.eye(3), np.zeros(3)
    heads = (np.zeros((3, 1, 3)), zeros[None], identity[:, None], zeros[None])
    # No query: both tokens attend alike to both. Values, output and the two dense layers are the identity.
    layer.attention.set_weights([*heads, *heads[2:], identity[None], zeros])
    layer.hidden.set_weights([identity, zeros])
    layer.projection.set_weights([identity, zeros])
    # Attention adds the mean (1.5, 1.5, 0); (4.5, 1.5, 0) has mean 2 and variance 3.5, so x' =
    # (1.3363, -0.2673, -1.0690). The network adds its positive part: (2.6726, -0.2673, -1.0690), mean 0.4454,
    # variance 2.5873.
    expected = [[[1.384622, -0.443079, -0.941543], [-0.443079, 1.384622, -0.941543]]]
    np.testing.assert_allclose(layer(tokens), expected, atol=2e-5)


@pytest.mark.parametrize("num_heads, key_dim, ff_dim", [(1, 4, 3), (3, 5, 7), (2, 2, 1)])
def test_equals_the_equations_in_numpy(num_heads, key_dim, ff_dim):
    tokens = np.random.default_rng(1).normal(size=(2, 5, 6)).astype("float32")
    layer = random_encoder(6, num_heads=num_heads, key_dim=key_dim, ff_dim=ff_dim)
    np.testing.assert_allclose(layer(tokens), encoder_in_numpy(tokens, layer), atol=1e-5)


def torch_encoder(layer, channels):
    """PyTorch's own encoder layer with the same weights."""
    torch = pytest.importorskip("torch")
    num_heads, ff_dim = layer.num_heads, layer.ff_dim
    peer = torch.nn.TransformerEncoderLayer(
        *(channels, num_heads, ff_dim),
        dropout=0,
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=layer.norm_first,
    ).eval()
    weights = [np.asarray(weight) for weight in layer.attention.get_weights()]
    *inputs, output_kernel, output_bias = weights
    state = {
        "self_attn.in_proj_weight": np.concatenate([w.reshape(channels, -1).T for w in inputs[::2]]),
        "self_attn.in_proj_bias": np.concatenate([b.reshape(-1) for b in inputs[1::2]]),
        "self_attn.out_proj.weight": output_kernel.reshape(-1, channels).T,
        "self_attn.out_proj.bias": output_bias,
        "linear1.weight": np.asarray(layer.hidden.kernel).T,
        "linear1.bias": np.asarray(layer.hidden.bias),
        "linear2.weight": np.asarray(layer.projection.kernel).T,
        "linear2.bias": np.asarray(layer.projection.bias),
    }
    missing = peer.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False).missing_keys
    assert set(missing) == {f"{norm}.{part}" for norm in ("norm1", "norm2") for part in ("weight", "bias")}

    def run(tokens, ignored=None):
        ignored = None if ignored is None else torch.tensor(ignored)
        with torch.no_grad():
            return peer(torch.tensor(tokens), src_key_padding_mask=ignored).numpy()

    return run


@pytest.mark.parametrize("norm_first", [False, True])
def test_equals_torch_transformer_encoder_layer(norm_first):
    layer = random_encoder(8, num_heads=2, key_dim=4, ff_dim=5, norm_first=norm_first)
    tokens = np.random.default_rng(2).normal(size=(3, 7, 8)).astype("float32")
    expected = torch_encoder(layer, channels=8)(tokens)
    np.testing.assert_allclose(layer(tokens), expected, atol=1e-5)


@pytest.mark.parametrize("norm_first", [False, True])
def test_nobody_attends_to_a_masked_token_as_in_torch(norm_first):
    layer = random_encoder(8, num_heads=2, key_dim=4, ff_dim=5, norm_first=norm_first)
    tokens = np.random.default_rng(2).normal(size=(2, 5, 8)).astype("float32")
    mask = np.array([[True, True, True, False, False], [True] * 5])
    output = np.asarray(layer(tokens, mask=mask))
    np.testing.assert_allclose(output[mask], torch_encoder(layer, 8)(tokens, ~mask)[mask], atol=1e-5)
    np.testing.assert_allclose(output[:1, :3], layer(tokens[:1, :3]), atol=1e-5)
    assert not np.allclose(output[0, :3], np.asarray(layer(tokens))[0, :3], atol=1e-3)


def test_a_mask_reaches_the_layers_behind():
    tokens = np.array([[[1.0, -1.0], [2.0, 0.0], [0.0, 0.0]]], "float32")
    inputs = keras.Input((3, 2))
    encoded = TransformerEncoder(1, 2)(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(encoded))
    padded = model(tokens)
    inputs_of_two = keras.Input((2, 2))
    encoder = next(layer for layer in model.layers if isinstance(layer, TransformerEncoder))
    unpadded = keras.Model(inputs_of_two, keras.layers.GlobalAveragePooling1D()(encoder(inputs_of_two)))
    np.testing.assert_allclose(padded, unpadded(tokens[:, :2]), atol=1e-6)


def test_norm_first_by_hand_leaves_the_sums_alone():
    tokens = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
    layer = TransformerEncoder(2, 3, norm_first=True)
    layer.build(tokens.shape)
    for part in (layer.attention, layer.projection):
        part.set_weights([np.zeros(weight.shape) for weight in part.get_weights()])
    np.testing.assert_array_equal(layer(tokens), tokens)


def test_the_hidden_layer_is_four_times_the_channels_unless_told():
    layer = TransformerEncoder(2, 3)
    layer.build((None, None, 6))
    assert layer.hidden.units == 24
    assert layer.get_config()["ff_dim"] is None


@settings(max_examples=15, deadline=None)
@given(num_tokens=st.integers(1, 9), seed=st.integers(0, 2**16))
def test_permuting_the_tokens_permutes_the_output(num_tokens, seed):
    rng = np.random.default_rng(seed)
    tokens = rng.normal(size=(2, num_tokens, 4)).astype("float32")
    order = rng.permutation(num_tokens)
    layer = random_encoder(4, seed, num_heads=2, key_dim=3, ff_dim=5)
    output = np.asarray(layer(tokens))
    np.testing.assert_allclose(layer(tokens[:, order]), output[:, order], atol=1e-4)
    # Post-norm: whatever comes in, every token leaves with mean 0 and variance 1.
    np.testing.assert_allclose(output.mean(axis=-1), 0, atol=1e-4)
    np.testing.assert_allclose(output.var(axis=-1), 1, atol=1e-2)


def test_dropout_acts_in_training_only_and_follows_the_seed():
    tokens = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    arguments = {"num_heads": 2, "key_dim": 3, "ff_dim": 5, "dropout_rate": 0.5}
    first, second, other = (TransformerEncoder(**arguments, seed=seed) for seed in (1, 1, 2))
    for encoder in (first, second, other):
        encoder.build(tokens.shape)
        encoder.set_weights(random_encoder(4, **arguments).get_weights())
    trained = np.asarray(first(tokens, training=True))
    np.testing.assert_array_equal(trained, second(tokens, training=True))
    assert np.any(trained != np.asarray(other(tokens, training=True)))
    np.testing.assert_array_equal(first(tokens), other(tokens))
    np.testing.assert_allclose(first(tokens), encoder_in_numpy(tokens, first), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 5, 4), (4,), (5, None)])
def test_a_bad_input_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(batch, tokens, channels\).*Received: input_shape="):
        TransformerEncoder(2, 3, 4)(keras.Input(shape))
