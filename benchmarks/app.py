"""The application under load against the naive page, which calls `model.predict` once per request.

    python -m pytest benchmarks/bench_app.py --benchmark-columns=min,median,rounds

Both serve the network of the demonstration (CheXNet_CBAM on DenseNet121 at 64 px, random weights) from a process of
their own through waitress, to 1 and to 32 clients that send one photograph after another. The application also
checks a token, measures the quality of the photograph, calibrates, and writes a durable entry of the audit log for
every prediction; the naive page does none of this. Throughput and latencies stand in `extra_info` and are printed;
afterwards the application answers 2,000 requests, and its memory is compared before and after.
"""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.phantoms.fundus import write_fundus
from data_prep.phantoms.retina import CLASSES
from drcls.app import audit
from drcls.app.accounts import add_account, add_token
from drcls.app.store import connect, create_folder
from drcls.models import build_backbone, build_chexnet_cbam

NUM_REQUESTS = {1: 40, 32: 160}
NUM_LONG = 2000


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """A model, the data it might have been trained on, an account with a token, and a photograph."""
    folder = tmp_path_factory.mktemp("bench")
    build_chexnet_cbam(build_backbone("DenseNet121", 64), CLASSES, seed=0).save(folder / "model.keras")
    write_fundus(folder / "data", num_images=40, size=64, progress=False)
    create_folder(folder / "screening")
    with contextlib.closing(connect(folder / "screening")) as connection:
        add_account(connection, "bench", "a long enough password", "clinician")
        token = add_token(connection, "bench")
    image = cv2.imread(str(folder / "data" / "images" / "00000.png"))
    photograph = cv2.imencode(".png", cv2.resize(image, (512, 512), interpolation=cv2.INTER_CUBIC))[
        1
    ].tobytes()
    return folder, token, photograph


@pytest.fixture(scope="module")
def servers(setting):
    folder, token, photograph = setting
    started = {
        "drcls": Server(
            ["-m", "drcls.app", "--model", "model.keras", "--trained-on", "data"], folder, token, photograph
        ),
        "naive": Server([Path(__file__).resolve(), "model.keras"], folder, token, photograph),
    }
    yield started
    for server in started.values():
        server.process.kill()
        server.process.wait()


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

    def storm(self, num_clients, num_requests):
        """Send requests; return seconds of each one, float (num_requests,), and of all together."""
        seconds, left = [], iter(range(num_requests))
        lock = threading.Lock()

        def client():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                started = time.perf_counter()
                connection.request(
                    "POST", "/api/v1/predict?override_quality=true", self.photograph, self.headers
                )
                answer = connection.getresponse()
                content = json.loads(answer.read())
                assert answer.status == 200, content
                seconds.append(time.perf_counter() - started)

        threads = [threading.Thread(target=client) for _ in range(num_clients)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seconds) == num_requests, "a request was lost"
        return np.array(seconds), time.perf_counter() - started

    def memory(self):
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.parametrize("num_clients", [1, 32])
@pytest.mark.parametrize("way", ["naive", "drcls"])
def test_throughput(benchmark, servers, way, num_clients):
    server, num_requests = servers[way], NUM_REQUESTS[num_clients]
    server.storm(num_clients, num_clients)
    latencies = []
    benchmark.group = f"{num_requests} photographs from {num_clients} clients"
    benchmark.pedantic(lambda: latencies.append(server.storm(num_clients, num_requests)[0]), rounds=3)
    p50, p99 = np.percentile(np.concatenate(latencies), [50, 99]) * 1000
    rate = num_requests / benchmark.stats.stats.median
    benchmark.extra_info.update(requests_per_second=rate, p50_ms=p50, p99_ms=p99)
    print(f"\n{way}, {num_clients} clients: {rate:.1f} requests/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def test_memory_and_log_after_two_thousand(benchmark, setting, servers):
    folder, _, _ = setting
    server = servers["drcls"]
    server.storm(32, 200)
    before, logged = server.memory(), count_entries(folder)
    benchmark.group = f"{NUM_LONG} photographs from 32 clients"
    benchmark.pedantic(lambda: server.storm(32, NUM_LONG), rounds=1)
    after = server.memory()
    benchmark.extra_info.update(memory_before_mib=before, memory_after_mib=after)
    print(f"\nmemory {before:.0f} -> {after:.0f} MiB over {NUM_LONG} requests")
    assert after < 1.1 * before
    assert count_entries(folder) - logged == NUM_LONG, "a prediction is missing in the log"
    with contextlib.closing(connect(folder / "screening")) as connection:
        assert audit.verify(connection) == []


def count_entries(folder):
    with contextlib.closing(connect(folder / "screening")) as connection:
        return connection.execute("SELECT count(*) FROM audit WHERE action = 'prediction'").fetchone()[0]


def serve_naively(model_file, port):
    """The page that is written first: decode, resize, `model.predict`, answer."""
    import flask
    import keras
    import waitress

    import drcls  # noqa: F401 - registers the layers of the saved model

    app, model = flask.Flask(__name__), keras.models.load_model(model_file, compile=False)

    @app.post("/api/v1/predict")
    def predict():
        image = cv2.imdecode(np.frombuffer(flask.request.get_data(), np.uint8), cv2.IMREAD_COLOR_RGB)
        image = cv2.resize(image, model.input_shape[1:3])
        probabilities = model.predict(image[None].astype("float32"), verbose=0)[0]
        return flask.jsonify(dict(zip(CLASSES, probabilities.tolist(), strict=True)))

    model.predict(np.zeros((1, *model.input_shape[1:])), verbose=0)  # the first call compiles
    server = waitress.create_server(app, host="127.0.0.1", port=port, threads=40, ident=None)
    print(f"http://127.0.0.1:{port}", flush=True)
    server.run()


if __name__ == "__main__":
    serve_naively(sys.argv[1], int(sys.argv[3]))
