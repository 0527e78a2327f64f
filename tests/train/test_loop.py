"""Training: histories, the epoch that is kept, resuming after a kill, and loss that is not finite."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from drcls.data import Batches, ImageCache
from drcls.train import Checkpoint, StopOnNonFiniteLoss, averaged_weights, train, trained_seconds
from tests.small_data import write_squares
from tests.train.train_squares import tiny_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares") / "data")


def in_a_process(manifest, run, epochs, *die_in, backend):
    command = [sys.executable, "-m", "tests.train.train_squares", str(manifest.root), str(run), str(epochs)]
    command += map(str, die_in)
    environment = os.environ | {"KERAS_BACKEND": backend}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("backend", list(dict.fromkeys([keras.backend.backend(), "torch"])))
def test_a_killed_training_ends_as_if_it_had_not_been_killed(squares, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    whole = in_a_process(squares, tmp_path / "whole", 4, backend=backend)
    killed = in_a_process(squares, tmp_path / "cut", 4, 2, backend=backend)
    resumed = in_a_process(squares, tmp_path / "cut", 4, backend=backend)
    assert (whole.returncode, killed.returncode, resumed.returncode) == (0, -signal.SIGKILL, 0), (
        resumed.stderr
    )
    assert "Epoch 3/4" in resumed.stdout and "Epoch 2/4" not in resumed.stdout
    expected, received = (np.load(tmp_path / name / "result.npz") for name in ("whole", "cut"))
    np.testing.assert_array_equal(received["weights"], expected["weights"])
    assert received["best"] == expected["best"]
    histories = [pd.read_csv(tmp_path / name / "history.csv") for name in ("whole", "cut")]
    pd.testing.assert_frame_equal(*histories)


def test_the_best_epoch_is_kept_and_only_two_weight_files_stay(squares, tmp_path):
    cache = ImageCache(squares, 16)
    model = tiny_model(squares.classes)
    best = train(
        model,
        Batches(cache, squares, 4, shuffle=True),
        Batches(cache, squares, 8),
        tmp_path,
        3,
        "val_accuracy",
    )
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert best == history["epoch"][history["val_accuracy"].idxmax()]
    assert model.evaluate(Batches(cache, squares, 8), verbose=0)[1] == pytest.approx(
        history["val_accuracy"].max()
    )
    state = json.loads((tmp_path / "checkpoint" / "state.json").read_text())
    kept = {path.name for path in (tmp_path / "checkpoint").glob("*.weights.h5")}
    assert kept == {state["last"], state["best"]}


def test_the_seconds_before_a_cut_are_counted(squares, tmp_path):
    assert trained_seconds(tmp_path / "run") == 0
    cache = ImageCache(squares, 16)

    def train_until(epoch):
        train(tiny_model(squares.classes), Batches(cache, squares, 4), None, tmp_path / "run", epoch, None)

    train_until(1)
    path = tmp_path / "run" / "checkpoint" / "state.json"
    state = json.loads(path.read_text())
    assert 0 < state["seconds"] == trained_seconds(tmp_path) < 600
    path.write_text(json.dumps(state | {"seconds": 5000.0}))
    train_until(2)
    assert 5000 < trained_seconds(tmp_path) < 5600
    train_until(2)  # nothing is left to train
    assert 5000 < trained_seconds(tmp_path) < 5600
    path.write_text("[]")
    assert trained_seconds(tmp_path) == 0


def test_the_training_step_is_traced_once(squares, tmp_path):
    cache = ImageCache(squares, 16)
    model = tiny_model(squares.classes)
    traces, step = [], model.train_step
    model.train_step = lambda *arguments: traces.append(1) or step(*arguments)
    train(model, Batches(cache, squares, 4), Batches(cache, squares, 4), tmp_path, 2, "val_accuracy")
    assert len(traces) == 1


def test_a_finished_training_is_not_trained_again(squares, tmp_path):
    cache = ImageCache(squares, 16)

    def fit():
        batches = Batches(cache, squares, 4, shuffle=True)
        return train(
            tiny_model(squares.classes), batches, Batches(cache, squares, 8), tmp_path, 1, "val_accuracy"
        )

    fit()
    written = (tmp_path / "history.csv").stat().st_mtime_ns
    fit()
    assert (tmp_path / "history.csv").stat().st_mtime_ns == written


def test_a_loss_that_is_not_finite_ends_the_training(squares, tmp_path):
    cache = ImageCache(squares, 16)
    model = tiny_model(squares.classes, learning_rate=float("inf"))
    with pytest.raises(FloatingPointError, match="the loss became nan in epoch 1"):
        train(model, Batches(cache, squares, 4), Batches(cache, squares, 8), tmp_path, 2, "val_accuracy")
    assert not (tmp_path / "history.csv").exists()


def test_infinity_counts_as_not_finite():
    callback = StopOnNonFiniteLoss()
    callback.on_epoch_begin(4)
    with pytest.raises(FloatingPointError, match="inf in epoch 5, batch 8"):
        callback.on_train_batch_end(7, {"loss": float("inf")})


@pytest.mark.parametrize(
    "monitor, values, expected",
    [
        ("val_loss", [3.0, 1.0, 2.0], 2),
        ("val_mean_squared_error", [3.0, 1.0, 2.0], 2),
        ("val_accuracy", [0.3, 0.1, 0.2], 1),
        ("val_accuracy", [float("nan"), 0.9, 0.5], 2),
        ("val_loss", [float("inf"), float("nan"), 2.0], 3),
        ("val_loss", [2.0, float("nan"), 3.0], 1),
    ],
)
def test_the_epoch_that_is_kept(squares, tmp_path, monkeypatch, monitor, values, expected):
    values = list(values)
    monkeypatch.setattr(Checkpoint, "_validate", lambda checkpoint: {monitor: values.pop(0)})
    batches = Batches(ImageCache(squares, 16), squares, 8)
    assert train(tiny_model(squares.classes), batches, None, tmp_path, 3, monitor) == expected


def test_a_monitor_that_nobody_logs_is_named(squares, tmp_path):
    cache = ImageCache(squares, 16)
    with pytest.raises(ValueError, match="monitor 'val_kappa' is not logged"):
        train(
            tiny_model(squares.classes),
            Batches(cache, squares, 4),
            Batches(cache, squares, 8),
            tmp_path,
            1,
            "val_kappa",
        )


def test_a_checkpoint_of_another_network_is_refused(squares, tmp_path):
    cache = ImageCache(squares, 16)
    train(
        tiny_model(squares.classes),
        Batches(cache, squares, 4),
        Batches(cache, squares, 8),
        tmp_path,
        1,
        "val_accuracy",
    )
    other = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match="does not fit this network"):
        Checkpoint(tmp_path, "val_accuracy").restore(other)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("history.csv", lambda text: "", "history.csv holds 0 whole epochs in their order, expected 2"),
        (
            "history.csv",
            lambda text: text[:-20],
            "history.csv holds 1 whole epochs in their order, expected 2",
        ),
        ("history.csv", lambda text: text.replace("\n2,", "\n3,"), "history.csv holds 2 whole epochs"),
        ("checkpoint/state.json", lambda text: text[:-20], "state.json is not valid JSON"),
        ("checkpoint/state.json", lambda text: "[]", r"state.json holds \[\], expected \['best'"),
        (
            "checkpoint/state.json",
            lambda text: text.replace('"last"', '"former"'),
            "state.json holds .*'former'",
        ),
        (
            "checkpoint/state.json",
            lambda text: json.dumps(json.loads(text) | {"random_states": []}),
            "of 0 random",
        ),
        (
            "checkpoint/state.json",
            lambda text: text.replace("epoch-002", "epoch-009"),
            "epoch-009.* does not fit",
        ),
    ],
)
def test_what_was_damaged_is_named_before_a_training_goes_on(squares, tmp_path, name, change, message):
    cache = ImageCache(squares, 16)

    def fit(epochs):
        batches = Batches(cache, squares, 4, shuffle=True), Batches(cache, squares, 8)
        train(tiny_model(squares.classes), *batches, tmp_path, epochs, "val_accuracy", verbose=0)

    fit(2)
    path = tmp_path / name
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message):
        fit(3)


def test_without_a_monitor_the_last_epoch_is_kept_and_no_validation_needed(squares, tmp_path):
    model = tiny_model(squares.classes)
    batches = Batches(ImageCache(squares, 16), squares, 4, shuffle=True)
    assert train(model, batches, None, tmp_path, 2, monitor=None) == 2
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["epoch"].tolist() == [1, 2] and "val_loss" not in history
    assert json.loads((tmp_path / "checkpoint" / "state.json").read_text())["best_epoch"] == 2


class StopAfter(keras.callbacks.Callback):
    """End a training after some epochs, as early stopping does."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 == self.epochs


