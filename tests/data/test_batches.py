"""Batches: their content, and that it depends on seed and epoch alone."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import drcls.data.cache
from drcls.data import Augmenter, Batches, ImageCache
from drcls.data.batches import LONG_EPOCH, READERS
from drcls.train import SyncEpoch
from tests.data.tables import table
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


def test_augmented_batches_are_float32_in_the_range_of_images(cache, manifest):
    augmenter = Augmenter(rotation_range=90, brightness_range=(0.5, 2.0), channel_shift_range=80)
    images, labels = Batches(cache, manifest, 4, augmenter)[0]
    assert images.shape == (4, 16, 16, 3) and labels.shape == (4, 3)
    assert images.dtype == labels.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 255 and images.max() > 100


def test_long_epochs_are_read_by_threads_and_short_ones_are_not(cache, manifest):
    long = manifest.select(np.arange(2 * LONG_EPOCH) % len(manifest))
    assert Batches(cache, long, 2).workers == READERS >= 2
    assert Batches(cache, long, 3).workers == 1
    assert Batches(cache, long, 2, workers=3).workers == 3


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


def at_epoch(epoch, batches):
    batches.start(epoch)
    return batches


def test_content_depends_on_seed_and_epoch_alone(cache, manifest):
    def batches(epoch=2, **changes):
        options = {"augmenter": Augmenter(rotation_range=30), "shuffle": True, "seed": 1}
        return at_epoch(epoch, Batches(cache, manifest, 4, **(options | changes)))

    expected = content(batches())
    with ThreadPoolExecutor(4) as threads:
        shared = batches(workers=4)
        assert_equal(expected, list(threads.map(shared.__getitem__, range(len(shared)))))
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


@pytest.fixture(scope="module")
def network():
    """A network whose weights tell, by a high learning rate, in which order it saw the batches."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((16, 16, 3)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.GlobalAveragePooling2D(),
    ]
    model = keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(2.0), "categorical_crossentropy", metrics=["accuracy"])
    start = model.get_weights()

    def train(step):
        model.set_weights(start)
        step(model)
        return np.concatenate([weights.ravel() for weights in model.get_weights()])

    return train


@pytest.mark.parametrize("workers", [1, 2])
def test_fit_shows_the_batches_in_their_order(cache, manifest, network, workers):
    def batches(epoch=0, **changes):
        options = {"augmenter": Augmenter(rotation_range=30), "shuffle": True, "seed": 3}
        return at_epoch(epoch, Batches(cache, manifest, 4, **(options | changes)))

    def by_fit(model):
        data = batches(workers=workers)
        model.fit(data, epochs=3, shuffle=False, verbose=0, callbacks=[SyncEpoch(data)])

    def by_hand(model, backwards=False):
        for epoch in range(3):
            shown = content(batches(epoch))
            for images, labels in reversed(shown) if backwards else shown:
                model.train_on_batch(images, labels)

    expected = network(by_hand)
    np.testing.assert_allclose(network(by_fit), expected, atol=1e-5)
    backwards = network(lambda model: by_hand(model, backwards=True))
    assert np.abs(backwards - expected).max() > 1e-3


def anonymous_memory():
    """Bytes this process holds that are no file mapped into memory."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory use from /proc")
def test_memory_stays_flat(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    monkeypatch.setattr(drcls.data.cache, "read_image", lambda path: image)
    manifest = replace(table({"a": 1500, "b": 1500}), root=tmp_path)
    before = anonymous_memory()
    batches = Batches(ImageCache(manifest, 64), manifest, 32, Augmenter(rotation_range=30), shuffle=True)
    for index in range(len(batches)):
        batches[index]
    # The images are 37 MB as uint8 and 147 MB as float32.
    assert anonymous_memory() - before < 12e6


def test_an_empty_part_and_an_empty_batch_are_refused(cache, manifest):
    with pytest.raises(ValueError, match="a part without images"):
        Batches(cache, manifest.select([]), 4)
    with pytest.raises(ValueError, match="batch_size must be at least 1; received 0"):
        Batches(cache, manifest, 0)


def test_only_duplicates_are_augmented_and_stay_the_same_in_every_epoch(cache, manifest):
    rows = [0, 1, 0, 0]
    augmenter = Augmenter(rotation_range=90)
    batches = Batches(cache, manifest.select(rows), 4, augmenter, seed=3, augment_duplicates_only=True)
    images, _ = batches[0]
    plain = cache.images[cache.rows(manifest.select([0, 1]))].astype(np.float32)
    np.testing.assert_array_equal(images[:2], plain)
    assert np.abs(images[2] - plain[0]).max() > 1 and np.abs(images[3] - images[2]).max() > 1
    batches.on_epoch_end()
    np.testing.assert_array_equal(batches[0][0], images)


def test_whole_batches_can_be_mixed_by_the_seed_of_the_batch(cache, manifest):
    seeds = []

    def halve(images, labels, seed):
        seeds.append(seed)
        return images / 2, labels

    plain = Batches(cache, manifest, 4, seed=3)
    mixed = Batches(cache, manifest, 4, seed=3, batch_augmentation=halve)
    np.testing.assert_array_equal(mixed[1][0], plain[1][0] / 2)
    np.testing.assert_array_equal(mixed[1][1], plain[1][1])
    assert isinstance(seeds[0], int) and seeds[0] == seeds[1]
    mixed[0]
    mixed.start(1)
    mixed[1]
    assert len(set(seeds)) == 3 and max(seeds) < 2**31


def test_unaugmented_batches_are_whole_mixed_and_as_stored(tmp_path):
    manifest = write_squares(tmp_path / "data", per_class=20)
    cache = ImageCache(manifest, 16)
    batches = Batches(cache, manifest, 8, Augmenter(rotation_range=90), shuffle=True, seed=1)
    plain = batches.unaugmented(30)
    assert [len(images) for images, _ in (plain[i] for i in range(len(plain)))] == [8, 8, 8]
    images, labels = plain[0]
    stored = {image.tobytes() for image in cache.images}
    assert all(image.astype(np.uint8).tobytes() in stored for image in images)
    assert len(set(labels.argmax(axis=1))) > 1
