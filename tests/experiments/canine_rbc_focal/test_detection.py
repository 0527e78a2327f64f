"""experiments.canine_rbc_focal.detection: the halves, the choice and the result, on phantoms."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from data_prep.cell_detection import CircleSearch
from data_prep.phantoms.smear import write_smears
from experiments.canine_rbc_focal import detection
from experiments.canine_rbc_focal.detection import main, part_in_halves


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(detection, "TRIED", {"votes": (15.0, 60.0), "min_foreground": (0.6,)})


def test_halves_keep_groups_together_and_follow_the_seed():
    groups = ["a", "a", "b", "c", "d", "d"]
    parts = [part_in_halves(groups, seed) for seed in range(8)]
    for part in parts:
        assert part[0] == part[1] and part[4] == part[5]
        assert len(set(np.array(groups)[part])) == 2
    assert len({tuple(part) for part in parts}) > 1
    assert (part_in_halves(groups, 3) == parts[3]).all()


def test_parameters_are_scored_on_other_smears(tmp_path, quick, capsys):
    smears = write_smears(tmp_path / "smears", 4, (240, 180), progress=False)
    output = tmp_path / "result.json"
    assert main(["--source", str(smears), "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    partition = result["partition"]
    assert not set(partition["choose"]) & set(partition["score"]) and not partition["labelled_in_part"]
    assert len(partition["choose"]) == len(partition["score"]) == 2
    scores = result["scored_on_the_other_half"]
    assert scores["inside"]["precision"] > 0.9 and scores["inside"]["recall"] > 0.9
    assert result["parameters"]["votes"] < 60 and len(result["tried"]) == 2
    assert result["environment"]["versions"]["numpy"]
    assert "F1" in capsys.readouterr().out


def test_a_wrong_source_is_one_clear_error(tmp_path, capsys):
    (tmp_path / "s").mkdir()
    assert main(["--source", str(tmp_path / "s"), "--output", str(tmp_path / "r.json")]) == 2
    assert "no Dataset/N.jpg" in capsys.readouterr().err and not (tmp_path / "r.json").exists()


def test_the_defaults_are_the_parameters_that_were_chosen_and_the_aim_is_met():
    folder = Path(detection.__file__).parents[1] / "results" / "canine_rbc_focal"
    result = json.loads((folder / "detection-chula_rbc.json").read_text())
    assert result["parameters"] == asdict(CircleSearch())
    assert result["scored_on_the_other_half"]["inside"]["f1"] > 0.85
