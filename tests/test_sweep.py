"""`make sweep`, the part of training and grids: kill -9 at random moments, and a disk that is full at every write."""

import contextlib
import errno
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras
import pytest

from drcls.grid import run_trials
from drcls.own_images import train_classifier
from tests.grid_trials import train_and_stop, trials_of
from tests.small_data import save_tiny_backbone, write_squares
from tests.sweeps import Sweep

pytestmark = pytest.mark.sweep
ROOT = Path(__file__).resolve().parents[1]
NUM_KILLS = 20
NUM_TRIALS = 6
# What does not depend on when and how a run was made.
MEASURED = ("metrics", "intervals", "leakage", "note", "num_test", "class_names")


def trained(run):
    """Return what a finished run says, and the names of its files."""
    metrics = json.loads((run / "metrics.json").read_text())
    said = {key: metrics[key] for key in MEASURED if key in metrics}
    return said, (run / "predictions.csv").read_text(), sorted(path.name for path in run.iterdir())


def killed_at_random(command, begins, rng, longest):
    """Start a process, kill it some time after it has said that it begins, and return whether it had ended before."""
    process = subprocess.Popen(
        [sys.executable, "-u", *map(str, command)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told = threading.Thread(target=process.stderr.read, daemon=True)
    told.start()
    for line in process.stdout:
        if begins in line:
            break
    rest = threading.Thread(target=process.stdout.read, daemon=True)
    rest.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(rng.uniform(0, longest))
    ended = process.poll() is not None
    process.kill()
    process.wait()
    assert process.returncode in (0, -signal.SIGKILL), f"{command} ended with {process.returncode}"
    return ended


def count_kills(sweep, rng, attempts):
    """Kill until there were enough kills; `attempts` yields (attempt, check): what runs once, whether it is right."""
    while sweep.tried < NUM_KILLS:
        attempt, check = next(attempts)
        kills = 0
        while not attempt(rng):
            kills += 1
        right = check()
        for _ in range(kills):
            sweep.count(f"kill {sweep.tried}", right)
    sweep.finish()


def test_killed_trainings_end_as_if_they_had_not_been_killed(tmp_path):
    write_squares(tmp_path / "data", per_class=24)
    backbone = save_tiny_backbone(tmp_path / "tiny.keras")
    command = ["-m", "drcls", "train", tmp_path / "data", "--backbone", backbone, "--epochs", "30"]
    whole = tmp_path / "whole"
    subprocess.run(
        [sys.executable, *map(str, command), str(whole)], cwd=ROOT, check=True, capture_output=True
    )
    begun, ended = (path.stat().st_mtime for path in (whole / "config.json", whole / "metrics.json"))

    def attempts():
        for number in itertools.count():
            run = tmp_path / f"run{number}"
            yield (
                lambda rng, run=run: killed_at_random([*command, run], "split:", rng, 0.8 * (ended - begun)),
                lambda run=run: trained(run) == trained(whole),
            )

    count_kills(Sweep("training: kill -9 at random moments"), random.Random(0), attempts())


def test_killed_grids_end_as_if_they_had_not_been_killed(tmp_path):
    write_squares(tmp_path / "data")
    command = ["-m", "tests.grid_trials", "train", tmp_path / "data"]

    def results(grid):
        return [
            json.loads((trial.folder / "metrics.json").read_text()) for trial in trials_of(grid, NUM_TRIALS)
        ]

    def files(grid):
        return sorted(str(path.relative_to(grid)) for path in grid.rglob("*") if path.name != "log.txt")

    whole = tmp_path / "whole"
    started = time.monotonic()
    subprocess.run(
        [sys.executable, *map(str, command), str(whole)], cwd=ROOT, check=True, capture_output=True
    )
    longest = time.monotonic() - started

    def attempts():
        for number in itertools.count():
            grid = tmp_path / f"grid{number}"
            yield (
                lambda rng, grid=grid: killed_at_random([*command, grid], "begins", rng, longest),
                lambda grid=grid: results(grid) == results(whole) and files(grid) == files(whole),
            )

    count_kills(Sweep("grid: kill -9 at random moments"), random.Random(0), attempts())


class FullDisk:
    """Let the n-th write, and every later one, end with half a file and ENOSPC."""

    WRITERS = (
        (Path, "write_text"),
        (Path, "write_bytes"),
        (keras.Model, "save"),
        (keras.Model, "save_weights"),
    )

    def __init__(self, monkeypatch):
        self.patch, self.calls = monkeypatch, 0

    @contextlib.contextmanager
    def at(self, number):
        self.calls = 0

        def replacement(kind, write):
            def full_at(first, *arguments, **options):
                self.calls += 1
                if self.calls < number:
                    return write(first, *arguments, **options)
                path = first if kind is Path else Path(arguments[0])
                with path.open("wb") as file:
                    file.write(b"half")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

            return full_at

        with self.patch.context() as patch:
            for kind, name in self.WRITERS:
                patch.setattr(kind, name, replacement(kind, getattr(kind, name)))
            yield


def test_a_training_on_a_full_disk_goes_on_when_there_is_room(tmp_path, monkeypatch):
    sweep, disk = Sweep("training: a full disk at every write"), FullDisk(monkeypatch)
    write_squares(tmp_path / "data", per_class=24)
    backbone = save_tiny_backbone(tmp_path / "tiny.keras")

    def run_in(folder):
        train_classifier(tmp_path / "data", folder, backbone=backbone, epochs=2)

    with disk.at(10**6):
        run_in(tmp_path / "whole")
    for number in range(1, disk.calls + 1):
        run = tmp_path / f"run{number}"
        try:
            with disk.at(number):
                run_in(run)
            told = False
        except (OSError, ValueError) as error:
            told = "No space left" in str(error)
        run_in(run)
        sweep.count(f"write {number}", told and trained(run) == trained(tmp_path / "whole"))
    sweep.finish()


def test_a_grid_on_a_full_disk_goes_on_when_there_is_room(tmp_path, monkeypatch):
    sweep, disk = Sweep("grid: a full disk at every write"), FullDisk(monkeypatch)
    write_squares(tmp_path / "data")

    def run_in(folder):
        failed = run_trials(trials_of(folder, 2, tmp_path / "data"), train_and_stop)
        results = [trial.folder / "metrics.json" for trial in trials_of(folder, 2)]
        return failed, [path.read_text() for path in results if path.is_file()]

    with disk.at(10**6):
        whole = run_in(tmp_path / "whole")
    for number in range(1, disk.calls + 1):
        grid = tmp_path / f"grid{number}"
        try:
            with disk.at(number):
                failed, _ = run_in(grid)
            told = all("No space left" in error for error in failed.values()) and bool(failed)
        except OSError as error:
            told = "No space left" in str(error)
        again = run_in(grid)
        left = [path for path in grid.rglob("*") if ".partial" in path.name]
        sweep.count(f"write {number}", told and again == whole and not left)
    sweep.finish()
