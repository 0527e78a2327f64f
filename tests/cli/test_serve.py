"""`drcls serve`: what it refuses before a model is loaded. That it serves is in `test_own_images`."""

import pytest

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
