"""What is recorded of a training beside its figures."""

import keras

from drcls.data import ImageCache, split
from drcls.files import read_json
from experiments.common.training import train_and_predict
from tests.small_data import write_squares

CONFIG = {
    "batch_size": 4,
    "augmentation": None,
    "seed": 0,
    "epochs": 5,
    "learning_rate": 0.01,
    "warmup_share": 0.1,
    "monitor": "val_accuracy",
}


class StopAfterTwo(keras.callbacks.Callback):
    """End training early, as `EarlyStopping` does."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


def test_where_training_stops_early_the_epochs_that_were_run_are_counted(tmp_path):
    manifest = write_squares(tmp_path / "data", per_class=8)
    parts = split(manifest, (0.5, 0.25, 0.25), 0, "grouped")
    pooled = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(len(manifest.classes), "softmax")]
    model = keras.Sequential([keras.Input((16, 16, 3)), *pooled])
    cache = ImageCache(manifest, 16)
    loss = "categorical_crossentropy"
    train_and_predict(model, loss, CONFIG, cache, parts, tmp_path / "run", [StopAfterTwo()])
    summary = read_json(tmp_path / "run" / "training.json")
    assert summary["epochs"] == 2
    assert summary["steps"] == 2 * -(-len(parts["train"]) // 4)
