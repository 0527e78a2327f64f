"""`make sweep`, the application's part: tampering, kill -9, full disks, malicious models, memory under load."""

import contextlib
import errno
import io
import json
import os
import shutil
import signal
import threading
import time
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest

from drcls.app.accounts import add_token
from drcls.app.db import connect
from drcls.app.inference import Grader
from drcls.app.verification import find_changes
from tests.app.conftest import PASSWORD, PREPARATION, Visitor
from tests.app.tamperings import TAMPERINGS
from tests.app.test_server import Browser, http_errors, start  # noqa: F401 - a fixture
from tests.app.test_verification import full  # noqa: F401 - a fixture
from tests.sweeps import Sweep

pytestmark = pytest.mark.sweep
NUM_KILLS, NUM_REQUESTS, NUM_MODELS = 20, 2000, 30
MAX_GROWTH = 64 * 2**20


def changes(folder):
    with contextlib.closing(connect(folder)) as connection:
        return find_changes(connection, folder)


def test_every_tampering_is_named(full, tmp_path):  # noqa: F811
    sweep = Sweep("app: tamperings of a data folder named by verify-log")
    for number, (name, tamper) in enumerate(TAMPERINGS.items()):
        copy = shutil.copytree(full, tmp_path / str(number))
        tamper(copy)
        sweep.count(name, bool(changes(copy)))
        shutil.rmtree(copy)
    sweep.finish()


