"""One block of the Transformer's encoder."""

import keras

from drcls.layers.feature_map import as_floats, number_below, positive_integer, seed_as_int


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

    With `norm_first` each part reads normalised tokens and the sums are left alone (pre-norm), which trains
    from random weights without a long warm-up:

        x' = x + MHSA(LayerNorm(x)),  x'' = x' + FFN(LayerNorm(x'))    (Xiong et al., Table 1)

    As printed there is no position encoding: permuting the tokens permutes the output. A feature map becomes
    tokens with `keras.layers.Reshape((-1, channels))`. Dropout, which the equations leave out, is applied
    as in Vaswani et al.: to the output of each of the two parts, before its residual sum. A mask of the
    tokens is used and passed on: nobody attends to a masked token.

    Args:
        num_heads: Positive integer, number of attention heads.
        key_dim: Positive integer `d_k`, size of each head's queries, keys and values.
        ff_dim: Positive integer, number of hidden units of the feed-forward network. Defaults to `None`: four
            times the channels, as in Vaswani et al.
        dropout_rate: Float in [0, 1). Defaults to `0.0`.
        seed: Optional integer, makes the dropout repeatable.
        norm_first: Whether to normalise before each part. Defaults to `False`: after each sum, as printed.

    Call arguments:
        inputs: Float tensor of rank 3, any values.
        training: Boolean, whether to apply dropout.
        mask: Optional boolean tensor `(batch, tokens)`, False where a token is to be ignored.

    Input shape:
        `(batch, tokens, channels)`; the number of tokens may be unknown, the channels may not.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If an argument is not of the kind above, or the input's shape is not.

    Example:

    >>> import keras
    >>> from drcls.layers import TransformerEncoder
    >>> features = keras.Input((7, 7, 64))
    >>> tokens = keras.layers.Reshape((-1, 64))(features)
    >>> TransformerEncoder(num_heads=8, key_dim=8)(tokens).shape
    (None, 49, 64)

    Reference:

    - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
    - [Xiong et al., 2020](https://arxiv.org/abs/2002.04745), for `norm_first`
    - Eq. 13-16 of [CheXNet with CBAM, 2026](https://doi.org/10.3389/fmed.2026.1732109)
    """

    def __init__(
        self, num_heads, key_dim, ff_dim=None, dropout_rate=0.0, seed=None, norm_first=False, **kwargs
    ):
        super().__init__(**kwargs)
        if not isinstance(norm_first, bool):
            raise ValueError(f"norm_first must be True or False. Received: {norm_first=!r}")
        self.num_heads = positive_integer("num_heads", num_heads)
        self.key_dim = positive_integer("key_dim", key_dim)
        self.ff_dim = None if ff_dim is None else positive_integer("ff_dim", ff_dim)
        self.dropout_rate = number_below("dropout_rate", dropout_rate, 1, "a number in [0, 1)")
        self.seed = seed_as_int(seed)
        self.norm_first = norm_first
        self.supports_masking = True
        dtype = self.dtype_policy
        self.attention = keras.layers.MultiHeadAttention(
            self.num_heads, self.key_dim, dtype=dtype, name="attention"
        )
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=dtype, name="attention_norm"
        )
        self.output_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name="output_norm")
        self.dropout = keras.layers.Dropout(self.dropout_rate, seed=self.seed, dtype=dtype, name="dropout")

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"TransformerEncoder '{self.name}' expects tokens of shape (batch, tokens, channels) with a "
                f"known number of channels. Received: input_shape={input_shape}"
            )
        channels = input_shape[-1]
        ff_dim = self.ff_dim or 4 * channels
        self.attention.build(input_shape, input_shape)
        self.attention_norm.build(input_shape)
        self.hidden = keras.layers.Dense(ff_dim, activation="relu", dtype=self.dtype_policy, name="hidden")
        self.hidden.build(input_shape)
        self.projection = keras.layers.Dense(channels, dtype=self.dtype_policy, name="projection")
        self.projection.build((*input_shape[:-1], ff_dim))
        self.output_norm.build(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})

    def call(self, inputs, training=False, mask=None):
        inputs = as_floats(inputs, self.compute_dtype)
        if self.norm_first:
            tokens = inputs + self._attend(self.attention_norm(inputs), training, mask)
            return tokens + self._feed_forward(self.output_norm(tokens), training)
        tokens = self.attention_norm(inputs + self._attend(inputs, training, mask))
        return self.output_norm(tokens + self._feed_forward(tokens, training))  # Eq. 16

    def _attend(self, tokens, training, mask):
        attended = self.attention(tokens, tokens, value_mask=mask, training=training)  # (N, T, C), Eq. 13-14
        return self.dropout(attended, training=training)

    def _feed_forward(self, tokens, training):
        return self.dropout(self.projection(self.hidden(tokens)), training=training)  # (N, T, C), Eq. 15

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
            "norm_first": self.norm_first,
        }
