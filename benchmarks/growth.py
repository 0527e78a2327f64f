"""What happens to time and memory as data grow: `python -m benchmarks.growth [near] [audit] [images] [cases]`.

near     near-identical pairs among 100,000 and 1,000,000 random hashes, and turned ones among 100,000
audit    the audit of manifests of 100,000 and 1,000,000 rows, with the search for near-identical, turned and mirrored
         images
images   100,000 images of 224 px prepared, cached and read for one epoch; the process's own memory all the while
cases    the first page of the case list with 10,000 cases

Writes growth.json, from which `python -m benchmarks --page` makes its section, and growth.png. `images` needs 20 GB of
disk for a while.
"""

import argparse
import contextlib
import datetime
import json
import re
import resource
import statistics
import tempfile
import threading
import time
import types
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.__main__ import load, machine
from benchmarks.duplicates import random_codes
from data_prep.aptos2019 import APTOS2019
from data_prep.prepare import prepare
from data_prep.sources import Source
from drcls.app import create_app
from drcls.app.accounts import add_account
from drcls.app.db import connect, create_folder, transaction
from drcls.data import Augmenter, Batches, ImageCache, Manifest, load_manifest
from drcls.data.audit import audit
from drcls.data.duplicates import NEAR_DISTANCE, turned_pairs
from drcls.data.hamming import pairs_within

FOLDER = Path(__file__).parent
NUM_IMAGES, SIZE, NUM_CASES = 100_000, 224, 10_000
NO_MODEL = types.SimpleNamespace(
    version="none", sha256="0" * 64, phantom=False, calibration=None, class_names=APTOS2019.classes
)
PASSWORD = "a long enough password"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(MEASURED)}; default: all"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.subjects) - set(MEASURED):
        parser.error(f"unknown subjects {sorted(unknown)}; expected some of {', '.join(MEASURED)}")
    for subject in options.subjects or MEASURED:
        circumstances = {"machine": machine(), "date": f"{datetime.date.today()}", "load": load()}
        rows = MEASURED[subject]()
        record(subject, circumstances | {"rows": rows})
        print(json.dumps(rows, indent=1))


def record(subject, measured):
    file = FOLDER / "growth.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(known | {subject: measured}, indent=1, sort_keys=True) + "\n")


def near():
    """Time the search among many hashes; memory is that of the process at its peak."""
    rows = []
    for count, goal in ((NUM_IMAGES, 30), (10 * NUM_IMAGES, 600)):
        codes = random_codes(count)
        seconds, found = timed(lambda codes=codes: pairs_within(codes, NEAR_DISTANCE))
        what = f"near-identical pairs among {count:,} hashes"
        rows.append(row(what, seconds, goal_seconds=goal, pairs=len(found)))
    hashes = [code.tobytes().hex() for code in random_codes(NUM_IMAGES)]
    seconds, (found, _) = timed(lambda: turned_pairs(hashes))
    return [*rows, row(f"turned and mirrored pairs among {NUM_IMAGES:,} hashes", seconds, pairs=len(found))]


def audit_rows():
    """Time the audit of a hundred thousand rows and of a million."""
    rows = []
    for count, goal in ((NUM_IMAGES, {}), (10 * NUM_IMAGES, {"goal_seconds": 60})):
        manifest = random_manifest(count)
        seconds, _ = timed(lambda manifest=manifest: audit(manifest))
        rows.append(row(f"audit of a manifest of {count:,} rows", seconds, **goal))
    return rows