@pytest.mark.parametrize("use_ema", [False, True])
def test_without_a_monitor_the_epoch_that_a_callback_stopped_in_is_kept(squares, tmp_path, use_ema):
    def fit(name, epochs, *callbacks):
        model = averaging_model(squares.classes) if use_ema else tiny_model(squares.classes)
        batches = Batches(ImageCache(squares, 16), squares, 4, shuffle=True)
        return train(model, batches, None, tmp_path / name, epochs, None, callbacks), model

    (kept, stopped), (_, whole) = fit("stopped", 5, StopAfter(2)), fit("whole", 2)
    assert kept == 2
    for received, expected in zip(stopped.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6)
    assert json.loads((tmp_path / "stopped" / "checkpoint" / "state.json").read_text())["epoch"] == 2
    # Called again it does not go on, for more epochs it does.
    assert fit("stopped", 5)[0] == 2 and len(pd.read_csv(tmp_path / "stopped" / "history.csv")) == 2
    assert fit("stopped", 6)[0] == 6


def test_the_epoch_that_is_kept_is_the_checkpoints_not_another_callbacks(squares, tmp_path):
    class Spoil(keras.callbacks.Callback):
        """Leave other weights behind, as `EarlyStopping(restore_best_weights=True)` does."""

        def on_train_end(self, logs=None):
            self.model.set_weights([0 * weight for weight in self.model.get_weights()])

    model = tiny_model(squares.classes)
    batches = Batches(ImageCache(squares, 16), squares, 4, shuffle=True)
    assert train(model, batches, None, tmp_path, 2, None, [Spoil()]) == 2
    assert np.any(model.get_weights()[0] != 0)


