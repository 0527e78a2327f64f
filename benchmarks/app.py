"""The application under load against the naive page, which calls `model.predict` once per request.

Both serve the network of the demonstration (CheXNet_CBAM on DenseNet121 at 64 px, random weights) from a process of
their own through waitress, to 1 and to 32 clients that send one photograph after another. The application also
checks a token, measures the quality of the photograph, calibrates, and writes a durable entry of the audit log for
every prediction; the naive page does none of this. Latencies are printed, and the application's memory over
2,000 requests.
"""

import contextlib
import functools
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.comparison import Comparison
from data_prep.phantoms.fundus import write_fundus
from data_prep.phantoms.retina_lesions import CLASSES
from drcls.app.accounts import add_account, add_token
from drcls.app.db import connect, create_folder
from drcls.app.verification import verify
from drcls.models import build_backbone, build_chexnet_cbam

NUM_REQUESTS = {1: 40, 32: 160}
NUM_LONG = 2000


def comparisons():
    with tempfile.TemporaryDirectory() as folder:
        token, photograph = prepare(Path(folder))
        ours = ["-m", "drcls.app", "--model", "model.keras", "--trained-on", "data"]
        with contextlib.ExitStack() as running:
            start = functools.partial(Server, folder=folder, token=token, photograph=photograph)
            app = running.enter_context(start(ours))
            page = running.enter_context(
                start([Path(__file__).with_name("naive_page.py").resolve(), "model.keras"])
            )
            for num_clients, goal in ((1, 2), (32, 4)):
                yield storm(app, page, num_clients, goal)
            print_memory_and_log(app, Path(folder))


def storm(app, page, num_clients, goal):
    def check():
        """Both answer with probabilities that sum to 1, for every class."""
        for server in (app, page):
            answer = server.ask()
            probabilities = answer["prediction"]["probabilities"] if server is app else answer
            assert set(probabilities) == set(CLASSES), answer
            assert abs(sum(probabilities.values()) - 1) < 1e-3, answer

    num_requests = NUM_REQUESTS[num_clients]
    return Comparison(
        what=f"the application, {num_clients} client(s)",
        ours=lambda: app.storm(num_clients, num_requests),
        peers={"a page that calls model.predict": lambda: page.storm(num_clients, num_requests)},
        goals={"a page that calls model.predict": goal},
        work=num_requests,
        unit="requests",
        check=check,
        how=f"{num_requests} photographs, DenseNet121 with CBAM at 64 px, random weights, waitress; ours also checks a "
        "token, measures quality, calibrates and writes a durable audit entry.",
    )


def prepare(folder):
    """Make a model, the data it might have been trained on, an account with a token, and a photograph."""
    build_chexnet_cbam(build_backbone("DenseNet121", 64), CLASSES, seed=0).save(folder / "model.keras")
    write_fundus(folder / "data", num_images=40, size=64, progress=False)
    create_folder(folder / "screening")
    with contextlib.closing(connect(folder / "screening")) as connection:
        add_account(connection, "bench", "a long enough password", "clinician")
        token = add_token(connection, "bench")
    image = cv2.imread(str(folder / "data" / "images" / "00000.png"))
    larger = cv2.resize(image, (512, 512), interpolation=cv2.INTER_CUBIC)
    return token, cv2.imencode(".png", larger)[1].tobytes()


def print_memory_and_log(app, folder):
    """Print the application's memory over many requests, and whether its log kept all of them."""
    before, logged = app.memory(), count_entries(folder)
    app.storm(32, NUM_LONG)
    kept = count_entries(folder) - logged
    with contextlib.closing(connect(folder / "screening")) as connection:
        faults = verify(connection)
    print(
        f"  memory {before:.0f} -> {app.memory():.0f} MiB over {NUM_LONG} requests; {kept} in the log, "
        f"{len(faults)} faults of its chain"
    )


class Server:
    """A server in a process of its own, and the clients that storm it."""

    def __init__(self, command, folder, token, photograph):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, *map(str, command), "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/png"}
        self.photograph = photograph
        for line in self.process.stdout:
            if "http://" in line:
                return
        raise RuntimeError(f"{command} ended with {self.process.wait()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, connection=None):
        """Send the photograph and return the answer, a dict."""
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", "/api/v1/predict?override_quality=true", self.photograph, self.headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        assert answer.status == 200, content
        return content

    def storm(self, num_clients, num_requests):
        """Send so many requests from clients that each send one after another, and print the latencies."""
        seconds, left = [], iter(range(num_requests))
        lock = threading.Lock()

        def client():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                started = time.perf_counter()
                self.ask(connection)
                seconds.append(time.perf_counter() - started)

        threads = [threading.Thread(target=client) for _ in range(num_clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seconds) == num_requests, "a request was lost"
        p50, p99 = np.percentile(seconds, [50, 99]) * 1000
        print(f"    port {self.port}, {num_clients} clients: p50 {p50:.0f} ms, p99 {p99:.0f} ms", flush=True)

    def memory(self):
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def count_entries(folder):
    with contextlib.closing(connect(folder / "screening")) as connection:
        return connection.execute("SELECT count(*) FROM audit WHERE action = 'prediction'").fetchone()[0]
