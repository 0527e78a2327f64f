"""The learnable wavelet transform against PyWavelets, and its inverse."""

import keras
import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from drcls.layers import InverseLearnableWavelet2D, LearnableWavelet2D
from drcls.layers.wavelet import LOW_PASS, analysis_filters

WAVELETS = list(LOW_PASS)


def random_maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def pywavelets(maps, wavelet):
    """The four bands by PyWavelets, in the order of the layer."""
    approximation, details = pywt.dwt2(maps, wavelet, mode="periodization", axes=(1, 2))
    return np.concatenate([approximation, *details], axis=-1)


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_filters_start_as_the_wavelet(wavelet):
    low_pass, high_pass = analysis_filters(wavelet)
    np.testing.assert_allclose(low_pass, pywt.Wavelet(wavelet).dec_lo, atol=1e-12)
    np.testing.assert_allclose(high_pass, pywt.Wavelet(wavelet).dec_hi, atol=1e-12)


def test_haar_by_hand():
    image = np.array([[1.0, 2.0], [5.0, 10.0]]).reshape(1, 2, 2, 1)
    # (1+2+5+10)/2, (bottom - top)/2 with PyWavelets' sign: top - bottom; left - right; the diagonal.
    expected = [[9.0, -6.0, -3.0, 2.0]]
    np.testing.assert_allclose(ops.reshape(LearnableWavelet2D()(image), (1, 4)), expected, atol=1e-6)


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("height, width", [(8, 12), (7, 10), (9, 5), (2, 2), (1, 3)])
def test_equals_pywavelets(wavelet, height, width):
    maps = random_maps(2, height, width, 3)
    output = LearnableWavelet2D(wavelet)(maps)
    np.testing.assert_allclose(output, pywavelets(maps, wavelet), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    wavelet=st.sampled_from(WAVELETS),
    height=st.integers(1, 11),
    width=st.integers(1, 11),
    channels=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_the_inverse_reconstructs(wavelet, height, width, channels, seed):
    maps = random_maps(2, height, width, channels, seed=seed)
    bands = LearnableWavelet2D(wavelet)(maps)
    assert bands.shape == (2, -(-height // 2), -(-width // 2), 4 * channels)
    rebuilt = np.asarray(InverseLearnableWavelet2D(wavelet)(bands))
    np.testing.assert_allclose(rebuilt[:, :height, :width], maps, atol=1e-5)
    if height % 2 == 0 and width % 2 == 0:
        # Orthonormal: what is in the bands is what was in the maps, no more and no less.
        np.testing.assert_allclose(np.square(bands).sum(), np.square(maps).sum(), rtol=1e-4)


@pytest.mark.parametrize("wavelet", ["haar", "db3"])
def test_the_inverse_equals_pywavelets(wavelet):
    bands = random_maps(2, 4, 6, 8)
    approximation, *details = np.split(bands, 4, axis=-1)
    expected = pywt.idwt2((approximation, tuple(details)), wavelet, mode="periodization", axes=(1, 2))
    np.testing.assert_allclose(InverseLearnableWavelet2D(wavelet)(bands), expected, atol=1e-5)


@pytest.mark.parametrize("layer", [LearnableWavelet2D, InverseLearnableWavelet2D])
def test_filters_are_trained_unless_frozen(layer):
    maps = random_maps(4, 6, 6, 4)
    for trainable in (True, False):
        transform = layer("db2", trainable=trainable)
        network = keras.Sequential([keras.Input((6, 6, 4)), transform, keras.layers.Conv2D(1, 1)])
        network.compile("sgd", "mse")
        before = np.concatenate(transform.get_weights())
        network.fit(maps, np.zeros((4, *network.output_shape[1:])), verbose=0)
        assert len(transform.trainable_weights) == (2 if trainable else 0)
        assert np.any(np.concatenate(transform.get_weights()) != before) == trainable


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_wavelets_are_orthonormal(wavelet):
    layer = LearnableWavelet2D(wavelet)
    layer.build((None, 4, 4, 1))
    assert float(layer.departure_from_orthonormality()) == pytest.approx(0, abs=1e-10)


def test_departure_from_orthonormality_by_hand():
    layer = LearnableWavelet2D("db2")
    layer.build((None, 4, 4, 1))
    layer.set_weights(np.array([[2.0, 0.0, 1.0, 0.0], [0.0, 0.0, 3.0, 0.0]]))
    # Shift 0: <l,l> = 5, <h,h> = 9, <l,h> = 3. Shift 2: <l,l> = 2, <h,h> = 0, <l,h> = 0, <h,l> = 3 * 2.
    assert float(layer.departure_from_orthonormality()) == pytest.approx(16 + 64 + 9 + 4 + 36)


def test_the_penalty_keeps_the_filters_close_to_orthonormal():
    maps = random_maps(16, 8, 8, 2)
    departures = {}
    for penalty in (0.0, 10.0):
        keras.utils.set_random_seed(0)
        layer = LearnableWavelet2D("haar", orthonormality_penalty=penalty)
        network = keras.Sequential([keras.Input((8, 8, 2)), layer, keras.layers.GlobalAveragePooling2D()])
        network.compile(keras.optimizers.SGD(0.01), "mse")
        network.fit(maps, np.full((16, 8), 5.0), epochs=20, verbose=0)
        departures[penalty] = float(layer.departure_from_orthonormality())
    assert departures[10.0] < departures[0.0] / 10


def test_unknown_height_and_width():
    inputs = keras.Input((None, None, 2))
    bands = LearnableWavelet2D("db2")(inputs)
    rebuilt = InverseLearnableWavelet2D("db2")(bands)
    assert bands.shape == (None, None, None, 8) and rebuilt.shape == (None, None, None, 2)
    network = keras.Model(inputs, [bands, rebuilt])
    for height, width in [(6, 4), (5, 7)]:
        maps = random_maps(2, height, width, 2)
        received, back = network.predict(maps, verbose=0)
        np.testing.assert_allclose(received, pywavelets(maps, "db2"), atol=1e-5)
        np.testing.assert_allclose(back[:, :height, :width], maps, atol=1e-5)


def test_bands_of_unequal_channels_are_refused():
    with pytest.raises(ValueError, match="four bands.*Received: 6 channels"):
        InverseLearnableWavelet2D()(keras.Input((4, 4, 6)))
