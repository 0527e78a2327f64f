"""Small trainings of the focal-loss study in one process that keeps its networks, against a process for each.

python -m benchmarks.trials DATA FOLDER NUMBER ...     what the processes of the comparison run
"""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from benchmarks.comparison import Comparison, cpu_of_children

METHODS, SEEDS = ("focal_0.25", "cross_entropy"), (0, 1)


def comparisons():
    from experiments.canine_rbc_focal.experiment import RED_CELLS_SAMPLE, STAND_INS

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data = folder / "cells"
        STAND_INS[RED_CELLS_SAMPLE.name](data)
        numbers = range(len(trials(folder)))

        def ours(runs=None):
            train(data, runs or tempfile.mkdtemp(dir=folder), numbers)

        def theirs(runs=None):
            runs = runs or tempfile.mkdtemp(dir=folder)
            for number in numbers:
                train(data, runs, [number])

        def check():
            """Every epoch of every trial measures the same, to the last digit."""
            ours(folder / "ours")
            theirs(folder / "theirs")
            for trial in trials(folder / "ours"):
                other = folder / "theirs" / trial.folder.name / "history.csv"
                assert (trial.folder / "history.csv").read_text() == other.read_text(), trial.folder.name

        yield Comparison(
            what="a grid of eight small trainings",
            ours=ours,
            peers={"a process for each": theirs},
            goals={"a process for each": 2},
            work=len(numbers),
            unit="trainings",
            check=check,
            clock=cpu_of_children,
            how="The tiny ResNet on the sample of red cells as in the quick profile: two losses, two folds, two seeds; "
            "processor seconds with the start of the processes, one thread each. A network is compiled once for a "
            "loss.",
        )


def trials(root):
    """The trainings, each with its folder below a root."""
    from drcls.grid import Trial
    from experiments.canine_rbc_focal.experiment import RED_CELLS_SAMPLE, make_config

    options = SimpleNamespace(data=RED_CELLS_SAMPLE.name, profile="quick", epochs=None)
    return [
        Trial(
            Path(root) / f"{method}-{seed}-{fold}",
            make_config(options, "clean", seed, "tiny_resnet", method, fold=fold),
        )
        for method in METHODS
        for seed in SEEDS
        for fold in range(2)
    ]


def train(data, root, numbers):
    """Run some of the trainings in a process of one thread."""
    from drcls.grid import ONE_THREAD

    command = [sys.executable, "-m", "benchmarks.trials", data, root, *numbers]
    environment = os.environ | ONE_THREAD
    subprocess.run([str(word) for word in command], env=environment, check=True, capture_output=True)


def main(data, root, *numbers):
    from drcls.grid import run_trials
    from experiments.canine_rbc_focal.trial import train_trial

    chosen = trials(root)
    train_one = functools.partial(train_trial, data=Path(data))
    sys.exit(len(run_trials([chosen[int(number)] for number in numbers], train_one)))


if __name__ == "__main__":
    main(*sys.argv[1:])
