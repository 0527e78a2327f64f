"""The way from a folder of images to a model that somebody else can use: the documented scripts, and every command."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.samples import SAMPLES, write_sample
from drcls.cli import COMMANDS, main, name_of
from drcls.cli.sample import NAMES
from tests.small_data import save_tiny_backbone

ROOT = Path(__file__).resolve().parents[2]
# A process begins with the peak of the one that started it, so a small one stands between.
MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=open("peak.txt", "w"))
sys.exit(status)
"""
# 10,000 images of 64 pixels are 123 MB.
MOST_MEGABYTES = {"prepare": 600, "audit": 600, "train": 2000, "evaluate": 2000}
WRITTEN = (
    "cells/LICENCE.txt",
    "prepared/manifest.csv",
    "audit.html",
    "runs/balanced/model.keras",
    "test.html",
    "predictions.csv",
    "explained/BA_120278-grad_cam-basophil.png",
    "handed_over/model.onnx",
    "handed_over/model_card.md",
)


def write_class_folders(folder, num_images, size, seed=0):
    """Write noisy pictures of three colours, far from equally many, as class folders."""
    rng = np.random.default_rng(seed)
    for number in range(num_images):
        label = (number % 10 > 5) + (number % 10 > 8)
        image = rng.integers(0, 120, (size, size, 3), dtype=np.uint8)
        image[..., label] += 100
        path = folder / ("red", "green", "blue")[label] / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image[..., ::-1])


def ten_commands(source, folder, backbone):
    """Every command on a folder of images, with the fewest epochs; the arguments of `serve` come last."""
    data, run, other = folder / "prepared", folder / "plain", folder / "focal"
    fast = ["--backbone", backbone, "--epochs", "1"]
    return [
        ["prepare", source, data, "--size", "16"],
        ["audit", data, "--html", folder / "audit.html"],
        ["train", data, run, *fast],
        ["train", data, other, *fast, "--loss", "focal"],
        ["evaluate", run, data, "--html", folder / "test.html"],
        ["predict", run, source / "blue", folder / "predictions.csv"],
        ["explain", run, source / "blue" / "00009.png", folder / "explained"],
        ["export", run, folder / "handed_over", "--format", "keras"],
        ["compare", run, other],
        ["serve", run, "--trained-on", data, "--folder", folder / "screening"],
    ]


def test_the_command_knows_the_samples():
    assert tuple(SAMPLES) == NAMES


def test_the_readme_shows_the_scripts_that_are_run():
    readme = (ROOT / "README.md").read_text()
    commands = [
        line for line in (ROOT / "docs" / "own_images.sh").read_text().splitlines() if line[:6] == "drcls "
    ]
    assert "\n".join(commands) in readme
    assert (ROOT / "docs" / "own_images.py").read_text().split('"""')[2].strip() in readme


def test_sample_says_what_it_wrote(tmp_path, capsys):
    assert main(["sample", "blood_cells", str(tmp_path / "cells")]) == 0
    assert "CC BY 4.0" in capsys.readouterr().out
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    assert main(["sample", "blood_cells", str(tmp_path / "other")]) == 2
    assert "drcls sample: error:" in capsys.readouterr().err


def test_every_command_prints_something_and_ends_well(tmp_path, monkeypatch, capsys):
    write_class_folders(tmp_path / "images", 120, 16)
    backbone = save_tiny_backbone(tmp_path / "tiny.keras")
    served = []
    monkeypatch.setattr("drcls.app.__main__.main", lambda arguments: served.append(arguments) or 0)
    for arguments in ten_commands(tmp_path / "images", tmp_path, backbone):
        assert main([*map(str, arguments), "--json"]) == 0, arguments
        assert json.loads(capsys.readouterr().out)
        if arguments[0] != "train":  # what is finished is read again
            assert main(list(map(str, arguments))) == 0
            assert capsys.readouterr().out.strip()
    assert served[0][:2] == ["serve", f"--model={tmp_path / 'plain' / 'model.keras'}"]
    card = json.loads((tmp_path / "handed_over" / "model_card.json").read_text())
    assert card["classes"] == ["blue", "green", "red"] and card["data"]["counts"]["blue"] == 12


def test_what_the_application_refuses_is_one_line(tmp_path, monkeypatch, capsys):
    def refuse(_):
        raise SystemExit("error: screening is in use by another server")

    (tmp_path / "model.keras").write_bytes(b"")
    monkeypatch.setattr("drcls.app.__main__.main", refuse)
    assert main(["serve", str(tmp_path / "model.keras")]) == 1
    assert capsys.readouterr().err == "drcls serve: error: screening is in use by another server\n"


