"""Training on two devices follows the loss of training on one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.small_data import write_squares

ROOT = Path(__file__).resolve().parents[2]


def trained(backend, data, run, num_devices):
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, "-m", "tests.train.two_devices", str(data), str(run), str(num_devices)]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    history = pd.read_csv(run / "history.csv")
    return history[["loss", "val_loss", "val_macro_f1"]].to_numpy(), np.load(run / "predicted.npy")


@pytest.mark.slow
@pytest.mark.parametrize("per_class", [8, 7], ids=["whole batches", "a last batch of five images"])
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_two_devices_follow_the_loss_of_one(backend, per_class, tmp_path):
    pytest.importorskip(backend)
    data = write_squares(tmp_path / "data", per_class=per_class).root
    (one, predicted), (two, by_two) = (
        trained(backend, data, tmp_path / f"{number}", number) for number in (1, 2)
    )
    assert one.shape == (4, 3)
    assert np.ptp(one[:, 1]) > 0.01  # it learns, so that equal losses say something
    # An image that fills up a batch weighs nothing and is counted in the averages of training all the same.
    measured = slice(0, None) if per_class == 8 else slice(1, None)
    np.testing.assert_allclose(two[:, measured], one[:, measured], atol=1e-4)
    np.testing.assert_allclose(by_two, predicted, atol=1e-4)
