"""Grids: every trial once, failures alone, resuming after a kill, the same results on every engine."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drcls.files import read_json
from drcls.grid import Trial, run_trials
from drcls.runs import sole_user
from tests import grid_trials
from tests.small_data import write_squares

ROOT = Path(__file__).resolve().parents[1]


def results(root):
    return {path.parent.name: read_json(path) for path in root.glob("*/metrics.json")}


@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_an_error_ends_its_cell_alone_and_is_told(engine, tmp_path, capsys):
    failed = run_trials(grid_trials.cells_of(tmp_path, [2, 13, 15, 3]), grid_trials.square, engine, 2)
    assert results(tmp_path) == {"2": {"square": 4}, "3": {"square": 9}}
    assert failed[tmp_path / "13"] == "ArithmeticError: 13 is unlucky"
    assert "ended without" in failed[tmp_path / "15"] and len(failed) == 2
    assert "ArithmeticError: 13 is unlucky" in (tmp_path / "13" / "failed.txt").read_text()
    assert (tmp_path / "2" / "log.txt").read_text() == "working on 2\n"
    assert "working on" not in capsys.readouterr().out


def test_only_unfinished_cells_run_again(tmp_path):
    trials = grid_trials.cells_of(tmp_path, [2, 13])
    run_trials(trials, grid_trials.square)
    run_trials(trials, grid_trials.square)
    assert (tmp_path / "started.txt").read_text().split() == ["2", "13", "13"]


def test_a_mended_cell_leaves_no_sign_of_failure(tmp_path):
    [trial] = grid_trials.cells_of(tmp_path, [13])
    run_trials([trial], grid_trials.square)

    def mended(config, folder):
        (folder / "metrics.json").write_text("{}")

    assert run_trials([trial], mended) == {}
    assert not (tmp_path / "13" / "failed.txt").exists()


def test_a_killed_process_fails_its_cell_alone(tmp_path):
    failed = run_trials(grid_trials.cells_of(tmp_path, [14, 2, 3, 4]), grid_trials.square, "processes", 2)
    assert list(failed) == [tmp_path / "14"] and "killed" in failed[tmp_path / "14"]
    assert sorted(results(tmp_path)) == ["2", "3", "4"]


def test_other_settings_in_a_folder_are_refused(tmp_path):
    run_trials([Trial(tmp_path / "a", {"number": 2})], grid_trials.square)
    with pytest.raises(ValueError, match="made with other settings \\(number: 2 there, 3 now\\)"):
        run_trials([Trial(tmp_path / "a", {"number": 3})], grid_trials.square)


def test_a_trial_of_another_process_is_left_alone(tmp_path):
    with sole_user(tmp_path / "2"):
        failed = run_trials(grid_trials.cells_of(tmp_path, [2, 3]), grid_trials.square)
    assert list(failed) == [tmp_path / "2"] and "another process trains" in failed[tmp_path / "2"]
    assert not (tmp_path / "2").exists() and list(results(tmp_path)) == ["3"]


def test_unknown_engines_and_shared_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="engine must be one of .*; received 'slurm'"):
        run_trials([], grid_trials.square, "slurm")
    with pytest.raises(ValueError, match="own folder; received 2 trials"):
        run_trials([Trial(tmp_path, {}), Trial(tmp_path, {"number": 1})], grid_trials.square)


@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_a_killed_grid_goes_on_where_it_was(engine, tmp_path):
    command = [sys.executable, "-m", "tests.grid_trials", str(tmp_path), engine]
    grid = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not results(tmp_path):
        assert grid.poll() is None
        time.sleep(0.05)
    grid.send_signal(signal.SIGKILL)
    grid.wait()
    time.sleep(0.5)
    finished = set(results(tmp_path))
    assert len(finished) < 4
    (tmp_path / "started.txt").write_text("")
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    assert set((tmp_path / "started.txt").read_text().split()) == {"0", "1", "2", "3"} - finished
    assert len(results(tmp_path)) == 4


def trained(root, manifest, engine, address=None):
    trials = [Trial(root / f"s{seed}", {"data": str(manifest.root), "seed": seed}) for seed in range(3)]
    assert run_trials(trials, grid_trials.train_squares, engine, 2, address) == {}
    return results(root)


def assert_alike_but_for_rounding(results, others):
    """The engines differ in their threads, and oneDNN's sums in the order that these give them."""
    assert results.keys() == others.keys()
    for name, result in results.items():
        assert result == pytest.approx(others[name], rel=1e-6)


@pytest.mark.slow
def test_every_engine_measures_the_same(tmp_path):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    manifest = write_squares(tmp_path / "data")
    sequential = trained(tmp_path / "sequential", manifest, "sequential")
    assert len({str(result) for result in sequential.values()}) == 3
    for engine in ("processes", "ray"):
        assert_alike_but_for_rounding(trained(tmp_path / engine, manifest, engine), sequential)


@pytest.mark.slow
def test_an_existing_ray_cluster_is_joined_and_a_failure_told(tmp_path):
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    try:
        trials = grid_trials.cells_of(tmp_path, [2, 13, 14, 3])
        failed = run_trials(trials, grid_trials.square, "ray", address=cluster.address)
    finally:
        cluster.shutdown()
    assert results(tmp_path) == {"2": {"square": 4}, "3": {"square": 9}}
    assert failed[tmp_path / "13"] == "ArithmeticError: 13 is unlucky"
    assert "Crashed" in failed[tmp_path / "14"] and not ray.is_initialized()
