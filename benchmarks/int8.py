"""What int8 costs and gains on a trained network and its own test images: `python -m benchmarks.int8 RUN DATA`.

RUN is a run folder (`model.keras`, `split.csv`), DATA the prepared folder that it was trained on. Ranges are measured
on 256 training images. `model.predict`, onnxruntime in float32 and in int8 predict 256 test images in turns. Writes
int8.json, from which `python -m benchmarks --page` makes its section.
"""

import argparse
import datetime
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.__main__ import FOLDER, load, machine
from drcls.data import ImageCache, load_manifest
from drcls.export import onnx_function
from drcls.export.quantisation import export_int8, loss_by_quantisation
from drcls.models.saved import load_saved_model

NUM_CALIBRATION, NUM_TIMED, ROUNDS = 256, 256, 5


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    options = parser.parse_args(arguments)
    record = {"machine": machine(), "date": f"{datetime.date.today()}", "load": load()}
    record |= {"row": "/".join(options.run.resolve().parts[-2:]), "data": options.data.resolve().name}
    (FOLDER / "int8.json").write_text(
        json.dumps(record | measure(options.run, options.data), indent=1) + "\n"
    )
    print((FOLDER / "int8.json").read_text())


def measure(run, data):
    model, manifest = load_saved_model(run), load_manifest(data)
    size = model.input_shape[1]
    cache, split = ImageCache(manifest, size), pd.read_csv(run / "split.csv", dtype=str)
    parts = {part: manifest.select(rows_of(manifest, split, part)) for part in ("train", "test")}
    train, test = (cache.images[cache.rows(part)] for part in parts.values())
    chosen = np.random.default_rng(0).choice(len(train), min(NUM_CALIBRATION, len(train)), replace=False)
    with tempfile.TemporaryDirectory() as folder:
        int8 = export_int8(model, Path(folder) / "int8.onnx", "onnx", train[chosen])
    sides = {
        "model.predict": lambda images: model.predict(images.astype("float32"), batch_size=32, verbose=0),
        "onnxruntime, float32": in_batches(onnx_function(model)),
        "onnxruntime, int8": in_batches(int8),
    }
    outputs = {name: side(test) for name, side in sides.items()}
    np.testing.assert_allclose(outputs["onnxruntime, float32"], outputs["model.predict"], atol=1e-4)
    loss = loss_by_quantisation(outputs["model.predict"], outputs["onnxruntime, int8"], parts["test"].labels)
    seconds = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            started = time.perf_counter()
            side(test[:NUM_TIMED])
            seconds[name].append(time.perf_counter() - started)
    rates = {name: min(NUM_TIMED, len(test)) / statistics.median(values) for name, values in seconds.items()}
    return {"size": size, "loss": loss, "seconds": seconds, "images_per_second": rates}


def rows_of(manifest, split, part):
    row = {path: number for number, path in enumerate(manifest.frame["path"])}
    return [row[path] for path in split.loc[split["part"] == part, "path"]]


def in_batches(forward):
    return lambda images: np.concatenate(
        [forward(images[start : start + 32].astype("float32")) for start in range(0, len(images), 32)]
    )


if __name__ == "__main__":
    main()
