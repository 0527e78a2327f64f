"""A wavelet transform whose filters are trained, and its inverse."""

import keras
import numpy as np
from keras import ops

from drcls.layers.feature_map import FeatureMapLayer, number_below

NUM_BANDS = 4

# Low-pass analysis filters of orthonormal wavelets (Daubechies, "Ten Lectures on Wavelets", 1992, Table 6.1 and
# section 8.2), in the order in which they are convolved. The high-pass filter follows from each.
LOW_PASS = {
    "haar": (0.7071067811865476, 0.7071067811865476),
    "db2": (-0.12940952255126037, 0.2241438680420134, 0.8365163037378079, 0.48296291314453416),
    "db3": (
        *(0.03522629188570953, -0.08544127388202666, -0.13501102001025458),
        *(0.45987750211849154, 0.8068915093110925, 0.33267055295008263),
    ),
    "db4": (
        *(-0.010597401785069032, 0.0328830116668852, 0.030841381835560764, -0.18703481171909309),
        *(-0.027983769416859854, 0.6308807679298589, 0.7148465705529157, 0.2303778133088965),
    ),
    "sym4": (
        *(-0.07576571478927333, -0.02963552764599851, 0.49761866763201545, 0.8037387518059161),
        *(0.29785779560527736, -0.09921954357684722, -0.012603967262037833, 0.0322231006040427),
    ),
}


def analysis_filters(wavelet):
    """Return a wavelet's low-pass and high-pass analysis filters, each float64 (F,).

    The high-pass filter is the low-pass one reversed, with alternating signs: h[k] = (-1)^(k+1) l[F-1-k].
    """
    low_pass = np.array(LOW_PASS[wavelet])
    signs = (-1.0) ** (np.arange(low_pass.size) + 1)
    return low_pass, signs * low_pass[::-1]


class _FilterBank(FeatureMapLayer):
    """The pair of trained filters that both directions share, used along the height and along the width."""

    def __init__(self, wavelet="haar", orthonormality_penalty=0.0, **kwargs):
        super().__init__(**kwargs)
        if wavelet not in LOW_PASS:
            raise ValueError(f"wavelet must be one of {list(LOW_PASS)}. Received: wavelet={wavelet!r}")
        self.wavelet = wavelet
        self.orthonormality_penalty = number_below(
            "orthonormality_penalty", orthonormality_penalty, np.inf, "a finite number of 0 or more"
        )

    def build_map(self, shape):
        for name, values in zip(("low_pass", "high_pass"), analysis_filters(self.wavelet), strict=True):
            initializer = keras.initializers.Constant(values)
            setattr(
                self,
                name,
                self.add_weight(shape=values.shape, initializer=initializer, name=name, autocast=False),
            )

    def departure_from_orthonormality(self):
        """Return the sum of squares by which the filters miss orthonormality, a scalar that starts at 0.

        A filter bank loses nothing and amplifies nothing exactly if, for every even shift 2k,
        <l, l shifted> = <h, h shifted> = 1 at k = 0 and 0 elsewhere, and <l, h shifted> = 0.
        """
        low, high = self.low_pass, self.high_pass
        length, total = low.shape[0], 0.0
        for shift in range(0, length, 2):
            norm = 1.0 if shift == 0 else 0.0
            for first, second, wanted in ((low, low, norm), (high, high, norm), (low, high, 0.0)):
                total += (ops.sum(first[shift:] * second[: length - shift]) - wanted) ** 2
            if shift:
                total += ops.sum(high[shift:] * low[: length - shift]) ** 2
        return total

    def _penalise(self):
        if self.orthonormality_penalty:
            self.add_loss(self.orthonormality_penalty * self.departure_from_orthonormality())

    def get_config(self):
        return {
            **super().get_config(),
            "wavelet": self.wavelet,
            "orthonormality_penalty": self.orthonormality_penalty,
        }


