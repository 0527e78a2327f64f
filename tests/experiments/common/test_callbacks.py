"""Stopping and the plateau rule, told by the history on disk: as Keras' own, and the same after an interruption."""

from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drcls.data import Batches, ImageCache
from drcls.train import train
from experiments.common.callbacks import LowerRateOnPlateau, StopAtRisingLoss, num_plateaus, watch
from tests.small_data import write_squares


@pytest.mark.parametrize(("losses", "stops"), [([2, 1, 3], False), ([2, 1, 3, 3], True), ([3, 2, 1], False)])
def test_a_rising_loss_is_counted_from_the_written_history(tmp_path, losses, stops):
    pd.DataFrame({"val_loss": losses}).to_csv(tmp_path / "history.csv")
    callback = StopAtRisingLoss(tmp_path, patience=2)
    callback.set_model(SimpleNamespace(stop_training=False))
    callback.on_epoch_end(len(losses) - 1)
    assert callback.model.stop_training is stops


@given(st.lists(st.sampled_from([0.1, 0.2, 0.20005, 0.3, 0.4]), max_size=40), st.integers(1, 5))
def test_plateaus_are_those_of_keras(accuracies, patience):
    rule = keras.callbacks.ReduceLROnPlateau("val_accuracy", mode="max", factor=0.5, patience=patience)
    rate = keras.Variable(1.0)
    rule.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=rate)))
    rule.on_train_begin()
    for epoch, accuracy in enumerate(accuracies):
        rule.on_epoch_end(epoch, {"val_accuracy": accuracy})
        rate.assign(rule.model.optimizer.learning_rate)
        rule.model.optimizer.learning_rate = rate
    assert num_plateaus(accuracies, patience) == round(-np.log2(float(rate)))


class Rates(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


def test_a_resumed_training_has_the_rates_of_one_that_was_never_cut(tmp_path):
    manifest = write_squares(tmp_path / "data", per_class=4)

    def run(folder, epochs):
        keras.utils.set_random_seed(0)
        head = keras.layers.Dense(len(manifest.classes), "softmax")
        model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D(), head])
        # A rate of nearly nothing: the accuracy stays, and the rate falls every second epoch.
        model.compile(keras.optimizers.SGD(1e-12), "categorical_crossentropy", metrics=["accuracy"])
        rates = Rates()
        parts = [Batches(ImageCache(manifest, 16), manifest, 8) for _ in range(2)]
        callbacks = [LowerRateOnPlateau(folder, 1e-12, 0.5, 2), rates]
        train(model, *parts, folder, epochs, "val_accuracy", callbacks, verbose=0)
        return rates.seen

    whole = run(tmp_path / "whole", 8)
    cut = run(tmp_path / "cut", 3) + run(tmp_path / "cut", 8)
    np.testing.assert_allclose(cut, whole)
    np.testing.assert_allclose(whole, [1e-12 * 0.5**k for k in (0, 0, 0, 1, 1, 2, 2, 3)], rtol=1e-6)


def test_a_training_is_watched_where_that_is_wanted(tmp_path):
    assert watch(tmp_path, False) == []
    (callback,) = watch(tmp_path, True)
    assert callback.log_dir == str(tmp_path / "tensorboard")
