"""Run folders: files that are whole or absent, and what an environment records."""

import hashlib
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from drcls import runs
from drcls.runs import (
    check_run_folder,
    command_line,
    environment,
    is_current,
    is_finished,
    read_json,
    read_record,
    remove_partial,
    save_model,
    with_file_digests,
    write_json,
    write_split,
    write_text,
)
from tests.data.tables import table


def test_json_goes_through_a_file(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"b": [1, None]})
    assert read_json(tmp_path / "new" / "a.json") == {"b": [1, None]}


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(TypeError):
        write_text(tmp_path / "a.txt", b"not text")
    with pytest.raises(ValueError, match="Out of range float values"):
        write_json(tmp_path / "a.txt", {"b": float("nan")})
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_what_a_killed_writer_left_blocks_no_run_folder_and_is_removed(tmp_path):
    write_text(tmp_path / ".0123456789ab.partial.json", "{")
    check_run_folder(tmp_path)
    write_text(tmp_path / "checkpoint" / ".ba9876543210.partial.json", "{")
    write_text(tmp_path / "notes.partial.txt", "mine")
    with pytest.raises(ValueError, match="holds checkpoint, notes.partial.txt and no run"):
        check_run_folder(tmp_path)
    remove_partial(tmp_path)
    remove_partial(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoint", "notes.partial.txt"]


@pytest.mark.parametrize("content", [b'{"b": ', b"[" * 100_000, b'{"b": "\xff"}', b""])
def test_broken_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_a_run_is_finished_once_its_metrics_are_written(tmp_path):
    write_json(tmp_path / "config.json", {})
    assert not is_finished(tmp_path)
    write_json(tmp_path / "metrics.json", {})
    assert is_finished(tmp_path)


def test_a_configuration_that_is_none_is_named(tmp_path):
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ValueError, match="config.json holds a list, expected a JSON object; train anew"):
        is_current(tmp_path, {"seed": 0})


def test_a_split_lists_every_row_with_its_part(tmp_path):
    manifest = table({"a": 2, "b": 1})
    write_split(tmp_path, {"train": manifest.select([0, 0]), "test": manifest.select([2])})
    assert (tmp_path / "split.csv").read_text().splitlines() == [
        "path,label,group,sha256,part",
        *[f"images/00000.png,a,a-0,{manifest.frame['sha256'][0]},train"] * 2,
        f"images/00002.png,b,b-2,{manifest.frame['sha256'][2]},test",
    ]


