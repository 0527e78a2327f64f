"""How far a training is and how long it still takes."""

import sys
import time

import keras


class Progress(keras.callbacks.Callback):
    """Print one line an epoch; on a terminal also how far the present epoch is.

    Args:
        stream: where to; default: standard output as it is when training begins.
    """

    def __init__(self, stream=None):
        super().__init__()
        self.stream = stream

    def on_train_begin(self, logs=None):
        self.stream = self.stream or sys.stdout
        self.started, self.first, self.epoch = time.monotonic(), None, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.first = epoch if self.first is None else self.first
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.stream.isatty():
            text = f"epoch {self.epoch + 1} of {self.params['epochs']}, batch {batch + 1} of {self.params['steps']}"
            print(
                f"\r{text}{self._left(self.epoch + (batch + 1) / self.params['steps'])}",
                end="",
                file=self.stream,
            )

    def on_epoch_end(self, epoch, logs=None):
        shown = ("loss", "val_loss", "val_accuracy", "val_macro_f1")
        values = "".join(f", {name} {logs[name]:.4f}" for name in shown if name in (logs or {}))
        start = "\r\x1b[K" if self.stream.isatty() else ""
        text = f"{start}epoch {epoch + 1} of {self.params['epochs']}{values}{self._left(epoch + 1)}"
        print(text, file=self.stream, flush=True)

    def _left(self, done):
        """Say how long the rest takes when it goes on as in this process so far."""
        trained, rest = done - self.first, self.params["epochs"] - done
        if not trained or not rest:
            return ""
        return f", about {spoken((time.monotonic() - self.started) / trained * rest)} left"


def spoken(seconds):
    """Say a duration in the unit that fits: 40 s, 4 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
