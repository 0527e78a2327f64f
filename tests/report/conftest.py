"""Fabricated runs: the labels are drawn by a random generator, nothing here was ever trained."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

from drcls.metrics import classification_metrics, wald_interval, wilson_interval

CLASSES = ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]


@pytest.fixture
def fabricate(tmp_path):
    """Return a function that writes one made-up run folder, below `tmp_path / "runs"`, and returns it."""

    def write(
        variant, protocol="clean", seed=0, data="fake", quality=0.7, finished=True, sample="", **fields
    ):
        set_name = f"{data}-{protocol}-quick-s{seed}"
        folder = tmp_path / "runs" / set_name / variant
        folder.mkdir(parents=True)
        identity = dict(data=data, protocol=protocol, profile="quick", seed=seed, variant=variant)
        env = dict(versions={"keras": "0.0-fake"}, backend="fake", device="fake CPU", wall_seconds=61.4)
        config = identity | {"phantom": data.startswith("phantom")} | ({"sample": sample} if sample else {})
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "env.json").write_text(json.dumps(env | {"git_commit": "0123456789abcdef"}))
        _history(folder, quality)
        if finished:
            metrics = identity | _results(folder, quality, seed) | fields
            (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    return write


def _history(folder, quality, epochs=6):
    steps = np.linspace(0, 1, epochs)
    curves = {"epoch": range(1, epochs + 1), "loss": 1.6 - steps, "accuracy": 0.3 + quality * steps / 2}
    curves |= {"val_loss": 1.7 - 0.6 * steps, "val_accuracy": 0.25 + quality * steps / 2}
    pd.DataFrame(curves).to_csv(folder / "history.csv", index=False)


def _results(folder, quality, seed, number=120):
    """Write predictions that are right with probability `quality`; return what metrics.json holds."""
    y_true = np.arange(number) % 5
    rng = np.random.default_rng(int(1000 * quality) + seed)
    y_pred = np.where(rng.random(number) < quality, y_true, rng.integers(5, size=number))
    probabilities = np.full((number, 5), 0.05)
    probabilities[np.arange(number), y_pred] = 0.8
    names = np.array(CLASSES)
    frame = pd.DataFrame({"path": [f"images/{i:03}.png" for i in range(number)], "label": names[y_true]})
    frame = frame.assign(group=frame["path"], predicted=names[y_pred])
    frame[[f"p_{name}" for name in CLASSES]] = probabilities
    frame.to_csv(folder / "predictions.csv", index=False)
    right = int((y_true == y_pred).sum())
    accuracy = {"wald": wald_interval(right / number, number), "wilson": wilson_interval(right, number)}
    return {
        "num_test": number,
        "class_names": CLASSES,
        "metrics": classification_metrics(y_true, probabilities, CLASSES),
        "intervals": {"accuracy": accuracy | {"bootstrap": [0.5, 0.75]}},
        "leakage": {"overall": 0.25, "per_class": dict.fromkeys(CLASSES, 0.125)},
        "explain": {},
        "note": "",
    }


@pytest.fixture
def drawn(monkeypatch):
    """Return a list of the canvases saved, so that their text can be read."""
    saved, savefig = [], Canvas.savefig

    def record(canvas, *args, **kwargs):
        saved.append(canvas)
        return savefig(canvas, *args, **kwargs)

    monkeypatch.setattr(Canvas, "savefig", record)
    return saved
