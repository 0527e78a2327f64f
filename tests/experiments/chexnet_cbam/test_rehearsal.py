"""A rehearsal of the run on a GPU: the full profile with JAX, bfloat16 and without TensorFlow, on the processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_the_full_profile_runs_on_jax_alone(tmp_path):
    pytest.importorskip("jax")
    # Of 224 px the first step alone takes minutes; 128 px are the fewest whose last feature map is explained.
    module = "tests.experiments.chexnet_cbam.rehearsal"
    arguments = [tmp_path, 128, "--protocol", "clean", "--models", "CheXNet_CBAM"]
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = tmp_path / "runs" / "chexnet_cbam"
    run = runs / "fundus_phantom-clean-full-s0" / "CheXNet_CBAM"
    config = json.loads((run / "config.json").read_text())
    assert config["policy"] == "mixed_bfloat16" and config["epochs"] == 2
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["num_test"] == 24 and metrics["training"]["steps"] == 12
    assert (run / "figures" / "grad_cam.png").is_file()
    assert "Pointing game" in (runs / "report-fundus_phantom-full" / "report.md").read_text()
