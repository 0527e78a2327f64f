"""The same backbone, images, split and number of epochs in `drcls train` and in AUCMEDI, each with its own recipe.

AUCMEDI (Müller and Kramer) is installed into an environment of its own:

    python -m venv aucmedi && aucmedi/bin/pip install aucmedi
    python -m benchmarks.against_aucmedi aucmedi/bin/python

Three seeds, the two sides in turns; the seconds of an epoch without the first one, which compiles, and the accuracy on
the same test images. The data are the 402 real blood cells that come with drcls.
"""

import argparse
import ast
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.__main__ import load, machine
from drcls.metrics import wilson_interval
from drcls.models import build_backbone

RESULT = Path(__file__).with_name("aucmedi.json")
SIDE = Path(__file__).with_name("aucmedi_side.py")
# What the user of drcls types: `split.csv`, the test part and its measures come with the second.
COMMANDS = ("drcls prepare cells prepared", "drcls train prepared run")
SIZE, EPOCHS, BATCH_SIZE, SEEDS = 96, 12, 32, (0, 1, 2)
ENVIRONMENT = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("python", help="the Python of an environment that holds AUCMEDI")
    options = parser.parse_args(arguments)
    version = subprocess.run(
        [options.python, "-c", "import importlib.metadata as m; print(m.version('aucmedi'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    record = {"aucmedi": version, "machine": machine(), "date": f"{datetime.date.today()}", "load": load()}
    with tempfile.TemporaryDirectory() as folder:
        runs = compare(Path(folder), options.python)
    settings = {"size": SIZE, "epochs": EPOCHS, "batch_size": BATCH_SIZE, "backbone": "EfficientNetLite0"}
    RESULT.write_text(json.dumps(record | settings | summarise(runs) | {"runs": runs}, indent=1) + "\n")
    print(RESULT.read_text())


def compare(folder, python):
    """Train both sides for every seed, in turns; return a list of dict, one a run."""
    build_backbone("EfficientNetLite0", SIZE, "imagenet").save(folder / "backbone.keras")
    drcls("sample", "blood_cells", folder / "cells")
    drcls("prepare", folder / "cells", folder / "prepared", "--size", SIZE)
    runs = []
    for seed in SEEDS:
        run = folder / f"ours{seed}"
        seconds = train(folder / "prepared", run, seed)
        predictions = pd.read_csv(run / "predictions.csv", dtype=str)
        right = predictions["label"] == predictions["predicted"]
        runs.append(described("drcls", seed, seconds, right))
        seconds, right = train_aucmedi(folder, python, run / "split.csv")
        runs.append(described("AUCMEDI", seed, seconds, right))
        print(*runs[-2:], sep="\n", flush=True)
    return runs


def train(prepared, run, seed):
    """Run `drcls train` and return the seconds of its epochs, told by when their lines are printed."""
    options = ["--image-size", SIZE, "--epochs", EPOCHS, "--batch-size", BATCH_SIZE, "--seed", seed]
    command = [sys.executable, "-m", "drcls", "train", prepared, run, *options]
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    times = [time.perf_counter() for line in process.stdout if line.startswith("epoch ")]
    if process.wait():
        raise SystemExit(f"{command} ended with {process.returncode}")
    return np.diff(times).tolist()


def train_aucmedi(folder, python, split):
    """Train AUCMEDI's side on the same split; return the seconds of its epochs and bool (N,), which are right."""
    task = {
        "backbone": str(folder / "backbone.keras"),
        "images": str(folder / "prepared"),
        "split": str(split),
        "size": SIZE,
        "epochs": EPOCHS,
        "batch_size": BATCH_SIZE,
        "out": str(folder / "aucmedi.json"),
    }
    (folder / "task.json").write_text(json.dumps(task))
    subprocess.run([python, SIDE, folder / "task.json"], check=True, env=ENVIRONMENT)
    measured = json.loads((folder / "aucmedi.json").read_text())
    predicted = np.array(measured["classes"])[np.argmax(measured["probabilities"], axis=1)]
    table = pd.read_csv(split, dtype=str)
    return measured["seconds"][1:], predicted == table.loc[table["part"] == "test", "label"].to_numpy()


def described(side, seed, seconds, right):
    low, high = wilson_interval(int(np.sum(right)), len(right))
    return {
        "side": side,
        "seed": seed,
        "seconds_per_epoch": statistics.median(seconds),
        "right": int(np.sum(right)),
        "test_images": len(right),
        "wilson": [low, high],
    }


def summarise(runs):
    """Return the ratios over the seeds: their seconds over ours, and the mean accuracies."""
    pairs = list(zip(runs[::2], runs[1::2], strict=True))
    ratios = [theirs["seconds_per_epoch"] / ours["seconds_per_epoch"] for ours, theirs in pairs]
    accuracy = {
        run["side"]: statistics.mean(
            other["right"] / other["test_images"] for other in runs if other["side"] == run["side"]
        )
        for run in runs
    }
    measured = {"seconds_ratio": statistics.median(ratios), "seconds_ratios": ratios}
    return measured | {"mean_accuracy": accuracy, "lines_typed": lines_typed()}


def lines_typed():
    """Return what a user types for the same work, `{side: number}`: our commands, and AUCMEDI's lines of code.

    Docstrings, comments, empty lines and the clock of the benchmark are not counted. AUCMEDI's own commands take no
    saved backbone and no given split, so that its side is written in Python.
    """
    tree = ast.parse(SIDE.read_text())
    kept = [node for node in tree.body if getattr(node, "name", None) != "Clock"]
    return {
        "drcls": len(COMMANDS),
        "AUCMEDI": sum(bool(line.strip()) for node in kept for line in code_of(node).splitlines()),
    }


def code_of(node):
    """Return the code of a node of a module without its docstrings; nothing for a docstring."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return ""
    for inner in ast.walk(node):
        if isinstance(inner, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(inner) is not None:
            inner.body = inner.body[1:]
    return ast.unparse(node)


def drcls(*words):
    subprocess.run([sys.executable, "-m", "drcls", *map(str, words)], check=True, env=ENVIRONMENT)


if __name__ == "__main__":
    main()
