"""Training that can be cut at any moment and goes on from its last finished epoch."""

import csv
import math
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from drcls.files import read_json, write_csv, write_json
from drcls.train.batch_norm import BatchNormReestimation
from drcls.train.devices import DivideBatches, EqualShares, check_batch_size, num_devices
from drcls.train.fused_adam import fuse_adam
from drcls.train.fused_batch_norm import fused_batch_norm
from drcls.train.settings import check_same_training, describe_training
from drcls.train.torch_generators import generator_states, set_generator_states

# Writing the weights of a small network takes longer than an epoch of it.
SECONDS_BETWEEN = 20
# Enough that the mean of a channel is known to a few percent of its standard deviation, cheap beside an epoch.
STATISTICS_IMAGES = 2048
# How the names of quantities end of which less is better.
MINIMISED = ("loss", "error", "crossentropy", "mae", "mse")


def train(
    model, batches, validation_batches, folder, epochs, monitor="val_macro_f1", callbacks=(), verbose=None
):
    """Fit a compiled model, keep the epoch that is best on validation (or the last), and leave a history.

    Before each validation and before weights are kept, the statistics of batch normalisation are computed anew from
    un-augmented training images (`BatchNormReestimation`). An optimizer with `use_ema=True` is validated and kept
    with its averaged weights.

    After every epoch the weights, the optimizer and the random states, on PyTorch also those of its own generators,
    are written to `folder/checkpoint`; where the last epoch is kept, at most every 20 seconds.
    Inside `use_devices`, each batch is divided among the devices. Called again on the same folder, also with another
    number of devices, training continues after the last finished epoch and ends with the same
    weights as if it had not been interrupted. Where a callback ended it early, it continues only if more epochs
    are asked for.

    Args:
        model: compiled keras.Model, freshly built.
        batches: `Batches` of the training part.
        validation_batches: `Batches` of the validation part, the only part that chooses anything; None where
            nothing is chosen.
        folder: the variant's run folder; `history.csv` and `checkpoint/` are written there.
        epochs: int, in total.
        monitor: str, a logged quantity; the epoch with its largest value is kept, or with its smallest where the name
            ends in "loss", "error", "crossentropy", "mae" or "mse". An epoch without a finite value is kept only
            until another has one. None: the last epoch is.
        callbacks: further Keras callbacks, for example TensorBoard.
        verbose: int, how `fit` tells its progress (0: not); None: bars on a terminal, else one line an epoch.

    Returns:
        int, the epoch that was kept, counted from 1. The model then holds its weights.

    Raises:
        FloatingPointError: where the loss is no longer finite.
        ValueError: where a checkpoint is of another network, loss, optimizer, data or `monitor`, or damaged,
            `monitor` is not logged, or the devices do not divide a batch.
    """
    number = num_devices()
    check_batch_size(batches.batch_size, number)
    checkpoint = Checkpoint(
        Path(folder),
        monitor,
        batches.unaugmented(STATISTICS_IMAGES),
        validation_batches,
        describe_training(model, batches, monitor),
    )
    build_train_state(model, validation_batches or batches)
    fuse_adam(model.optimizer)
    first = checkpoint.restore(model)
    if checkpoint.stopped_of < epochs:
        with fused_batch_norm(model):
            model.fit(
                batches if number == 1 else EqualShares(batches, number),
                epochs=epochs,
                initial_epoch=first,
                callbacks=[
                    DivideBatches(),
                    SyncEpoch(batches),
                    StopOnNonFiniteLoss(),
                    checkpoint,
                    *callbacks,
                    KeepStopped(checkpoint),
                ],
                # The batches shuffle by their own seed; `fit` would shuffle them again by Python's global one.
                shuffle=False,
                verbose=(1 if sys.stdout.isatty() else 2) if verbose is None else verbose,
            )
    return checkpoint.restore_best(model)


def cosine_decay_with_warmup(peak, steps, warmup_share):
    """Return a learning-rate schedule: up from a tenth of the peak, then down to zero along a cosine.

    Args:
        peak: float, the largest learning rate.
        steps: int, optimizer steps of the entire training.
        warmup_share: float of 0 or more and below 1, share of the steps that go up.

    Raises:
        ValueError: on another share.
    """
    if not 0 <= warmup_share < 1:
        raise ValueError(f"warmup_share must be 0 or more and below 1; received {warmup_share}")
    warmup = int(warmup_share * steps)
    return keras.optimizers.schedules.CosineDecay(
        peak / 10, steps - warmup, warmup_target=peak, warmup_steps=warmup
    )


