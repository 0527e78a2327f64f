"""Batches: their content, and that it depends on seed and epoch alone."""

import keras
import numpy as np
import pytest

from drcls.data import Augmenter, Batches, ImageCache
from tests.small_data import write_squares


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("batches") / "data", per_class=5)


@pytest.fixture(scope="module")
def cache(manifest):
    return ImageCache(manifest, 16)


def content(batches):
    return [batches[i] for i in range(len(batches))]


def assert_equal(batches, others):
    for (images, labels), (other_images, other_labels) in zip(batches, others, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def test_every_image_stands_in_a_batch_with_its_label(cache, manifest):
    images, labels = (
        np.concatenate(part) for part in zip(*content(Batches(cache, manifest, 4)), strict=True)
    )
    assert images.dtype == labels.dtype == np.float32
    np.testing.assert_array_equal(images, cache.images)
    np.testing.assert_array_equal(labels, np.eye(3)[manifest.labels])


def test_the_last_batch_holds_the_rest(cache, manifest):
    assert [len(labels) for _, labels in content(Batches(cache, manifest, 4))] == [4, 4, 4, 3]


def test_shuffling_shows_every_image_once_an_epoch_in_another_order(cache, manifest):
    batches = Batches(cache, manifest, 4, shuffle=True)
    first = np.concatenate([images for images, _ in content(batches)])
    batches.on_epoch_end()
    second = np.concatenate([images for images, _ in content(batches)])
    assert not np.array_equal(first, second)
    sums = sorted(cache.images.sum((1, 2, 3)))
    assert sorted(first.sum((1, 2, 3))) == sorted(second.sum((1, 2, 3))) == sums


def test_content_depends_on_seed_and_epoch_alone(cache, manifest):
    def batches(**changes):
        options = {"augmenter": Augmenter(rotation_range=30), "shuffle": True, "seed": 1, "epoch": 2}
        return Batches(cache, manifest, 4, **(options | changes))

    expected = content(batches())
    assert_equal(expected, content(batches(workers=3)))
    backwards = batches()
    assert_equal(expected, [backwards[i] for i in reversed(range(len(backwards)))][::-1])
    resumed = batches(epoch=0)
    resumed.on_epoch_end()
    resumed.on_epoch_end()
    assert_equal(expected, content(resumed))
    for changes in ({"seed": 2}, {"epoch": 3}):
        assert not np.array_equal(expected[0][0], batches(**changes)[0][0])


def test_copies_of_one_image_are_augmented_differently(cache, manifest):
    images, _ = Batches(cache, manifest.select([0, 0]), 2, Augmenter(rotation_range=30))[0]
    assert not np.array_equal(images[0], images[1])


def test_threads_keep_the_order(cache, manifest):
    class Recorder(keras.layers.Layer):
        def call(self, images):
            return keras.ops.mean(images, axis=(1, 2, 3), keepdims=False)[:, None]

    model = keras.Sequential([keras.Input((16, 16, 3)), Recorder()])
    received = model.predict(Batches(cache, manifest, 4, workers=3), verbose=0)[:, 0]
    np.testing.assert_allclose(received, cache.images.mean((1, 2, 3)), rtol=1e-5)


def test_an_empty_part_and_an_empty_batch_are_refused(cache, manifest):
    with pytest.raises(ValueError, match="a part without images"):
        Batches(cache, manifest.select([]), 4)
    with pytest.raises(ValueError, match="batch_size must be at least 1; received 0"):
        Batches(cache, manifest, 0)