def random_manifest(count):
    """Return a manifest of random rows, of which one in a hundred is a copy."""
    rng = np.random.default_rng(0)
    codes = random_codes(count)
    copies = rng.choice(count, count // 100, replace=False)
    original = np.arange(count)
    original[copies] = (copies + 1) % count
    frame = pd.DataFrame(
        {
            "path": [f"images/{number:07d}.png" for number in range(count)],
            "label": np.array(APTOS2019.classes)[rng.integers(0, len(APTOS2019.classes), count)],
            "group": [f"patient{number:06d}" for number in rng.integers(0, count // 2, count)],
            "sha256": [f"{number:064x}" for number in original],
            "phash": [codes[number].tobytes().hex() for number in original],
            "width": SIZE,
            "height": SIZE,
            "source_split": "",
        }
    )
    return Manifest(Path("many"), frame, {"name": "many", "classes": APTOS2019.classes})


def images():
    """Prepare, cache and read as many images as fit no memory; sample the memory that is the process's own."""
    with tempfile.TemporaryDirectory() as folder, Memory() as memory:
        folder = Path(folder)
        seconds, archive = timed(lambda: write_archive(folder / "many.zip"))
        print(f"{NUM_IMAGES} images drawn in {seconds:.0f} s", flush=True)
        options = {"crop": "none", "size": SIZE, "filter": "none", "clahe": False}
        with memory.stage("prepare"), Source(archive) as source:
            prepared, _ = timed(lambda: prepare(APTOS2019, source, folder / "data", options))
        archive.unlink()
        manifest = load_manifest(folder / "data")
        with memory.stage("cache"):
            cached, cache = timed(lambda: ImageCache(manifest, SIZE))
        batches = Batches(cache, manifest, 32, Augmenter(rotation_range=20), shuffle=True, seed=0)
        with memory.stage("one epoch"):
            read, _ = timed(lambda: [batches[number] and None for number in range(len(batches))])
    draw(memory.samples)
    return [
        row(f"{what} {NUM_IMAGES:,} images of {SIZE} px", seconds, memory=memory.of(stage))
        for what, stage, seconds in (
            ("preparing", "prepare", prepared),
            ("decoding into the cache", "cache", cached),
            ("reading and augmenting", "one epoch", read),
        )
    ]


def write_archive(path):
    """Write a zip of different pictures in the layout of the public copy of APTOS."""
    rng, table = np.random.default_rng(0), ["id_code,diagnosis"]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(NUM_IMAGES):
            coarse = rng.integers(80, 176, (28, 28, 3), dtype=np.uint8)
            picture = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
            grade = number % len(APTOS2019.classes)
            name = f"gaussian_filtered_images/{APTOS2019.classes[grade]}/img{number:06d}.jpg"
            archive.writestr(name, cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
            table.append(f"img{number:06d},{grade}")
        archive.writestr("train.csv", "\n".join(table))
    return path


class Memory:
    """Sample twice a second the memory of this process that no file stands behind."""

    def __init__(self):
        self.samples, self._stage, self._ended = [], "", threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    @contextlib.contextmanager
    def stage(self, name):
        self._stage = name
        yield
        self._stage = ""

    def _sample(self):
        started = time.perf_counter()
        while not self._ended.wait(0.5):
            status = Path("/proc/self/status").read_text()
            mebibytes = int(status.split("RssAnon:")[1].split()[0]) / 1024
            self.samples.append((time.perf_counter() - started, self._stage, mebibytes))

    def of(self, stage):
        """Return the memory at a quarter of a stage and at its end, and its largest, in MiB."""
        values = [mebibytes for _, name, mebibytes in self.samples if name == stage]
        return {"at_a_quarter": values[len(values) // 4], "at_the_end": values[-1], "largest": max(values)}


def draw(samples):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4))
    for stage in ("prepare", "cache", "one epoch"):
        points = [(seconds, mebibytes) for seconds, name, mebibytes in samples if name == stage]
        axes.plot(*zip(*points, strict=True), label=stage)
    axes.set_xlabel("seconds")
    axes.set_ylabel("memory of the process, MiB")
    axes.set_ylim(0)
    axes.set_title(f"{NUM_IMAGES:,} images of {SIZE} px")
    axes.legend()
    figure.tight_layout()
    figure.savefig(FOLDER / "growth.png", dpi=100)


def cases():
    """Time the first page of the case list, without the network between."""
    with tempfile.TemporaryDirectory() as folder:
        folder = create_folder(Path(folder) / "screening")
        with contextlib.closing(connect(folder)) as connection:
            add_account(connection, "anna", PASSWORD, "clinician")
            with transaction(connection):
                connection.executemany(
                    "INSERT INTO cases (id, created, author, reference, eye, image_sha256, width, height, quality, "
                    "gradable, grade, confidence, refer, state) "
                    "VALUES (?, ?, 'anna', ?, 'left', ?, 224, 224, '[]', 1, 'Mild', 0.9, 0, 'graded')",
                    [(f"{n:032x}", f"2026-01-01T{n:08d}", f"R{n}", f"{n:064x}") for n in range(NUM_CASES)],
                )
        browser = create_app(folder, NO_MODEL, explainer=None).test_client()
        token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login").text).group(1)
        browser.post("/login", data={"csrf_token": token, "name": "anna", "password": PASSWORD})
        assert f"{NUM_CASES}" in shown(browser, "/")
        pages = {}
        for what, address in (("first page", "/"), ("last page", "/?page=200"), ("search", "/?text=R99")):
            pages[what] = [timed(lambda address=address: shown(browser, address))[0] for _ in range(11)]
    return [
        row(f"{what} of the list of {NUM_CASES:,} cases", statistics.median(seconds), goal_seconds=0.3)
        for what, seconds in pages.items()
    ]


def shown(browser, address):
    answer = browser.get(address)
    assert answer.status_code == 200, answer.status
    return answer.text


def row(what, seconds, **more):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"what": what, "seconds": seconds, "peak_memory_mib": peak, **more}


def timed(function):
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


MEASURED = {"near": near, "audit": audit_rows, "images": images, "cases": cases}


if __name__ == "__main__":
    main()