@keras.saving.register_keras_serializable(package="drcls")
class LearnableWavelet2D(_FilterBank):
    """Halves a feature map without losing anything: one level of a wavelet analysis with trained filters.

    Pooling throws away what it does not keep. A wavelet analysis moves it into three further bands: edges
    and small dots, which a microaneurysm is, stay available at half the size. The filters start as the named
    wavelet and are trained, one pair for all channels. Along one axis of size H (periodic), with filter f of
    F taps:

        y[i] = sum over k of f[k] x[(2 i + F / 2 - k) mod H]

    Bands, each with all channels, in this order: approximation (low-pass along both axes), horizontal detail
    (high-pass along the height), vertical detail (high-pass along the width), diagonal detail (high-pass
    along both). This is `pywt.dwt2(x, wavelet, mode="periodization")`. An odd size is made even by repeating
    its last row or column.

    Args:
        wavelet: `"haar"`, `"db2"`, `"db3"`, `"db4"` or `"sym4"`, where the filters start. Defaults to
            `"haar"`.
        orthonormality_penalty: Number of 0 or more. The squared departure from an orthonormal filter bank
            times this number is added to the loss. Defaults to `0.0`: the filters go where the loss leads.
        trainable: Whether the filters are trained. Defaults to `True`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`: Keras' setting.

    Call arguments:
        inputs: Float tensor of rank 4, any values.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second as `data_format` says; height and width
        may be unknown, channels may not.

    Output shape:
        `(batch, ceil(height / 2), ceil(width / 2), 4 * channels)`.

    Raises:
        ValueError: If an argument is not of the kind above.

    Example:

    >>> import numpy as np
    >>> from drcls.layers import LearnableWavelet2D
    >>> image = np.array([[1.0, 2.0], [5.0, 10.0]], "float32").reshape(1, 2, 2, 1)
    >>> np.round(np.ravel(LearnableWavelet2D("haar")(image)), 3).tolist()
    [9.0, -6.0, -3.0, 2.0]

    Reference:

    - The wavelet block of the multi-scale attention residual network (Tong, poster, Oxford Brookes
      University), which gives no equation
    - [Mallat, 1989](https://doi.org/10.1109/34.192463)
    """

    def call_map(self, maps, training):
        self._penalise()
        low, high = self._analyse(maps, axis=1)
        bands = [*self._analyse(low, axis=2), *self._analyse(high, axis=2)]
        approximation, vertical, horizontal, diagonal = bands
        return ops.concatenate([approximation, horizontal, vertical, diagonal], axis=-1)

    def _analyse(self, x, axis):
        """Filter along one axis and keep every second value, by low-pass and by high-pass."""
        x = _made_even(x, axis)
        phases = _even_and_odd(x, axis)
        half = self.low_pass.shape[0] // 2
        low = high = 0.0
        for k in range(2 * half):
            shift, phase = divmod(half - k, 2)
            tap = ops.roll(phases[phase], -shift, axis=axis) if shift else phases[phase]
            low += ops.cast(self.low_pass[k], x.dtype) * tap
            high += ops.cast(self.high_pass[k], x.dtype) * tap
        return low, high

    def map_output_shape(self, shape):
        height, width = (None if size is None else -(-size // 2) for size in shape[1:3])
        return (shape[0], height, width, NUM_BANDS * shape[-1])


@keras.saving.register_keras_serializable(package="drcls")
class InverseLearnableWavelet2D(_FilterBank):
    """Builds a feature map of twice the size from its four bands: the inverse of `LearnableWavelet2D`.

    It has filters of its own. Before training it is the exact inverse of the analysis by the same wavelet
    (for odd sizes, with the repeated row or column still there: crop it). Along one axis:

        x[(2 i + F / 2 - k) mod H] = sum over i and k of l[k] a[i] + h[k] d[i]

    Args:
        wavelet: As in `LearnableWavelet2D`.
        orthonormality_penalty: As in `LearnableWavelet2D`.
        trainable: Whether the filters are trained. Defaults to `True`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`: Keras' setting.

    Call arguments:
        inputs: Float tensor of rank 4, bands in the order of `LearnableWavelet2D`.

    Input shape:
        `(batch, height, width, 4 * channels)`; height and width may be unknown, channels may not.

    Output shape:
        `(batch, 2 * height, 2 * width, channels)`.

    Raises:
        ValueError: If an argument is not of the kind above, or the channels are not a multiple of 4.

    Example:

    >>> import numpy as np
    >>> from drcls.layers import InverseLearnableWavelet2D, LearnableWavelet2D
    >>> image = np.array([[1.0, 2.0], [5.0, 10.0]], "float32").reshape(1, 2, 2, 1)
    >>> bands = LearnableWavelet2D("haar")(image)
    >>> np.round(np.ravel(InverseLearnableWavelet2D("haar")(bands)), 3).tolist()
    [1.0, 2.0, 5.0, 10.0]

    Reference:

    - As `LearnableWavelet2D`
    """

    def build_map(self, shape):
        if shape[-1] % NUM_BANDS:
            raise ValueError(
                f"InverseLearnableWavelet2D '{self.name}' needs four bands of equally many channels. "
                f"Received: {shape[-1]} channels"
            )
        super().build_map(shape)

    def call_map(self, maps, training):
        self._penalise()
        approximation, horizontal, vertical, diagonal = ops.split(maps, NUM_BANDS, axis=-1)
        low = self._synthesise(approximation, vertical, axis=2)
        high = self._synthesise(horizontal, diagonal, axis=2)
        return self._synthesise(low, high, axis=1)

    def _synthesise(self, low, high, axis):
        """Spread each value over the taps that it was read from, and interleave even and odd places."""
        half = self.low_pass.shape[0] // 2
        phases = [0.0, 0.0]
        for k in range(2 * half):
            shift, phase = divmod(half - k, 2)
            tap = ops.cast(self.low_pass[k], low.dtype) * low + ops.cast(self.high_pass[k], low.dtype) * high
            phases[phase] += ops.roll(tap, shift, axis=axis) if shift else tap
        return _interleaved(phases, axis)

    def map_output_shape(self, shape):
        height, width = (None if size is None else 2 * size for size in shape[1:3])
        return (shape[0], height, width, shape[-1] // NUM_BANDS)


def _made_even(x, axis):
    """Repeat the last row or column where the size is odd or unknown and odd."""
    size = ops.shape(x)[axis]
    if isinstance(size, int) and size % 2 == 0:
        return x
    places = ops.arange(2 * ((size + 1) // 2))
    return ops.take(x, ops.minimum(places, size - 1), axis=axis)


def _even_and_odd(x, axis):
    """Return the even and the odd rows (or columns): the inverse of `_interleaved`, faster than slices with a step."""
    batch, height, width, channels = ops.shape(x)
    pairs = (
        (batch, height // 2, 2, width, channels) if axis == 1 else (batch, height, width // 2, 2, channels)
    )
    return ops.unstack(ops.reshape(x, pairs), 2, axis=axis + 1)


def _interleaved(phases, axis):
    """Put two tensors' rows (or columns) alternately: twice the size along the axis."""
    batch, height, width, channels = ops.shape(phases[0])
    shape = (batch, 2 * height, width, channels) if axis == 1 else (batch, height, 2 * width, channels)
    return ops.reshape(ops.stack(phases, axis=axis + 1), shape)
