"""`python -m drcls.app`: accounts, log, calibration, checks, and what it refuses."""

import contextlib
import io
import json
import shutil
import socket
import threading
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest

from drcls.app import server
from drcls.app.__main__ import main
from drcls.app.accounts import log_in, token_account
from drcls.app.calibration import validation_part
from drcls.app.deployment import DEMONSTRATION, keep_grades
from drcls.app.server import only_server
from tests.app.conftest import PASSWORD


@pytest.fixture
def run(folder, monkeypatch):
    def run(*arguments, typed=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return main([*map(str, arguments), "--folder", str(folder)])

    return run


@pytest.fixture
def exported(folder, grader):
    """The ONNX copy, made once for all tests."""
    shutil.copytree(grader.folder, folder / "models" / grader.folder.name, dirs_exist_ok=True)
    return grader


def test_accounts_and_tokens(run, database, capsys):
    assert run("add-account", "carla", "--password-stdin", typed=f"{PASSWORD}\n") == 0
    assert log_in(database, "carla", PASSWORD, "::1")
    assert run("add-token", "carla") == 0
    assert token_account(database, capsys.readouterr().out.splitlines()[-1])["name"] == "carla"
    assert run("revoke-tokens", "carla") == 0
    assert "1 tokens of carla ended" in capsys.readouterr().out
    assert run("set-password", "carla", "--password-stdin", typed="a newer password\n") == 0
    assert log_in(database, "carla", "a newer password", "::1")
    assert run("deactivate", "carla") == 0
    with pytest.raises(SystemExit, match="exists already"):
        run("add-account", "carla", "--password-stdin", typed=f"{PASSWORD}\n")


def test_the_log_is_verified(run, database, capsys):
    run("add-account", "carla", "--password-stdin", typed=f"{PASSWORD}\n")
    assert run("verify-log") == 0
    head = capsys.readouterr().out.split("head ")[1].split(":")[0]
    assert run("verify-log", "--head", head) == 0
    database.execute("DROP TRIGGER audit_is_never_changed")
    database.execute("UPDATE audit SET actor = 'eve'")
    assert run("verify-log") == 1
    assert "entry 1 was changed" in capsys.readouterr().out


def test_a_folder_that_is_not_there_has_no_log_to_verify(tmp_path):
    with pytest.raises(SystemExit, match=r"elsewhere: no screening\.sqlite there"):
        main(["verify-log", "--folder", str(tmp_path / "elsewhere")])
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "screening.sqlite").write_text("no database, however it is read" * 40)
    with pytest.raises(SystemExit, match="file is not a database"):
        main(["verify-log", "--folder", str(tmp_path)])


def test_calibrating_and_checking(run, exported, run_folder, data_set, folder, tmp_path, capsys):
    model = ["--model", run_folder / "model.keras", "--trained-on", data_set.root]
    assert run("calibrate", *model, "--refer-below", "0.3") == 0
    assert "10 validation images" in capsys.readouterr().out
    stored = json.loads(next(folder.rglob("calibration.json")).read_text())
    assert stored["model_sha256"] == exported.sha256 and stored["refer_below"] == 0.3
    criteria = tmp_path / "criteria.json"
    criteria.write_text('{"accuracy": {"min": 0}}')
    assert run("check", *model, "--criteria", criteria) == 0
    assert "10 images of Clinic (10 validation)" in capsys.readouterr().out
    criteria.write_text('{"accuracy": {"min": 1.1}}')
    assert run("check", *model, "--criteria", criteria) == 1
    assert "FAILED" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="5 of the 15 images are among those"):
        run("check", *model, "--data-set", data_set.root)
    assert run("verify-log") == 0


def test_calibrating_says_where_it_could_not(run, exported, run_folder, data_set, monkeypatch, capsys):
    model = ["--model", run_folder / "model.keras", "--trained-on", data_set.root]
    right = np.eye(5)[validation_part(data_set.root, run_folder / "model.keras").labels] * 0.5 + 0.1
    monkeypatch.setattr(type(exported), "run_prepared", lambda *_: right)
    assert run("calibrate", *model) == 0
    told = capsys.readouterr().out
    assert "temperature 1.000\nNOT CALIBRATED, probabilities stay as they are: the fit on" in told


def test_a_missing_model_is_named(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"make reproduce-chexnet-cbam"):
        run("serve")
    with pytest.raises(SystemExit, match=r"--model none\.keras: no such file"):
        run("--model", "none.keras")
    (tmp_path / "alone.keras").touch()
    with pytest.raises(SystemExit, match=r"--trained-on"):
        run("serve", "--model", "alone.keras")