def test_a_model_is_saved_whole(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    save_model(model, tmp_path / "run" / "model.keras")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model.keras"]
    loaded = keras.models.load_model(tmp_path / "run" / "model.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_an_environment_names_what_a_number_depends_on():
    env = environment(12.34)
    assert env["wall_seconds"] == 12.3 and env["backend"] == keras.backend.backend()
    assert env["versions"]["keras"] == keras.__version__ and "numpy" in env["versions"]
    assert env["device"] and env["cores"] >= 1 and env["command"]
    json.dumps(env, allow_nan=False)


def test_names_of_earlier_versions_are_read_as_those_of_today(tmp_path):
    write_json(
        tmp_path / "config.json",
        {"variant": "miniature_ResNet+focal_0.25", "profile": "paper", "protocol": "paper", "seeds": [0]},
    )
    expected = {"variant": "tiny_resnet+focal_0.25", "profile": "full", "protocol": "paper", "seeds": [0]}
    assert read_record(tmp_path / "config.json") == expected
    write_json(tmp_path / "networks.json", {"miniature_DenseNet": ["miniature_ResNet"]})
    assert read_record(tmp_path / "networks.json") == {"tiny_densenet": ["tiny_resnet"]}
    write_json(tmp_path / "outliers.json", {"detection": {"num_planted": 3}, "planted_duplicates": 1})
    assert read_record(tmp_path / "outliers.json") == {
        "detection": {"num_injected": 3},
        "injected_duplicates": 1,
    }


def test_a_module_is_recorded_by_its_name_and_a_script_by_its_file(monkeypatch, tmp_path):
    package = tmp_path / "experiments" / "paper"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()

    def recorded(file, *arguments):
        monkeypatch.setattr(sys, "argv", [str(file), *arguments])
        return environment(0)["command"]

    assert recorded(package / "__main__.py", "--seed", "1") == "-m experiments.paper --seed 1"
    assert recorded(package / "detection.py") == "-m experiments.paper.detection"
    assert recorded(tmp_path / "script.py") == "script.py"


def test_a_recorded_command_names_no_folder_of_the_machine():
    assert command_line(["tool.py", "--runs", "/somewhere/else/runs", "--data", "data/x"]) == (
        "tool.py --runs runs --data data/x"
    )


@pytest.fixture
def backbone(tmp_path):
    path = tmp_path / "weights" / "squeezenet.keras"
    write_text(path, "weights")
    return path


def test_a_backbone_file_is_recorded_by_its_name_and_digest(backbone):
    config = {"seed": 0, "backbone": str(backbone), "weights": "file"}
    digest = hashlib.sha256(b"weights").hexdigest()
    assert with_file_digests(config) == {
        "seed": 0,
        "backbone": "squeezenet.keras",
        "backbone_sha256": digest,
        "weights": "file",
    }
    for known in ({"backbone": "ResNet50", "weights": "none"}, {"backbone": None}, {}):
        assert with_file_digests(known) == known


@pytest.mark.parametrize("earlier", ["/home/ann/squeezenet.keras", "data/squeezenet.keras", "squeezenet"])
def test_a_run_that_recorded_its_backbone_file_otherwise_is_the_same_run(tmp_path, backbone, earlier):
    config = with_file_digests({"seed": 0, "backbone": str(backbone)})
    run = tmp_path / "run"
    write_json(run / "config.json", {"seed": 0, "backbone": earlier})
    write_json(run / "metrics.json", {})
    assert is_current(run, config)


def test_another_backbone_file_is_another_run(tmp_path, backbone):
    run = tmp_path / "run"
    write_json(run / "config.json", with_file_digests({"backbone": str(backbone)}))
    write_json(run / "metrics.json", {})
    write_text(backbone, "other weights")
    with pytest.raises(ValueError, match=r"made with other settings \(backbone_sha256: "):
        is_current(run, with_file_digests({"backbone": str(backbone)}))
    with pytest.raises(ValueError, match=r"\(backbone: squeezenet.keras there, ResNet50 now\)"):
        is_current(run, {"backbone": "ResNet50"})


@pytest.mark.parametrize(
    ("given", "read"),
    [("/home/ann/squeezenet.keras", "squeezenet.keras"), ("data/net.keras", "data/net.keras"), (None, None)],
)
def test_a_backbone_file_is_read_without_the_folders_of_a_machine(tmp_path, given, read):
    write_json(tmp_path / "config.json", {"variant": "row", "backbone": given})
    assert read_record(tmp_path / "config.json") == {"variant": "row", "backbone": read}


def test_names_that_a_user_gave_are_not_taken_for_those_of_an_earlier_version(tmp_path):
    config = {"variant": "averaged", "data": "planted", "profile": "own", "class_names": ["averaged", "x"]}
    write_json(tmp_path / "config.json", config)
    assert read_record(tmp_path / "config.json") == config
    write_json(tmp_path / "metrics.json", {})
    assert is_current(tmp_path, config)
    own = {"variant": "miniature_ResNet", "data": "planted", "profile": "own", "counts": {"planted": 3}}
    paper = {"variant": "averaged+focal", "data": "miniature_ResNet", "profile": "full"}
    for content in (own, paper):
        write_json(tmp_path / "other.json", content)
        assert read_record(tmp_path / "other.json") == content


def git(folder, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("place", "tracked", "known"),
    [("drcls", True, True), ("drcls", False, False), ("venv/lib/drcls", True, False)],
)
def test_the_commit_is_that_of_drcls_and_of_no_repository_around_it(
    tmp_path, monkeypatch, place, tracked, known
):
    module = tmp_path / place / "runs.py"
    write_text(tmp_path / "README.md", "somebody's own work")
    git(tmp_path, "init")
    git(tmp_path, "add", "README.md")
    write_text(module, "")
    if tracked:
        git(tmp_path, "add", str(module))
    git(tmp_path, "commit", "-m", "Begin")
    monkeypatch.setattr(runs, "__file__", str(module))
    assert (environment(0)["git_commit"] is not None) == known
