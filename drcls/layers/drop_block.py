"""Dropout of whole blocks of a feature map."""

import keras
from keras import ops

from drcls.layers.feature_map import FeatureMapLayer, number_below, positive_integer, seed_as_int


@keras.saving.register_keras_serializable(package="drcls")
class DropBlock2D(FeatureMapLayer):
    """Sets square blocks of a feature map to zero during training.

    Neighbouring activations carry nearly the same information, so dropping single ones removes little; a
    whole block forces the network to find evidence elsewhere. With the mask `M` (0 in a block, 1 outside):

        F' = F * M / mean(M)                                   (Eq. 11)
        gamma = rho H W / (s^2 (H - s + 1) (W - s + 1))        (Eq. 12)

    where `gamma` is the probability that a block begins at one of the `(H - s + 1) (W - s + 1)` places
    where it fits. Every channel of every image has blocks of its own, as `M` in {0, 1}^(H x W x C) says and
    as Ghiasi et al. found to work better than blocks shared by the channels; `mean(M)` is that of one image,
    so an image never depends on its neighbours in the batch. Outside training the layer is the identity.

    Eq. 12 is right as printed, also for a map that is not square: Ghiasi et al. give it for a square one,
    `(1 - keep_prob) / s^2 * feat^2 / (feat - s + 1)^2`, and each direction has its own such factor. It takes
    `s <= H, W`; a longer block is cut to the map, in each direction by itself. Blocks may overlap, which
    the equation leaves out, so the expected dropped share is somewhat below `rho`: on a 7 x 7 map with
    `s = 3` it is 0.095 at `rate=0.1` and 0.256 at `rate=0.3`.

    Args:
        rate: Float in [0, 1), the drop rate `rho`.
        block_size: Positive integer `s`, the side of a block in feature-map pixels. At `1` this is dropout.
        seed: Optional integer, makes the blocks repeatable.
        schedule_steps: Optional positive integer. The rate rises linearly from 0 to `rate` over so many
            training steps; the step is counted in a weight and so is saved with the model. `None`, the
            default, uses `rate` from the first step.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`: Keras' setting.

    Call arguments:
        inputs: Float tensor of rank 4, any values.
        training: Boolean, whether to drop blocks.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second as `data_format` says; height and width
        may be unknown, channels may not.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If `rate`, `block_size`, `schedule_steps` or `seed` is not of the kind above.

    Example:

    >>> import numpy as np
    >>> from drcls.layers import DropBlock2D
    >>> features = np.ones((1, 7, 7, 64), "float32")
    >>> layer = DropBlock2D(rate=0.3, block_size=3, seed=0)
    >>> bool(np.all(layer(features) == features))  # inference
    True
    >>> dropped = np.asarray(layer(features, training=True)) == 0
    >>> bool(0.2 < dropped.mean() < 0.3)
    True

    Reference:

    - [Ghiasi et al., 2018](https://arxiv.org/abs/1810.12890)
    - Eq. 11-12 of [CheXNet with CBAM, 2026](https://doi.org/10.3389/fmed.2026.1732109)
    """

    def __init__(self, rate, block_size, seed=None, schedule_steps=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = number_below("rate", rate, 1, "a number in [0, 1)")
        self.block_size = positive_integer("block_size", block_size)
        self.seed = seed_as_int(seed)
        self.schedule_steps = (
            None if schedule_steps is None else positive_integer("schedule_steps", schedule_steps)
        )
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def build_map(self, shape):
        if self.schedule_steps is not None:
            self.step = self.add_weight(
                shape=(), dtype="int", initializer="zeros", trainable=False, name="step"
            )

    def call_map(self, maps, training):
        if not training or self.rate == 0:
            return maps
        mask = self._mask(ops.shape(maps), self._next_rate())  # (N, H, W, C)
        mean = ops.mean(mask, axis=(1, 2, 3), keepdims=True)  # (N, 1, 1, 1)
        # Where all is dropped the mean is 0, and so is the mask above it: any divisor gives 0.
        scale = mask / ops.maximum(mean, keras.config.epsilon())
        return maps * ops.cast(scale, maps.dtype)  # Eq. 11

    def _next_rate(self):
        """Return the rate of this training step and count the step."""
        if self.schedule_steps is None:
            return self.rate
        progress = ops.minimum(ops.cast(self.step, "float32") / self.schedule_steps, 1.0)
        self.step.assign_add(1)
        return self.rate * progress

    def _mask(self, shape, rate):
        """Return float32 (N, H, W, C): 0 in the dropped blocks, 1 outside."""
        _, height, width, _ = shape
        gamma = rate * self._starts(height)[:, None, None] * self._starts(width)[None, :, None]  # (H, W, 1)
        starts = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator) < gamma
        # A place is dropped where a block starts in the s x s window that ends there.
        margin = self.block_size - 1
        starts = ops.pad(ops.cast(starts, "float32"), [[0, 0], [margin, 0], [margin, 0], [0, 0]])
        return 1.0 - ops.max_pool(starts, self.block_size, strides=1, data_format="channels_last")

    def _starts(self, length):
        """Return float32 (length,): this axis's factor of Eq. 12 where a block fits, 0 elsewhere."""
        fits = ops.cast(ops.arange(length) <= ops.maximum(length - self.block_size, 0), "float32")
        length = ops.cast(length, "float32")
        return fits * length / (ops.minimum(length, self.block_size) * ops.sum(fits))

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "block_size": self.block_size,
            "seed": self.seed,
            "schedule_steps": self.schedule_steps,
        }
