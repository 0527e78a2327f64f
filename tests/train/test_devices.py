"""Dividing a training among devices: what is asked for is checked first, and the last batch is filled up."""

import keras
import numpy as np
import pytest

import drcls.train.devices as module
from drcls.data import Batches, ImageCache
from drcls.train import check_devices, train, use_devices
from drcls.train.devices import EqualShares, num_devices
from tests.small_data import write_squares
from tests.train.train_squares import tiny_model


@pytest.fixture
def four(monkeypatch):
    monkeypatch.setattr(module, "devices", lambda: [f"gpu:{number}" for number in range(4)])


def test_all_devices_are_counted(four):
    assert check_devices("all") == 4 and check_devices(2, 32) == 2 and check_devices(1, 7) == 1


@pytest.mark.parametrize(
    ("number", "batch_size", "message"),
    [
        (5, None, r"expected 1 to 4 devices \(gpu:0, gpu:1, gpu:2, gpu:3\); received 5"),
        (0, None, "expected 1 to 4 devices .* received 0"),
        (3, 32, "3 devices do not divide a batch of 32 images; expected a multiple of 3"),
        ("all", 6, "4 devices do not divide a batch of 6 images"),
    ],
)
def test_what_cannot_be_is_refused(four, number, batch_size, message):
    with pytest.raises(ValueError, match=message):
        check_devices(number, batch_size)


def test_pytorch_trains_on_one_device(four, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert check_devices(1) == 1
    with pytest.raises(ValueError, match="torch trains on one device; received 2. Set KERAS_BACKEND=jax"):
        check_devices(2)


def test_one_device_changes_nothing():
    with use_devices(1):
        assert num_devices() == 1


def test_an_indivisible_batch_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr("drcls.train.loop.num_devices", lambda: 2)
    squares = write_squares(tmp_path / "data")
    batches = Batches(ImageCache(squares, 16), squares, 5)
    with pytest.raises(ValueError, match="2 devices do not divide a batch of 5"):
        train(tiny_model(squares.classes), batches, batches, tmp_path / "run", 1)
    assert not (tmp_path / "run").exists()


def test_the_last_batch_is_filled_up_and_its_loss_stays(tmp_path):
    squares = write_squares(tmp_path / "data", per_class=3)
    batches = Batches(ImageCache(squares, 16), squares, 8)
    shares, model = EqualShares(batches, 4), tiny_model(squares.classes)
    images, labels, weights = shares[0]
    assert len(shares) == 2 and weights.tolist() == [1.0] * 8
    np.testing.assert_array_equal(images, batches[0][0])
    images, labels, weights = shares[1]
    assert weights.tolist() == [4, 0, 0, 0] and len(images) == len(labels) == 4
    np.testing.assert_array_equal(images[3], batches[1][0][0])

    def loss(images, labels, weights=None):
        value = model.compute_loss(images, labels, model(images), weights)
        return keras.ops.convert_to_numpy(value)

    np.testing.assert_allclose(loss(images, labels, weights), loss(*batches[1]), rtol=1e-6)