def test_a_model_of_other_classes_is_refused(database, grader, folder):
    keep_grades(database, grader, folder)
    keep_grades(database, grader, folder)

    class Other:
        file, class_names = "other.keras", ["healthy", "ill"]

    with pytest.raises(ValueError, match=r"other\.keras has the 2 classes .* was begun with \['No_DR'"):
        keep_grades(database, Other, folder)


@pytest.mark.parametrize("host", ["0.0.0.0", "::1"])
def test_passwords_do_not_cross_the_network_in_clear(run, host):
    with pytest.raises(SystemExit, match=f"--host {host} without --tls"):
        run("serve", "--host", host)


@pytest.mark.parametrize(
    "gate, told",
    [
        ([], "Quality gate for photographs of the retina; not tried on the validation images"),
        (["--gate", "none"], "No quality check of photographs is made (--gate none)"),
    ],
)
def test_the_start_tells_the_gate(run, exported, run_folder, data_set, monkeypatch, capsys, gate, told):
    idle = SimpleNamespace(start=lambda: None, run=lambda: None)
    monkeypatch.setattr(server, "make_server", lambda *_: idle)
    monkeypatch.setattr(server, "Explainer", lambda *_: idle)
    assert run("serve", "--model", run_folder / "model.keras", "--trained-on", data_set.root, *gate) == 0
    assert told in capsys.readouterr().out


def test_behind_a_proxy_the_name_is_asked_for(run):
    with pytest.raises(SystemExit, match=r"error: --tls without --name: .* --name clinic\.example"):
        run("serve", "--tls")


@pytest.mark.parametrize("name", ["https://clinic.example", "clinic.example:443", "the clinic", ""])
def test_what_is_no_name_of_a_host_is_refused(run, name):
    with pytest.raises(SystemExit, match=r"error: --name .* expected the host's name alone"):
        run("serve", "--tls", "--name", name)


@pytest.mark.parametrize("port", [0, -1, 65536, 70000])
def test_a_port_that_does_not_exist_is_refused(run, port):
    with pytest.raises(SystemExit, match=f"error: --port {port} received; expected a port from 1 to 65535"):
        run("serve", "--port", port)


def test_a_port_that_is_taken_is_named(folder, grader, accounts):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"--port {port}: Address already in use"):
            server.serve(folder, grader, port=port)


def test_slow_connections_keep_nobody_out(app):
    """More than the hundred that waitress takes unless told otherwise; a dozen of them send bodies that never end."""
    waiter = server.make_server(app, "127.0.0.1", 0)
    threading.Thread(target=waiter.run, daemon=True).start()
    port = waiter.effective_port
    with contextlib.ExitStack() as stack:
        for number in range(130):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            slow.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\n")
            if number % 10 == 0:
                slow.sendall(b"Content-Length: 1000\r\n\r\nx")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=30) as answer:
            assert answer.status == 200
    waiter.close()


def test_heads_are_exported_and_an_older_database_is_found(run, database, folder, tmp_path, capsys):
    heads = tmp_path / "elsewhere.jsonl"
    run("add-account", "carla", "--password-stdin", typed=f"{PASSWORD}\n")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    older = (folder / "screening.sqlite").read_bytes()
    assert run("export-head", "--to", heads) == 0
    run("deactivate", "carla")
    assert run("export-head", "--to", heads) == 0
    assert run("verify-log", "--heads", heads) == 0
    capsys.readouterr()
    assert run("export-head") == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 2
    database.close()
    for file in folder.glob("screening.sqlite-*"):
        file.unlink()
    (folder / "screening.sqlite").write_bytes(older)
    assert run("verify-log") == 0  # the older database is without fault
    assert run("verify-log", "--heads", heads) == 1
    assert "the database is older" in capsys.readouterr().out
    heads.write_text("{}\n")
    with pytest.raises(SystemExit, match="line 1.*expected a line that export-head wrote"):
        run("verify-log", "--heads", heads)


def test_one_server_to_a_folder(folder):
    with (
        only_server(folder),
        pytest.raises(RuntimeError, match="in use by another server"),
        only_server(folder),
    ):
        pass
    with only_server(folder):
        pass


def test_the_demonstration_is_what_make_leaves():
    from experiments.chexnet_cbam.experiment import parse
    from experiments.common.run import run_set_name

    options = parse(["--data", "fundus_phantom", "--profile", "quick"])
    names = {
        run_set_name(options.data, protocol, options.profile, options.seed) for protocol in options.protocols
    }
    assert DEMONSTRATION.parts[:2] == (options.runs, "chexnet_cbam") and DEMONSTRATION.parts[2] in names
    assert DEMONSTRATION.parts[3] in options.models


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "verify-log" in capsys.readouterr().out