def test_killed_at_random_moments(start, folder, photograph, accounts):  # noqa: F811
    """What was acknowledged is there after each kill, and nothing is half there."""
    sweep, rng = Sweep("app: kill -9 at random moments"), np.random.default_rng(0)
    token, acknowledged = add_token(accounts, "ben"), []
    for number in range(NUM_KILLS):
        process, address = start()
        threads = [
            threading.Thread(target=work, args=(address, photograph, token, acknowledged))
            for work in (_upload, _predict)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.3 + 3 * rng.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join()
        with contextlib.closing(connect(folder)) as connection:
            hashes = {row["hash"] for row in connection.execute("SELECT hash FROM audit")}
            known = connection.execute("SELECT count(*) FROM cases").fetchone()[0]
        kept = {
            entry for entry in acknowledged if isinstance(entry, str)
        } <= hashes and known >= acknowledged.count(1)
        sweep.count(f"kill {number}", kept and not changes(folder))
    sweep.notes = {"acknowledged_uploads_and_predictions": len(acknowledged)}
    assert acknowledged, "the server was killed before it had acknowledged anything"
    sweep.finish()


def _upload(address, photograph, _, acknowledged):
    with contextlib.suppress(OSError, http_errors()):
        browser = Browser(address)
        browser.post("/login", {"name": "ben", "password": PASSWORD})
        while True:
            browser.post("/upload", {"reference": "r", "eye": "left"}, [photograph])
            acknowledged.append(1)


def _predict(address, photograph, token, acknowledged):
    with contextlib.suppress(OSError, http_errors()):
        while True:
            acknowledged.append(_send(address, photograph, token)["audit"]["hash"])


def _send(address, photograph, token):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/png"}
    request = urllib.request.Request(f"{address}/api/v1/predict", photograph, headers)
    return json.load(urllib.request.urlopen(request, timeout=60))


def test_memory_stays_flat(start, photograph, accounts):  # noqa: F811
    sweep, token = Sweep(f"app: {NUM_REQUESTS} requests through the API"), add_token(accounts, "ben")
    process, address = start()
    memory = []
    for number in range(NUM_REQUESTS):
        sweep.count(number, "prediction" in _send(address, photograph, token))
        if number in (NUM_REQUESTS // 10, NUM_REQUESTS - 1):
            status = Path(f"/proc/{process.pid}/status").read_text()
            memory.append(int(status.split("VmRSS:")[1].split()[0]) * 1024)
    sweep.notes = {"mebibytes_after_a_tenth": memory[0] >> 20, "mebibytes_at_the_end": memory[1] >> 20}
    sweep.count(f"memory grew by {memory[1] - memory[0]} bytes", memory[1] - memory[0] <= MAX_GROWTH)
    sweep.finish()


class FullDisk:
    """Let the n-th file that is brought down to the disk fail, or the database grow by n pages only."""

    def __init__(self, monkeypatch, folder):
        self.patch, self.folder = monkeypatch, folder

    @contextlib.contextmanager
    def files(self, number):
        calls, fsync = [], os.fsync

        def full_at(handle):
            calls.append(handle)
            if len(calls) >= number:
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(handle)

        with self.patch.context() as patch:
            patch.setattr(os, "fsync", full_at)
            yield

    @contextlib.contextmanager
    def database(self, number):
        with contextlib.closing(connect(self.folder)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            pages = connection.execute("PRAGMA page_count").fetchone()[0]

        def small(folder):
            connection = connect(folder)
            connection.execute(f"PRAGMA max_page_count = {pages + number - 1}")
            return connection

        with self.patch.context() as patch:
            patch.setattr("drcls.app.access.connect", small)
            yield


def test_a_full_disk_at_every_write(app, ben, photograph, blurred, token, database, folder, monkeypatch):
    sweep, disk = Sweep("app: a full disk at every write"), FullDisk(monkeypatch, folder)
    made = ben.upload(photograph).location.rsplit("/", 1)[1]
    dark = ben.upload(blurred).location.rsplit("/", 1)[1]
    text = "x" * 500
    version = {"of": 2}

    def decide():
        answer = ben.post(f"/cases/{made}/decision", version=str(version["of"]), kind="retake", reason=text)
        version["of"] += answer.status_code == 302
        return answer

    operations = {
        "upload": lambda: ben.upload(photograph, reference="y" * 64),
        "decision": decide,
        "grade all the same": lambda: ben.post(f"/cases/{dark}/grade", version="1", reason=text),
        "heat map asked for": lambda: ben.post(f"/cases/{made}/explanations", method="lime"),
        "export": lambda: ben.get("/cases.csv?text=" + "z" * 100),
        "login": lambda: _log_in(app),
        "API": lambda: app.test_client().post("/api/v1/predict", data=photograph, content_type="image/png",
                                              headers={"Authorization": f"Bearer {token}"}),
    }  # fmt: skip
    for name, operate in operations.items():
        for kind in (disk.files, disk.database):
            for number in range(1, 12):
                with kind(number):
                    status = operate().status_code
                stored = {row["id"] for row in database.execute("SELECT id FROM cases")}
                files = {path.name for path in (folder / "cases").iterdir()}
                whole = (
                    status in (200, 302, 409, 507) and stored == files and not find_changes(database, folder)
                )
                sweep.count(f"{name}, {kind.__name__} {number}: {status}", whole)
    sweep.finish()


def _log_in(app):
    visitor = Visitor(app)
    visitor.get("/login")
    return visitor.post("/login", name="ben", password=PASSWORD)


def malicious(content, number):
    """Return a `.keras` file that is damaged or lies, another one for each number."""
    rng = np.random.default_rng(number)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = parts["config.json"].decode()
    lies = [
        lambda: config.replace('"units": 5', f'"units": {10 ** (6 + number % 4)}'),
        lambda: config.replace('"filters": 8', f'"filters": {10**9 + number}'),
        lambda: "[" * 200_000,
        lambda: '{"a":' * 100_000 + "1" + "}" * 100_000,
        lambda: config.replace('"keras.layers"', '"os"'),
        lambda: config.replace('"Conv2D"', '"Lambda"'),
        lambda: config.replace('"drcls"', '"subprocess"'),
        lambda: config.replace("[null, 32, 32, 3]", "[null, 320000, 320000, 3]"),
        lambda: config[: int(rng.integers(1, len(config)))],
        lambda: config.replace("relu", "not_an_activation"),
    ]
    if number % 3 == 2:  # the archive itself
        place = int(rng.integers(0, len(content)))
        return content[:place] if number % 2 else content[:place] + bytes(400) + content[place + 400 :]
    if number % 3 == 1:
        parts["model.weights.h5"] = parts["model.weights.h5"][: int(rng.integers(0, 2000))]
    else:
        parts["config.json"] = lies[number // 3]().encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return buffer.getvalue()


def test_malicious_models_are_named(run_folder, tmp_path, monkeypatch):
    sweep, content = Sweep("app: malicious models refused by name"), (run_folder / "model.keras").read_bytes()
    monkeypatch.setattr(
        "drcls.app.inference._export", lambda *_: (_ for _ in ()).throw(ValueError("model.keras: export"))
    )
    for number in range(NUM_MODELS):
        (tmp_path / "model.keras").write_bytes(malicious(content, number))
        try:
            Grader(tmp_path / "model.keras", tmp_path, PREPARATION)
            sweep.count(f"model {number} was loaded", False)
        except ValueError as error:
            sweep.count(f"model {number}: {error}", "model.keras" in str(error))
        except Exception as error:  # noqa: BLE001 - whatever else comes out is a loss
            sweep.count(f"model {number}: {type(error).__name__}", False)
    sweep.finish()