OTHER_SETTINGS = {
    "loss": lambda model, batches: setattr(model, "loss", "mean_squared_error"),
    "optimizer": lambda model, batches: model.compile(
        keras.optimizers.Adam(0.5), model.loss, metrics=["accuracy"], jit_compile=False
    ),
    "data": lambda model, batches: setattr(batches, "seed", 77),
}


@pytest.mark.parametrize("what", OTHER_SETTINGS)
def test_a_checkpoint_of_other_settings_is_refused(squares, tmp_path, what):
    cache = ImageCache(squares, 16)
    validation = Batches(cache, squares, 8)
    train(tiny_model(squares.classes), Batches(cache, squares, 4), validation, tmp_path, 1, "val_accuracy")
    model, batches = tiny_model(squares.classes), Batches(cache, squares, 4)
    OTHER_SETTINGS[what](model, batches)
    with pytest.raises(ValueError, match=rf"state.json is of another training \({what}: .* there, .* now"):
        train(model, batches, validation, tmp_path, 2, "val_accuracy")


def test_the_fingerprint_of_batches_sees_the_resampling(squares):
    cache = ImageCache(squares, 16)
    doubled = squares.select([*range(len(squares)), 0])
    assert Batches(cache, squares, 4).fingerprint() == Batches(cache, squares, 4).fingerprint()
    assert Batches(cache, squares, 4).fingerprint() != Batches(cache, doubled, 4).fingerprint()
    mixed = Batches(cache, squares, 4, batch_augmentation=lambda images, labels, seed: (images, labels))
    assert mixed.fingerprint() != Batches(cache, squares, 4).fingerprint()


def averaging_model(class_names):
    model = tiny_model(class_names)
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def test_averaged_weights_are_validated_kept_and_continued(squares, tmp_path):
    def fit(folder, epochs):
        model = averaging_model(squares.classes)
        batches = Batches(ImageCache(squares, 16), squares, 4, shuffle=True)
        train(model, batches, Batches(ImageCache(squares, 16), squares, 8), folder, epochs, "val_accuracy")
        return model

    whole = fit(tmp_path / "whole", 2)
    fit(tmp_path / "parts", 1)
    parts = fit(tmp_path / "parts", 2)
    for expected, received in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6)
    history = pd.read_csv(tmp_path / "whole" / "history.csv")
    kept = whole.evaluate(Batches(ImageCache(squares, 16), squares, 8), verbose=0)[1]
    assert kept == pytest.approx(history["val_accuracy"].max())


def test_weights_are_averaged_for_a_while_and_given_back(squares):
    model = averaging_model(squares.classes)
    model.fit(Batches(ImageCache(squares, 16), squares, 4), epochs=1, verbose=0, shuffle=False)
    model.optimizer.ema_overwrite_frequency = None
    raw = [weight + 1 for weight in model.get_weights()]
    model.set_weights(raw)
    with averaged_weights(model):
        assert not np.allclose(model.get_weights()[0], raw[0])
    for before, after in zip(raw, model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)


AVERAGES = """
import keras, numpy as np
from drcls.train import averaged_weights
inputs = keras.Input((4,))
model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(inputs))
model.compile(keras.optimizers.Adam(0.1, use_ema=True), "categorical_crossentropy")
x, y = np.eye(4, dtype="float32"), np.eye(2, dtype="float32")[[0, 1, 1, 0]]

class Swap(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        before = [np.array(weight) for weight in self.model.get_weights()]
        with averaged_weights(self.model):
            self.model.evaluate(x, y, verbose=0)
            moved = any((a != b).any() for a, b in zip(before, self.model.get_weights()))
        assert moved == (epoch > 0)  # the first step's average is the weight
        assert all((a == b).all() for a, b in zip(before, self.model.get_weights()))

model.fit(x, y, epochs=4, verbose=0, callbacks=[Swap()])
model.get_weights()
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_averages_come_and_go_between_epochs_on_every_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", AVERAGES]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
