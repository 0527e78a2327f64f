"""One block of the Transformer's encoder."""

import keras


@keras.saving.register_keras_serializable(package="drcls")
class TransformerEncoder(keras.layers.Layer):
    """Lets every token of a sequence look at every other one.

    A convolution sees a neighbourhood; relating lesions far apart in the retina takes attention over all
    places. Each head projects the tokens and averages their values by similarity, and a two-layer network
    follows at every place, with normalisation after each residual sum (post-norm):

        Q = F W_Q,  K = F W_K,  V = F W_V                      (Eq. 13)
        Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V      (Eq. 14)
        FFN(x) = W_2 ReLU(W_1 x + b_1) + b_2                   (Eq. 15)
        x' = LayerNorm(x + MHSA(x)),  x'' = LayerNorm(x' + FFN(x'))    (Eq. 16)

    As printed there is no position encoding: permuting the tokens permutes the output. A feature map becomes
    tokens with `keras.layers.Reshape((-1, channels))`. Dropout, which the equations leave out, is applied
    as in Vaswani et al.: to the output of each of the two parts, before its residual sum.

    Args:
        num_heads: Positive integer, number of attention heads.
        key_dim: Positive integer `d_k`, size of each head's queries, keys and values.
        ff_dim: Positive integer, number of hidden units of the feed-forward network.
        dropout_rate: Float in [0, 1). Defaults to `0.0`.
        seed: Optional integer, makes the dropout repeatable.

    Call arguments:
        inputs: Float tensor of rank 3, any values.
        training: Boolean, whether to apply dropout.

    Input shape:
        `(batch, tokens, channels)`; the number of tokens may be unknown, the channels may not.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If an argument is not of the kind above, or the input's shape is not.

    Reference:

    - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
    - Eq. 13-16 of [CheXNet with CBAM, 2026](https://doi.org/10.3389/fmed.2026.1732109)
    """

    def __init__(self, num_heads, key_dim, ff_dim, dropout_rate=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        for name, value in {"num_heads": num_heads, "key_dim": key_dim, "ff_dim": ff_dim}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}")
        if not isinstance(dropout_rate, (int, float)) or not 0 <= dropout_rate < 1:
            raise ValueError(f"dropout_rate must be a number in [0, 1). Received: {dropout_rate=!r}")
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.ff_dim = ff_dim
        self.dropout_rate = dropout_rate
        self.seed = seed
        dtype = self.dtype_policy
        self.attention = keras.layers.MultiHeadAttention(num_heads, key_dim, dtype=dtype, name="attention")
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=dtype, name="attention_norm"
        )
        self.hidden = keras.layers.Dense(ff_dim, activation="relu", dtype=dtype, name="hidden")
        self.output_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name="output_norm")
        self.dropout = keras.layers.Dropout(dropout_rate, seed=seed, dtype=dtype, name="dropout")

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"TransformerEncoder '{self.name}' expects tokens of shape (batch, tokens, channels) with a "
                f"known number of channels. Received: input_shape={input_shape}"
            )
        channels = input_shape[-1]
        self.attention.build(input_shape, input_shape)
        self.attention_norm.build(input_shape)
        self.hidden.build(input_shape)
        self.projection = keras.layers.Dense(channels, dtype=self.dtype_policy, name="projection")
        self.projection.build((*input_shape[:-1], self.ff_dim))
        self.output_norm.build(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})

    def call(self, inputs, training=False):
        attended = self.attention(inputs, inputs, training=training)  # (N, T, C), Eq. 13-14
        tokens = self.attention_norm(inputs + self.dropout(attended, training=training))
        fed_forward = self.projection(self.hidden(tokens))  # (N, T, C), Eq. 15
        return self.output_norm(tokens + self.dropout(fed_forward, training=training))  # Eq. 16

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "ff_dim": self.ff_dim,
            "dropout_rate": self.dropout_rate,
            "seed": self.seed,
        }
