"""`drcls serve`: what it refuses before a model is loaded. That it serves is in `test_own_images`."""

import pytest

from drcls.app.__main__ import parse
from drcls.cli import main

pytest.importorskip("flask", reason="the extra `app` is not installed")


@pytest.fixture
def refused(tmp_path, capsys):
    """Start a server that must not start; return what it says."""
    (tmp_path / "model.keras").touch()

    def refused(*arguments):
        assert (
            main(["serve", str(tmp_path / "model.keras"), "--folder", str(tmp_path / "s"), *arguments]) == 1
        )
        return capsys.readouterr().err

    return refused


def test_a_port_that_does_not_exist(refused):
    message = "drcls serve: error: --port 70000 received; expected a port from 1 to 65535, such as 8000\n"
    assert refused("--port", "70000") == message


def test_a_proxy_without_a_name(refused):
    assert refused("--tls").startswith("drcls serve: error: --tls without --name: ")


def test_names_are_handed_on(tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr("drcls.app.__main__.main", lambda arguments: served.append(parse(arguments)) or 0)
    (tmp_path / "model.keras").touch()
    names = ["--tls", "--name", "clinic.example", "--name", "eyes.clinic.example"]
    assert main(["serve", str(tmp_path / "model.keras"), *names]) == 0
    assert served[0].tls and served[0].name == ["clinic.example", "eyes.clinic.example"]


def test_a_folder_that_begins_with_a_dash_is_handed_on(tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr("drcls.app.__main__.main", lambda arguments: served.append(parse(arguments)) or 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-run").mkdir()
    (tmp_path / "-run" / "model.keras").touch()
    assert main(["serve", "./-run", "--folder=-records"]) == 0
    assert (str(served[0].model), str(served[0].folder)) == ("-run/model.keras", "-records")


@pytest.mark.parametrize("arguments, gate", [([], "fundus"), (["--gate", "none"], "none")])
def test_the_gate_is_handed_on(tmp_path, monkeypatch, arguments, gate):
    served = []
    monkeypatch.setattr("drcls.app.__main__.main", lambda arguments: served.append(parse(arguments)) or 0)
    (tmp_path / "model.keras").touch()
    assert main(["serve", str(tmp_path / "model.keras"), *arguments]) == 0
    assert served[0].gate == gate
