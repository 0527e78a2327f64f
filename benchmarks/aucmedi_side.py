"""AUCMEDI's side of `against_aucmedi.py`; runs in AUCMEDI's own environment, which need not hold drcls.

python aucmedi_side.py TASK.json

TASK.json: `backbone` (a `.keras` feature extractor), `images` (folder), `split` (CSV of path, label and part), `size`,
`epochs`, `batch_size`, `out` (JSON file to write: the seconds of every epoch and the probabilities of the test part).
"""

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from aucmedi import DataGenerator, ImageAugmentation, NeuralNetwork
from aucmedi.neural_network.architectures import Architecture_Base, Classifier
from aucmedi.neural_network.loss_functions import categorical_focal_loss
from aucmedi.utils.class_weights import compute_class_weights


class GivenBackbone(Architecture_Base):
    """A saved feature extractor under AUCMEDI's own classification head."""

    def __init__(self, classification_head, channels, input_shape, pretrained_weights=True, file=None):
        self.classifier, self.input, self.file = classification_head, (*input_shape, channels), file
        self.pretrained_weights = pretrained_weights

    def create_model(self):
        images = keras.Input(self.input)
        return self.classifier.build(images, keras.models.load_model(self.file)(images))


class Clock(keras.callbacks.Callback):
    """Note the seconds of every epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.started)


def main(task):
    split = pd.read_csv(task["split"], dtype=str)
    classes = sorted(set(split["label"]))
    one_hot = np.eye(len(classes))[[classes.index(label) for label in split["label"]]]
    rows = {part: np.flatnonzero(split["part"] == part) for part in ("train", "validation", "test")}
    options = {"path_imagedir": task["images"], "batch_size": task["batch_size"], "workers": 2}
    size = (task["size"], task["size"])
    # The backbone takes 0..255 and scales by itself.
    options |= {"resize": size, "standardize_mode": None, "image_format": None}

    def generator(part, **more):
        return DataGenerator(list(split["path"].iloc[rows[part]]), **options, **more)

    weights, _ = compute_class_weights(one_hot[rows["train"]])
    head = Classifier(len(classes), activation_output="softmax")
    network = NeuralNetwork(
        len(classes),
        channels=3,
        architecture=GivenBackbone(head, 3, size, file=task["backbone"]),
        loss=categorical_focal_loss(weights),
    )
    clock = Clock()
    network.train(
        generator("train", labels=one_hot[rows["train"]], data_aug=ImageAugmentation(), shuffle=True),
        generator("validation", labels=one_hot[rows["validation"]]),
        epochs=task["epochs"],
        callbacks=[clock],
    )
    probabilities = network.predict(generator("test"))
    content = {"seconds": clock.seconds, "classes": classes, "probabilities": probabilities.tolist()}
    Path(task["out"]).write_text(json.dumps(content))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
