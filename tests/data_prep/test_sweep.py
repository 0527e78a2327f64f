"""`make sweep`, the preparation's part: damaged images and archives, killed processes, random splits."""

import contextlib
import io
import json
import random
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from data_prep.folder import prepare_folder
from data_prep.sources import PreparationError
from data_prep.verify import RejectedImageError, decode_verified
from drcls.data.split import STRATEGIES, split
from tests.data.tables import table
from tests.data_prep.imitations import encode, picture, write_zip
from tests.sweeps import Sweep

pytestmark = pytest.mark.sweep
IMAGES, ARCHIVES, KILLS, SPLITS = 500, 100, 20, 2000
SLOW = """
import sys, time
from data_prep import prepare
from data_prep.folder import prepare_folder
decode = prepare.decode_verified
prepare.decode_verified = lambda *arguments: (time.sleep(0.02), decode(*arguments))[1]
prepare_folder(sys.argv[1], sys.argv[2], size=32, workers=2)
"""


def damage(data, rng):
    """Cut bytes, change bytes, repeat a piece or fill one with zeros."""
    data, place = bytearray(data), rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind == 0:
        del data[place:]
    elif kind == 1:
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 2:
        data[place:place] = data[place : place + rng.randint(1, 400)]
    else:
        data[place : place + 200] = bytes(len(data[place : place + 200]))
    return bytes(data)


def fuzz_images(rng):
    """Decode damaged files of every format: an image of the right size, or a reason."""
    suffixes = (".jpg", ".png", ".bmp", ".tif", ".webp")
    for number in range(IMAGES):
        suffix = suffixes[number % len(suffixes)]
        data = damage(encode(picture(number % 20), suffix), rng)
        try:
            image = decode_verified(data, f"x{suffix}")
            yield image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        except RejectedImageError:
            yield True


def class_files(count=12):
    return {f"{'ab'[n % 2]}/{n:03d}.png": encode(picture(n, 64)) for n in range(count)}


def fuzz_archives(rng, folder):
    """Prepare damaged zips: refused as a whole, or each image prepared or listed as rejected."""
    for number in range(ARCHIVES):
        source = write_zip(folder / "whole.zip", class_files(), zipfile.ZIP_DEFLATED)
        source.write_bytes(damage(source.read_bytes(), rng))
        target = folder / f"out{number}"
        try:
            info = prepare_folder(source, target, size=32)
            yield sum(info["counts"].values()) + info["rejected"] <= len(class_files()) and target.is_dir()
        except PreparationError:
            yield not (target / "dataset.json").exists()


def kill_preparations(rng, folder):
    """Kill a preparation at a random moment, go on, and compare with one that was not killed."""
    source = write_zip(folder / "source.zip", class_files(60))
    whole = folder / "whole"
    prepare_folder(source, whole, size=32)
    for number in range(KILLS):
        target = folder / f"killed{number}"
        process = subprocess.Popen([sys.executable, "-c", SLOW, source, target], stderr=subprocess.DEVNULL)
        while process.poll() is None and not target.exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        prepare_folder(source, target, size=32)
        same = (target / "manifest.csv").read_bytes() == (whole / "manifest.csv").read_bytes()
        infos = [json.loads((each / "dataset.json").read_text()) for each in (target, whole)]
        left = {path.name for path in target.iterdir()}
        yield (
            same
            and infos[0]["counts"] == infos[1]["counts"]
            and left == {"images", "manifest.csv", "rejected.csv", "dataset.json"}
        )


def split_at_random(rng):
    """Split random tables by every strategy: no group torn, no image lost or twice, every class in every part."""
    for number in range(SPLITS):
        counts = {name: rng.randint(3, 80) for name in "abcde"[: rng.randint(2, 5)]}
        manifest = table(counts, images_per_group=rng.randint(1, 4))
        manifest.frame["source_split"] = [
            rng.choice(["train", "train", "train", "test"]) for _ in range(len(manifest))
        ]
        strategy = STRATEGIES[number % len(STRATEGIES)]
        shares = (rng.uniform(0.5, 0.8), 0.1)
        try:
            parts = split(manifest, (*shares, 1 - sum(shares)), number, strategy)
        except ValueError as error:
            yield str(manifest.root) in str(error)
            continue
        fine = all(part.counts().all() for part in parts.values())
        if strategy.endswith("grouped"):
            groups = [set(part.frame["group"]) for part in parts.values()]
            fine &= sum(map(len, groups)) == len(set.union(*groups))
        if strategy != "oversample_first":
            paths = [path for part in parts.values() for path in part.frame["path"]]
            fine &= len(paths) == len(set(paths))
        if strategy in ("random", "grouped", "official"):
            fine &= sum(map(len, parts.values())) == len(manifest)
        yield fine


def count(name, results):
    """Count what a generator yields; an error that comes out of it is a loss, and ends it."""
    sweep = Sweep(f"preparation: {name}")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for number, survived in enumerate(results):
                sweep.count(number, survived)
    except Exception as error:  # noqa: BLE001 - what the sweep looks for
        sweep.count(f"number {sweep.tried}: {type(error).__name__}: {error}", False)
    sweep.finish()


def test_damaged_images_are_refused_or_whole():
    count("damaged images", fuzz_images(random.Random(0)))


def test_damaged_archives_are_refused_or_accounted_for(tmp_path):
    count("damaged archives", fuzz_archives(random.Random(0), tmp_path))


def test_killed_preparations_go_on(tmp_path):
    count("kill -9 at random moments", kill_preparations(random.Random(0), tmp_path))


def test_random_splits_tear_nothing():
    count("random splits", split_at_random(random.Random(0)))
