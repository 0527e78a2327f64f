"""Training on two devices follows the loss of training on one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.small_data import write_squares

ROOT = Path(__file__).resolve().parents[1]


def losses(backend, data, run, num_devices):
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices}",
    }
    command = [sys.executable, "-m", "tests.two_devices", str(data), str(run), str(num_devices)]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return pd.read_csv(run / "history.csv")[["loss", "val_loss"]].to_numpy()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_two_devices_follow_the_loss_of_one(backend, tmp_path):
    pytest.importorskip(backend)
    data = write_squares(tmp_path / "data").root
    one, two = (losses(backend, data, tmp_path / str(devices), devices) for devices in (1, 2))
    assert one.shape == (4, 2)
    assert np.ptp(one[:, 0]) > 0.01  # it learns, so that equal losses say something
    np.testing.assert_allclose(two, one, atol=1e-4)