def build_train_state(model, batches):
    """Create what `fit` would create within its first step: the optimizer's and the metrics' variables.

    TensorFlow traces a step a second time when the first trace has created variables. With the 364 weights of
    DenseNet121 that is half a minute on a CPU.

    Args:
        model: compiled keras.Model.
        batches: `Batches` with the shapes of training; one batch is read, no weight changes.
    """
    images, y_true = batches[0]
    y_pred = ops.full(y_true.shape, 1 / y_true.shape[-1])
    model.optimizer.build(model.trainable_variables)
    model.compute_loss(images, y_true, y_pred)
    model.compute_metrics(images, y_true, y_pred)
    model.reset_metrics()


def trained_seconds(folder):
    """Say how long the epochs in a run folder were trained for, before a cut: what a resumed run adds its own time to.

    Args:
        folder: Path of the run folder; there or not. Trainings in folders of it count too.

    Returns:
        float, up to the last epoch that was kept; 0 where none was.
    """
    states = map(read_json, Path(folder).rglob("checkpoint/state.json"))
    # What else is wrong with a damaged one is told when the training goes on.
    return float(sum(state.get("seconds", 0) for state in states if isinstance(state, dict)))


class SyncEpoch(keras.callbacks.Callback):
    """Tell the batches which epoch begins: `fit` may call their `on_epoch_end` once more while it builds."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.start(epoch)


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """End training with an error as soon as the loss is NaN or infinite."""

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} in epoch {self._epoch + 1}, batch {batch + 1}; "
                "lower the learning rate or look at the labels and weights"
            )


class Checkpoint(keras.callbacks.Callback):
    """Validate and write each epoch's weights, keep the last and the best, and the history of all.

    `checkpoint/state.json` names the two weight files and is replaced after they are written, so whatever
    moment the process dies at, it names complete files.

    Args:
        folder: Path of the variant's run folder.
        monitor: str, the logged quantity that marks the best epoch, as in `train`; None: the last is kept.
        statistics_batches: training images without augmentation, for the statistics of batch normalisation; None
            leaves them as training left them.
        validation_batches: `Batches` of the validation part, or None.
        training: dict of `describe_training`, which a checkpoint to go on with must share; None: not compared.
    """

    def __init__(self, folder, monitor, statistics_batches=None, validation_batches=None, training=None):
        super().__init__()
        self.folder, self.monitor = folder / "checkpoint", monitor
        self.history_path = folder / "history.csv"
        self.statistics_batches, self.validation_batches = statistics_batches, validation_batches
        self.reestimate, self.training = None, training
        self.state = {"epoch": 0, "last": None, "best": None, "best_epoch": 0, "best_value": None}
        self.history, self.saved = [], time.monotonic()
        self.began = self.saved

    def restore(self, model):
        """Load the last finished epoch into the model, if there is one, and return its number."""
        if not (self.folder / "state.json").is_file():
            return 0
        path = self.folder / "state.json"
        found = read_json(path)
        expected = {*self.state, "training", "random_states", "torch_generators"}
        if not isinstance(found, dict) or not expected <= set(found):
            raise self._damaged(path, f"holds {sorted(found)}, expected {sorted(expected)}")
        self.state = found
        self.began -= found.get("seconds", 0)
        check_same_training(path, self.state["training"], self.training)
        self.history = self._read_history()
        self._load(model, self.state["last"])
        states, values = _random_states(model), self.state["random_states"]
        if len(states) != len(values):
            raise self._damaged(path, f"is of {len(values)} random layers; the network has {len(states)}")
        for state, value in zip(states, values, strict=True):
            state.assign(np.array(value))
        try:
            set_generator_states(self.state["torch_generators"])
        except ValueError as error:
            raise self._damaged(path, f"is damaged at torch_generators: {error}") from error
        return self.state["epoch"]

    def _read_history(self):
        """Read the rows of the finished epochs: `history.csv` is written anew from them, and reports show it."""
        path, epochs = self.history_path, self.state["epoch"]
        rows = []
        if path.is_file():
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))[:epochs]
        numbers = [row.get("epoch") for row in rows if None not in row.values()]
        if numbers != [str(number + 1) for number in range(epochs)]:
            raise self._damaged(path, f"holds {len(numbers)} whole epochs in their order, expected {epochs}")
        return rows

    def _damaged(self, path, why):
        return ValueError(f"{path} {why}; remove {self.folder.parent} or train with --force")

    @property
    def stopped_of(self):
        """Of how many epochs a callback ended the training early, or 0; called again, it does not go on."""
        return self.state.get("stopped_of", 0)

    def restore_best(self, model):
        """Load the best epoch into the model, whatever other callbacks left in it, and return its number."""
        if self.state["best"]:
            self._load(model, self.state["best"])
        return self.state["best_epoch"]

    def on_train_begin(self, logs=None):
        if self.statistics_batches is not None:
            self.reestimate = BatchNormReestimation(self.model, self.statistics_batches)

    def on_epoch_end(self, epoch, logs=None):
        is_last = epoch + 1 == self.params["epochs"]
        due = self.monitor or is_last or time.monotonic() - self.saved >= SECONDS_BETWEEN
        with averaged_weights(self.model):
            if self.reestimate and (due or self.validation_batches is not None):
                self.reestimate()
            logs.update(self._validate())
        self.history.append({"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}})
        if due:
            self._keep(epoch, logs)
        else:
            write_csv(self.history_path, pd.DataFrame(self.history))

    def keep_stopped(self, epoch, logs):
        """Keep an epoch that ended the training early, unless it is kept already, and that it did."""
        if self.state["epoch"] <= epoch:
            if self.reestimate:
                with averaged_weights(self.model):
                    self.reestimate()
            self._keep(epoch, logs)
        self.state["stopped_of"] = self.params["epochs"]
        write_json(self.folder / "state.json", self.state)

    def _keep(self, epoch, logs):
        best, last = f"best-{epoch + 1:03d}.weights.h5", f"epoch-{epoch + 1:03d}.weights.h5"
        is_best = self._is_best(epoch, logs)
        if is_best and _averages(self.model):
            with averaged_weights(self.model):
                self._save(best)
        write_csv(self.history_path, pd.DataFrame(self.history))
        self._save(last)
        self.saved = time.monotonic()
        if is_best:
            self.state |= {"best": best if _averages(self.model) else last, "best_epoch": epoch + 1}
            value = float(logs[self.monitor]) if self.monitor else epoch
            self.state["best_value"] = value if math.isfinite(value) else None
        self.state |= {
            "epoch": epoch + 1,
            "seconds": round(self.saved - self.began, 1),
            "last": last,
            "training": self.training,
            "random_states": [ops.convert_to_numpy(state).tolist() for state in _random_states(self.model)],
            "torch_generators": generator_states(),
        }
        write_json(self.folder / "state.json", self.state)
        for file in self.folder.glob("*.weights.h5"):
            if file.name not in (self.state["last"], self.state["best"]):
                file.unlink()

    def _validate(self):
        if self.validation_batches is None:
            return {}
        measured = self.model.evaluate(self.validation_batches, verbose=0, return_dict=True)
        return {f"val_{name}": value for name, value in measured.items()}

    def _is_best(self, epoch, logs):
        if self.monitor and self.monitor not in logs:
            raise ValueError(f"monitor {self.monitor!r} is not logged; logged are {sorted(logs)}")
        value, best = float(logs[self.monitor]) if self.monitor else epoch, self.state["best_value"]
        if best is None:
            return True
        return value < best if (self.monitor or "").endswith(MINIMISED) else value > best

    def _save(self, name):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model.save_weights(self.folder / name, overwrite=True)

    def _load(self, model, name):
        path = self.folder / name
        try:
            model.load_weights(path)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(
                f"{path} does not fit this network ({error}); "
                f"remove {self.folder.parent} or train with --force"
            ) from error


class KeepStopped(keras.callbacks.Callback):
    """Keep the epoch in which a callback before this one ended the training.

    Args:
        checkpoint: `Checkpoint`, which comes first, because others read the validation that it logs.
    """

    def __init__(self, checkpoint):
        super().__init__()
        self.checkpoint = checkpoint

    def on_epoch_end(self, epoch, logs=None):
        if self.model.stop_training:
            self.checkpoint.keep_stopped(epoch, logs)


@contextmanager
def averaged_weights(model):
    """Give a model the moving average of its weights for a while, where its optimizer keeps one.

    Afterwards it has its own weights again, to the last bit.

    Args:
        model: compiled keras.Model; with `use_ema=False` it keeps its weights.
    """
    if not _averages(model):
        yield
        return
    # `keras.callbacks.SwapEMAWeights` swaps by sums on TensorFlow, whose rounding moves weights and averages.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    variables, averages = optimizer._trainable_variables, optimizer._model_variables_moving_average
    weights = [_copy(weight) for weight in variables]
    for weight, average in zip(variables, averages, strict=True):
        weight.assign(_copy(average))
    try:
        yield
    finally:
        for weight, value in zip(variables, weights, strict=True):
            weight.assign(value)


def _copy(variable):
    """Return an array of its own: torch's shares the variable's memory, and JAX gives that away in its next step."""
    return np.array(ops.convert_to_numpy(variable))


def _averages(model):
    return model.optimizer.use_ema


def _random_states(model):
    """Return the states of all random layers (dropout, DropBlock), in the order of the layers."""
    return [variable for variable in model.non_trainable_variables if "seed_generator" in variable.path]
