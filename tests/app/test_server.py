"""The real server in a process of its own: killed at random, nothing is lost and nothing half there."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from drcls.app.accounts import add_token
from drcls.app.db import connect
from drcls.app.explanations import INTERRUPTED
from drcls.app.verification import verify
from drcls.data.image_ops import read_image
from tests.app.conftest import PASSWORD

pytestmark = pytest.mark.slow


@pytest.fixture
def start(folder, run_folder, data_set, accounts):
    processes = []

    def start():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "drcls.app", "--model", run_folder / "model.keras", "--trained-on",
                   data_set.root, "--folder", folder, "--port", port]  # fmt: skip
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        processes.append(process)
        for line in process.stdout:
            if line.startswith("Decision support"):
                return process, f"http://127.0.0.1:{port}"
        raise AssertionError(f"the server ended with {process.wait()}")

    yield start
    for process in processes:
        process.kill()
        process.wait()


class Browser:
    """Cookies and forms by the standard library."""

    def __init__(self, address):
        self.address = address
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def get(self, path):
        return self.opener.open(self.address + path, timeout=60).read()

    def post(self, path, fields, files=()):
        token = re.search(rb'name="csrf_token" value="([^"]+)"', self.get("/login"))[1].decode()
        parts = [(name, None, value.encode()) for name, value in {"csrf_token": token, **fields}.items()]
        parts += [("photographs", "eye.png", data) for data in files]
        body = b""
        for name, filename, value in parts:
            file = f'; filename="{filename}"' if filename else ""
            body += (
                f'--B\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
                + value
                + b"\r\n"
            )
        request = urllib.request.Request(self.address + path, body + b"--B--\r\n")
        request.add_header("Content-Type", "multipart/form-data; boundary=B")
        return self.opener.open(request, timeout=60)


def test_killed_while_uploading_and_explaining(start, folder, photograph, accounts):
    rng = np.random.default_rng(0)
    token = add_token(accounts, "ben")
    acknowledged = []
    for _ in range(3):
        process, address = start()
        browser = Browser(address)
        browser.post("/login", {"name": "ben", "password": PASSWORD})

        def upload(browser=browser):
            with contextlib.suppress(OSError, http_errors()):
                while True:
                    answer = browser.post("/upload", {"reference": "r", "eye": "left"}, [photograph] * 3)
                    acknowledged.append(answer.status)

        def predict(address=address):
            with contextlib.suppress(OSError, http_errors()):
                while True:
                    request = urllib.request.Request(f"{address}/api/v1/predict", photograph)
                    request.add_header("Authorization", f"Bearer {token}")
                    request.add_header("Content-Type", "image/png")
                    acknowledged.append(json.load(urllib.request.urlopen(request, timeout=60))["audit"])

        threads = [threading.Thread(target=target) for target in (upload, predict)]
        for thread in threads:
            thread.start()
        time.sleep(1 + 3 * rng.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join()
    process, address = start()
    with contextlib.closing(connect(folder)) as connection:
        assert verify(connection) == []
        known = {row["id"] for row in connection.execute("SELECT id FROM cases")}
        assert {path.name for path in (folder / "cases").iterdir()} == known and known
        hashes = {row["hash"] for row in connection.execute("SELECT hash FROM audit")}
        assert {entry["hash"] for entry in acknowledged if isinstance(entry, dict)} <= hashes
        assert len(known) >= 3 * sum(isinstance(entry, int) for entry in acknowledged)
        for case_id in known:
            assert read_image(folder / "cases" / case_id / "image.png").shape == (200, 200, 3)
        for _ in range(1500):  # five minutes: a busy machine explains a case in seconds
            states = dict(connection.execute("SELECT state, max(error) FROM explanations GROUP BY state"))
            if not states.keys() & {"queued", "running"}:
                break
            time.sleep(0.2)
        # A map over which two of the servers were killed has failed, and says so.
        assert "done" in states and states.keys() <= {"done", "failed"}
        assert states.get("failed") in (None, INTERRUPTED)
    assert (folder / "secret_key").stat().st_size == 32


def http_errors():
    import http.client

    return http.client.HTTPException