def environment(folder):
    """An environment in which `drcls` is the command of this checkout."""
    command = folder / "bin" / "drcls"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m drcls "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_the_documented_script_runs_to_the_served_model(tmp_path):
    script = ROOT / "docs" / "own_images.sh"
    names = {line.split()[1] for line in script.read_text().splitlines() if line.startswith("drcls ")}
    assert names == {name_of(command) for command in COMMANDS} - {"check-tables"}
    port = str(free_port())
    process = subprocess.Popen(
        ["bash", str(script)],
        cwd=tmp_path,
        env=environment(tmp_path) | {"PORT": port},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts what runs in its background deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    out = []
    for line in process.stdout:
        out.append(line)
        if f"http://127.0.0.1:{port}" in line:
            os.killpg(process.pid, signal.SIGINT)
    process.wait()
    assert f"http://127.0.0.1:{port}" in "".join(out[-2:]), "".join(out[-20:])
    assert all((tmp_path / name).is_file() for name in WRITTEN)
    metrics = json.loads((tmp_path / "runs" / "balanced" / "metrics.json").read_text())
    assert metrics["leakage"]["group"] == 0
    # Eight classes: guessing is right for one cell in four at best, the largest class.
    assert metrics["metrics"]["accuracy"] > 0.5
    assert any("2 identical, 2 near-identical" in line for line in out)


@pytest.mark.slow
def test_the_documented_python_does_the_same(tmp_path):
    script = ROOT / "docs" / "own_images.py"
    lines = [line for line in script.read_text().splitlines()[1:] if line]
    assert len(lines) <= 15
    answer = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "handed_over" / "model.onnx").is_file() and "'mcnemar'" in answer.stdout


def write_many_cells(folder, num_images, size=64, seed=0):
    """Write cells of the sample as class folders, each turned, moved, enlarged and coloured at random."""
    rng = np.random.default_rng(seed)
    source = write_sample("blood_cells", folder.with_name("sample"))
    cells = [(path.parent.name, cv2.imread(str(path))) for path in sorted(source.rglob("*.jpg"))]
    for number in range(num_images):
        label, cell = cells[number % len(cells)]
        matrix = cv2.getRotationMatrix2D((48, 48), rng.uniform(0, 360), rng.uniform(1.0, 1.4) * size / 96)
        matrix[:, 2] += rng.uniform(-6, 6, 2) + (size - 96) / 2
        turned = cv2.warpAffine(cell, matrix, (size, size), borderMode=cv2.BORDER_REFLECT)
        coloured = turned * rng.uniform(0.8, 1.2, 3) + rng.normal(0, 4, turned.shape)
        path = folder / label / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.clip(coloured, 0, 255).astype(np.uint8))


def run_measured(arguments, folder):
    """Run a command in a process of its own; return what it printed and its largest resident size in megabytes."""
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, "-m", "drcls", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, (arguments, answer.stderr[-2000:])
    return answer.stdout, int((folder / "peak.txt").read_text()) / 1024


@pytest.mark.slow
def test_ten_thousand_images_in_bounded_memory(tmp_path):
    write_many_cells(tmp_path / "images", 10_000)
    data, run = tmp_path / "prepared", tmp_path / "run"
    commands = [
        ["prepare", tmp_path / "images", data, "--size", "64"],
        ["audit", data, "--html", tmp_path / "audit.html"],
        ["train", data, run, "--frozen", "--epochs", "2"],
        ["evaluate", run, data, "--html", tmp_path / "test.html"],
    ]
    peaks = {}
    for arguments in commands:
        out, peaks[arguments[0]] = run_measured(arguments, tmp_path)
        assert out.strip()
    print(peaks)
    assert all(peak < MOST_MEGABYTES[name] for name, peak in peaks.items()), peaks
    info = json.loads((data / "dataset.json").read_text())
    assert sum(info["counts"].values()) == 10_000 and info["rejected"] == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["leakage"]["group"] == 0 and 1000 < metrics["num_test"] < 2000
    # The largest class holds a quarter of the images.
    assert metrics["metrics"]["accuracy"] > 0.5
    evaluated = json.loads((run / "evaluation-test" / "metrics.json").read_text())
    assert evaluated["metrics"]["accuracy"] == pytest.approx(metrics["metrics"]["accuracy"], abs=1e-3)
