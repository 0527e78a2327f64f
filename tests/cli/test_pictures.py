"""predict and explain on a folder with a broken file, as somebody types them."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from drcls.cli import main
from drcls.cli.explain import METHODS
from drcls.explain import METHODS as KNOWN
from drcls.own_images import train_classifier
from tests.small_data import save_tiny_backbone, write_squares


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_squares(folder / "data")
    backbone = save_tiny_backbone(folder / "tiny.keras")
    train_classifier(folder / "data", folder / "run", backbone, epochs=1, protocol="random")
    return folder / "run"


@pytest.fixture
def images(run, tmp_path):
    """Three readable images, one of them in a folder of its own, and a broken one."""
    folder = tmp_path / "images"
    (folder / "inner").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.PNG", "inner/c.png"]):
        (folder / name).write_bytes((run.parent / "data" / "images" / f"00{number}.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def test_the_command_knows_the_methods():
    assert tuple(KNOWN) == METHODS


def test_predict_lists_a_broken_file_and_predicts_the_rest(run, images, tmp_path, capsys):
    assert main(["predict", str(run), str(images), str(tmp_path / "table.csv")]) == 1
    out = capsys.readouterr().out
    assert "3 images predicted" in out and "not read: " in out and "broken.png" in out
    table = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert len(table) == 4 and (table["error"] != "").sum() == 1
    right = table[table["error"] == ""]
    total = right[["p_red", "p_green", "p_blue"]].astype(float).sum(axis=1)
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_predict_without_a_broken_file_ends_well(run, images, tmp_path, capsys):
    assert main(["predict", str(run), str(images / "inner"), str(tmp_path / "table.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "table": str(tmp_path / "table.csv"),
        "images": 1,
        "broken": [],
        "failed": 0,
        "assumed": [],
    }


def test_explain_writes_an_overlay_and_a_map(run, images, tmp_path, capsys):
    assert main(["explain", str(run), str(images), str(tmp_path / "to"), "--class", "green", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert [one["explained"] for one in result["explained"]] == ["green"] * 3 and len(result["broken"]) == 1
    assert np.load(tmp_path / "to" / "inner" / "c-grad_cam-green.npy").shape == (16, 16)
    assert (tmp_path / "to" / "a-grad_cam-green.png").is_file()


def test_an_unknown_class_is_one_line(run, images, tmp_path, capsys):
    assert main(["explain", str(run), str(images), str(tmp_path / "to"), "--class", "violet"]) == 1
    assert "drcls explain: error: class 'violet' is unknown" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_file_name_that_is_no_text_is_told_with_escapes(command, run, images, tmp_path, capsys):
    for name in (b"\xe9tude.png", b"\xe8.png"):
        data = (images / "a.png").read_bytes() if name != b"\xe8.png" else b"no image"
        (images / os.fsdecode(name)).write_bytes(data)
    assert main([command, str(run), str(images), str(tmp_path / "to.csv")]) == 1
    out = capsys.readouterr().out
    escaped = images / "\\udce8.png"
    assert f"not read: {escaped}: " in out and "4 images" in out
