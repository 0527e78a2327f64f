"""drcls.environment: what is recorded of versions, machine, commit and command line."""

import json
import subprocess
import sys

import keras
import pytest

from drcls.environment import command_line, environment, package_version
from drcls.files import write_text


def test_an_environment_names_what_a_number_depends_on():
    env = environment(12.34)
    assert env["wall_seconds"] == 12.3 and env["backend"] == keras.backend.backend()
    assert env["versions"]["keras"] == keras.__version__ and "numpy" in env["versions"]
    assert env["device"] and env["cores"] >= 1 and env["command"]
    json.dumps(env, allow_nan=False)


def test_a_package_has_a_version_or_none():
    assert package_version("keras") == keras.__version__
    assert package_version("no-such-package-anywhere") is None


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
    module = tmp_path / place / "environment.py"
    write_text(tmp_path / "README.md", "somebody's own work")
    git(tmp_path, "init")
    git(tmp_path, "add", "README.md")
    write_text(module, "")
    if tracked:
        git(tmp_path, "add", str(module))
    git(tmp_path, "commit", "-m", "Begin")
    monkeypatch.setattr("drcls.environment.__file__", str(module))
    assert (environment(0)["git_commit"] is not None) == known
