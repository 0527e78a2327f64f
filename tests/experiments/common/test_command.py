"""Experiments as commands: one line where something goes wrong, and no folder left behind."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from experiments.common.command import run_experiment
from experiments.results.claims import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[3]
PHANTOM = {name: "fundus_phantom" for name in EXPERIMENTS} | {
    "canine_rbc_focal": "smear_phantom",
    "blood_cells": "leukocytes_phantom",
}


@pytest.fixture
def told(monkeypatch, capsys, tmp_path):
    """Run an experiment with arguments in an empty checkout; return its status and what it told."""

    def run(name, *arguments):
        experiment = import_module(f"experiments.{name}.experiment")
        monkeypatch.setattr(experiment, "ROOT", tmp_path)
        monkeypatch.setattr(sys, "argv", [str(ROOT / "experiments" / name / "__main__.py"), *arguments])
        try:
            status = run_experiment(name)
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr().err.splitlines()

    return run


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "ful"], "invalid choice: 'ful'"),
        (["--data", "../aptos2019"], "expected the name of a folder in data/; received '../aptos2019'"),
        (["--epochs", "0"], "expected a whole number of at least 1; received '0'"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(told, tmp_path, name, arguments, message):
    status, [line] = told(name, *arguments)
    assert status == 2 and message in line
    assert line.startswith(f"python -m experiments.{name}: error:") and line.endswith("--help")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_data_that_are_not_there_are_told_with_what_to_do_next(told, tmp_path, name):
    status, [line] = told(name, "--data", "aptos2109", "--profile", "quick")
    assert status == 1 and line.startswith(f"make reproduce-{name.replace('_', '-')}: error: ")
    assert "manifest.csv does not exist; prepare the data first" in line and "aptos2019" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["chexnet_cbam", "smote_transfer", "blood_cells"])
def test_a_typo_in_the_weights_leaves_no_folder(told, tmp_path, name):
    status, [line] = told(name, "--weights", "imagnet", "--profile", "quick")
    assert status == 2 and "expected none" in line and "received 'imagnet'" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_report_before_any_run_says_what_to_run(told, tmp_path, name, monkeypatch):
    experiment = import_module(f"experiments.{name}.experiment")
    monkeypatch.setattr(experiment, "acquire", lambda *_: None)
    monkeypatch.setattr(experiment, "check_classes", lambda *_: None, raising=False)
    status, [line] = told(name, "--report-only", "--profile", "quick", "--data", PHANTOM[name])
    assert status == 1 and "holds no run of" in line
    assert f"train first: make reproduce-{name.replace('_', '-')} DATA={PHANTOM[name]} PROFILE=quick" in line
    assert not list(tmp_path.iterdir())


def test_runs_where_nothing_can_be_written_are_told_in_one_line(told, tmp_path, monkeypatch):
    experiment = import_module("experiments.smote_transfer.experiment")
    monkeypatch.setattr(experiment, "acquire", lambda *_: (tmp_path / "runs" / "x").mkdir(parents=True))
    (tmp_path / "runs").write_text("a file")
    status, [line] = told("smote_transfer", "--data", "fundus_phantom", "--profile", "quick")
    assert status == 1 and "runs" in line and "error: [Errno" in line


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("two\nlines")])
def test_ctrl_c_and_errors_while_importing_are_told_too(monkeypatch, capsys, error):
    def fail(_):
        raise error

    monkeypatch.setattr("experiments.common.command.importlib.import_module", fail)
    status = run_experiment("blood_cells")
    [line] = capsys.readouterr().err.splitlines()
    interrupted = error is KeyboardInterrupt
    assert status == (130 if interrupted else 1)
    assert line == "make reproduce-blood-cells: " + (
        "interrupted; the same command goes on where it stopped" if interrupted else "error: two lines"
    )


def test_the_status_is_that_of_the_process():
    answer = subprocess.run(
        [sys.executable, "-m", "experiments.canine_rbc_focal", "--data", "aptos2109", "--profile", "quick"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 1 and "Traceback" not in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("make reproduce-canine-rbc-focal: error: ")
