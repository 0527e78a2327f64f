"""Embeddings: the average over the feature map, kept on disk under a key, resumed where they were cut."""

import keras
import numpy as np
import pytest

from drcls.data import ImageCache
from drcls.export import onnx_function
from drcls.forward import fastest
from drcls.models import build_embedding_model, cached_embeddings, embed, pool_several_layers
from tests.small_data import write_squares


def backbone_with_operations(seed=0):
    """As Caffe's preprocessing has it: an operation that is no layer, and a model within the model."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((16, 16, 3))
    inner = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3, strides=4)])
    return keras.Model(images, inner(keras.ops.flip(images, axis=-1)))


def several_depths():
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, strides=2)(images)
    x = keras.layers.Conv2D(6, 3, strides=2)(keras.layers.Add()([x, x]))
    return pool_several_layers(keras.Model(images, keras.layers.Conv2D(5, 1)(keras.layers.Add()([x, x]))))


def backbone(seed=0, filters=4):
    keras.utils.set_random_seed(seed)
    images = keras.Input((16, 16, 3))
    features = keras.layers.Conv2D(filters, 3, strides=4, activation="relu")(images)
    return keras.Model(images, features, name="tiny")


class Interrupted(Exception):
    pass


def interrupted_after(model, batches):
    """Return a forward function that fails after some batches, and counts the images it was asked for."""
    forward, seen = build_embedding_model(model).predict_on_batch, []

    def counting(images):
        if len(seen) == batches:
            raise Interrupted
        seen.append(len(images))
        return forward(images)

    return counting, seen


@pytest.fixture
def cache(tmp_path):
    return ImageCache(write_squares(tmp_path / "data", per_class=10), 16)


def test_an_embedding_is_the_average_over_the_feature_map(cache):
    model = backbone()
    expected = np.asarray(model(cache.images[:30].astype("float32"))).mean(axis=(1, 2))
    np.testing.assert_allclose(embed(model, cache.images, batch_size=7), expected, atol=1e-4)
    for compute in (
        lambda: embed(model, cache.images, -1),
        lambda: cached_embeddings(cache, model, "net", 0),
    ):
        with pytest.raises(ValueError, match="whole number of 1 or more; received"):
            compute()


def test_embeddings_are_computed_once(cache):
    model = backbone()
    first = cached_embeddings(cache, model, "tiny")
    forward, seen = interrupted_after(model, 0)
    np.testing.assert_array_equal(cached_embeddings(cache, model, "tiny", forward=forward), first)
    assert not seen
    np.testing.assert_array_equal(first, embed(model, cache.images))


def test_another_weight_wiring_size_or_data_set_is_another_file(cache, tmp_path):
    others = [backbone(), backbone(seed=1), backbone(filters=5)]
    for model in others:
        cached_embeddings(cache, model, "tiny")
    cached_embeddings(ImageCache(write_squares(tmp_path / "other", seed=1), 16), backbone(), "tiny")
    smaller = keras.Model(inputs := keras.Input((12, 12, 3)), keras.layers.Conv2D(4, 3, strides=4)(inputs))
    smaller.set_weights(backbone().get_weights())
    cached_embeddings(ImageCache(write_squares(tmp_path / "data2", per_class=10), 12), smaller, "tiny")
    files = [path.name for path in tmp_path.glob("*/embeddings/*.npy")]
    assert len(files) == len(set(files)) == 5


def test_the_same_backbone_built_twice_is_the_same_file(cache):
    for build in (backbone, backbone_with_operations):
        cached_embeddings(cache, build(), build.__name__)
        cached_embeddings(cache, build(), build.__name__)
        assert len(list((cache.path.parent.parent / "embeddings").glob(f"{build.__name__}-*.npy"))) == 1


def test_a_cut_computation_goes_on_where_it_stopped(cache):
    model = backbone()
    forward, seen = interrupted_after(model, 3)
    with pytest.raises(Interrupted):
        cached_embeddings(cache, model, "tiny", batch_size=4, forward=forward)
    folder = cache.path.parent.parent / "embeddings"
    assert not list(folder.glob("*.npy")) and len(list(folder.glob("*.partial"))) == 1
    forward, seen = interrupted_after(model, 100)
    features = cached_embeddings(cache, model, "tiny", batch_size=4, forward=forward)
    assert sum(seen) == 30 - 12
    np.testing.assert_allclose(features, embed(model, cache.images), atol=1e-4)
    assert not list(folder.glob("*.partial"))


def test_an_embedding_that_is_no_number_is_refused_and_not_kept(cache):
    def broken(images):
        return np.full((len(images), 4), np.nan, dtype="float32")

    with pytest.raises(ValueError, match="backbone 'tiny' gives NaN or infinity for image 0"):
        cached_embeddings(cache, backbone(), "tiny", forward=broken)
    assert not list((cache.path.parent.parent / "embeddings").glob("*.npy"))
    assert np.isfinite(cached_embeddings(cache, backbone(), "tiny")).all()


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_named(cache, content):
    cached_embeddings(cache, backbone(), "tiny")
    [file] = (cache.path.parent.parent / "embeddings").glob("*.npy")
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"{file.name} is not a readable file of embeddings.*delete it"):
        cached_embeddings(cache, backbone(), "tiny")
    np.save(file, np.zeros((30, 5), dtype="float32"))
    with pytest.raises(ValueError, match=r"holds float32 \(30, 5\), expected float32 \(30, 4\)"):
        cached_embeddings(cache, backbone(), "tiny")


@pytest.mark.parametrize("build", [backbone, backbone_with_operations, several_depths])
def test_onnxruntime_computes_many_embeddings_as_keras_does_and_under_the_same_name(
    build, cache, monkeypatch
):
    model = build()
    expected = embed(model, cache.images, engine="keras")
    monkeypatch.setattr(fastest, "PAYS_FROM", cache.images[..., 0].size)
    received = cached_embeddings(cache, model, "tiny")
    assert fastest._CONVERTED[model]["embeddings"].run is not None
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(cached_embeddings(cache, build(), "tiny", engine="keras"), received)
    forward = onnx_function(build_embedding_model(model))
    np.testing.assert_allclose(embed(model, cache.images, forward=forward), expected, atol=1e-4)


def test_few_embeddings_are_computed_by_keras(cache):
    model = backbone()
    embed(model, cache.images)
    assert model not in fastest._CONVERTED


def test_several_depths_are_pooled_where_the_number_of_channels_changes():
    images = keras.Input((8, 8, 3))
    first = keras.layers.Conv2D(4, 1, name="first")(images)
    first = keras.layers.Add(name="sum_a")([first, first])
    first = keras.layers.Add(name="sum_b")([first, first])
    second = keras.layers.Conv2D(6, 1, strides=2)(first)
    second = keras.layers.Add(name="sum_c")([second, second])
    backbone = keras.Model(images, keras.layers.Conv2D(5, 1, name="last")(second))
    pooled = pool_several_layers(backbone)
    assert pooled.output_shape == (None, 1, 1, 4 + 6 + 5)
    assert pool_several_layers(backbone, num_stages=2).output_shape == (None, 1, 1, 6 + 5)
    inputs = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    received = pooled.predict(inputs, verbose=0)[:, 0, 0]
    sums = [backbone.get_layer(name).output for name in ("sum_b", "sum_c", "last")]
    maps = keras.Model(images, sums).predict(inputs, verbose=0)
    expected = np.concatenate([values.mean(axis=(1, 2)) for values in maps], axis=1)
    np.testing.assert_allclose(np.sign(received) * received**2, expected, rtol=1e-3, atol=1e-3)
