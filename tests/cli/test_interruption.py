"""Ctrl-C in the middle of a training: one line, status 130, and the same command goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_data import save_tiny_backbone, write_squares

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_training_ended_by_ctrl_c_goes_on(tmp_path):
    write_squares(tmp_path / "data", per_class=24)
    backbone = save_tiny_backbone(tmp_path / "tiny.keras")
    command = [
        sys.executable,
        "-m",
        "drcls",
        "train",
        tmp_path / "data",
        tmp_path / "run",
        "--backbone",
        backbone,
    ]
    command = [*map(str, command), "--epochs", "40"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("epoch 3 of 40"):
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == (
        "drcls train: interrupted; the same command goes on after the last finished epoch"
    )
    assert "Traceback" not in err
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    epochs = [line for line in again.stdout.splitlines() if line.startswith("epoch ")]
    assert again.returncode == 0, again.stderr
    assert not epochs[0].startswith(("epoch 1 of", "epoch 2 of")) and epochs[-1].startswith("epoch 40 of 40")
