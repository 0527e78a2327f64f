"""The SLURM array: every row with every seed once, by a stand-in for srun that prints what it is asked to run."""

import os
import subprocess
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def task(tmp_path):
    (tmp_path / "srun").write_text('#!/bin/sh\nshift\nprintf "%s\\n" "$@"\n')
    (tmp_path / "srun").chmod(0o755)

    def run(number, *arguments):
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        environment |= {} if number is None else {"SLURM_ARRAY_TASK_ID": str(number)}
        command = ["bash", "experiments/slurm.sh", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def test_every_row_is_run_with_every_seed_once(task):
    ran = []
    for number in range(6):
        words = task(number, "chexnet_cbam", "VGG19 ResNet50", "0 1 2", "--data", "a b").stdout.splitlines()
        assert words[:2] == ["-m", "experiments.chexnet_cbam"] and words[-2:] == ["--data", "a b"]
        ran.append((words[words.index("--models") + 1], words[words.index("--seed") + 1]))
    assert sorted(ran) == sorted(product(["VGG19", "ResNet50"], "012"))


@pytest.mark.parametrize("number", [None, 2, "x"])
def test_a_task_that_does_not_exist_is_refused(task, number):
    answer = task(number, "chexnet_cbam", "VGG19 ResNet50", "0")
    assert answer.returncode == 2 and not answer.stdout
    assert "2 rows with 1 seeds are 2 tasks: expected --array=0-1; received task" in answer.stderr


def test_without_rows_and_seeds_the_usage_is_shown(task):
    answer = task(0, "chexnet_cbam")
    assert answer.returncode == 2 and answer.stderr.startswith("usage: sbatch --array")
