"""Callbacks of the experiments: TensorBoard, and Keras' early stopping and plateau rule told by the history on disk.

Keras' own two count anew when a training is resumed, and a learning rate lowered at the end of an epoch comes too late
for the checkpoint of that epoch. Read from the history, both go on as if the training had never been cut.
"""

import keras
import numpy as np
import pandas as pd

LEAST_RISE = 1e-4  # of an accuracy, as Keras has it


def watch(folder, wanted):
    """Return the callbacks that log a training to `folder/tensorboard`: one where that is wanted, else none."""
    return [keras.callbacks.TensorBoard(folder / "tensorboard")] if wanted else []


class StopAtRisingLoss(keras.callbacks.Callback):
    """End a training whose validation loss has not fallen for a while.

    Args:
        folder: Path of the run folder, where `train` writes `history.csv`.
        patience: int, epochs without a smaller validation loss.
    """

    def __init__(self, folder, patience):
        super().__init__()
        self.history, self.patience = folder / "history.csv", patience

    def on_epoch_end(self, epoch, logs=None):
        losses = pd.read_csv(self.history)["val_loss"]
        if len(losses) - 1 - losses.argmin() >= self.patience:
            self.model.stop_training = True


class LowerRateOnPlateau(keras.callbacks.Callback):
    """Lower the learning rate whenever the validation accuracy has not risen for a while.

    Args:
        folder: Path of the run folder, where `train` writes `history.csv`.
        learning_rate: float, of the first epoch.
        factor: float, what the rate is multiplied by.
        patience: int, epochs without a higher validation accuracy.
    """

    def __init__(self, folder, learning_rate, factor, patience):
        super().__init__()
        self.history, self.learning_rate = folder / "history.csv", learning_rate
        self.factor, self.patience = factor, patience

    def on_epoch_begin(self, epoch, logs=None):
        accuracies = pd.read_csv(self.history)["val_accuracy"][:epoch] if epoch else []
        self.model.optimizer.learning_rate = self.learning_rate * self.factor ** num_plateaus(
            accuracies, self.patience
        )


def num_plateaus(accuracies, patience):
    """Count how often Keras' `ReduceLROnPlateau` would have lowered the rate by now.

    Args:
        accuracies: floats, one for each finished epoch.
        patience: int.

    >>> num_plateaus([0.5, 0.6, 0.6, 0.6, 0.7, 0.7, 0.7], patience=2)
    2
    """
    best, waited, found = -np.inf, 0, 0
    for accuracy in accuracies:
        if accuracy > best + LEAST_RISE:
            best, waited = accuracy, 0
            continue
        waited += 1
        if waited == patience:
            waited, found = 0, found + 1
    return found
