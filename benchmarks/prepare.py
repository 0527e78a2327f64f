"""Preparing a zip of 224 px JPEG fundi against a plain Pillow loop.

The Pillow loop only opens, converts, resizes and saves, in the format and compression of the preparation. The
preparation also verifies every file, hashes its bytes and its picture, searches duplicates and writes the manifest.
At 224 px nothing changes, so that the preparation keeps the bytes.
"""

import io
import itertools
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.comparison import Comparison
from data_prep.aptos2019 import APTOS2019
from data_prep.prepare import prepare
from data_prep.sources import Source
from drcls.data import load_manifest

NUM_IMAGES = 400


def comparisons():
    with tempfile.TemporaryDirectory() as folder:
        archive = write_archive(Path(folder) / "aptos.zip")
        for size in (224, 128):
            yield at_size(archive, Path(folder), size)


def at_size(archive, folder, size):
    new = (folder / f"out{size}-{number}" for number in itertools.count())

    def check():
        """Both keep every image, at the same size."""
        prepared, other = next(new), next(new)
        ours(archive, prepared, size)
        pillow(archive, other, size)
        manifest, files = load_manifest(prepared), sorted(other.iterdir())
        assert len(manifest) == len(files) == NUM_IMAGES
        with Image.open(manifest.paths[0]) as first, Image.open(files[0]) as second:
            assert first.size == second.size == (size, size)

    return Comparison(
        what=f"preparing {NUM_IMAGES} fundi at {size} px",
        ours=lambda: ours(archive, next(new), size),
        peers={"a Pillow loop": lambda: pillow(archive, next(new), size)},
        goals={"a Pillow loop": 1.5},
        work=NUM_IMAGES,
        check=check,
        how="The loop opens, resizes and saves; ours also verifies, hashes, finds duplicates and writes the manifest.",
        limits="At 224 px the loop decodes and encodes a small image, most of it outside Python. Ours decodes it, "
        "computes the hash of the picture, reads the zip, writes, and keeps the journal: about 0.8 ms on one "
        "thread, of which OpenCV needs 0.3 ms. So short pieces of work mostly wait for Python's lock. Tried: "
        "one, two and three threads, a shorter switch interval of Python's, and OpenCV with one thread; they "
        "differ by a tenth or two. Processes instead of threads were not tried.",
    )


def write_archive(path):
    """Write a zip in the layout of the public APTOS copy, of blurred noise with a JPEG's usual size."""
    rng = np.random.default_rng(0)
    table = ["id_code,diagnosis"]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(NUM_IMAGES):
            coarse = Image.fromarray(rng.integers(80, 176, (56, 56, 3), dtype=np.uint8))
            buffer = io.BytesIO()
            coarse.resize((224, 224), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
            grade = number % len(APTOS2019.classes)
            name = f"gaussian_filtered_images/{APTOS2019.classes[grade]}/img{number:04d}.jpg"
            archive.writestr(name, buffer.getvalue())
            table.append(f"img{number:04d},{grade}")
        archive.writestr("train.csv", "\n".join(table))
    return path


def ours(archive, folder, size):
    with Source(archive) as source:
        options = {"crop": "none", "size": size, "filter": "none", "clahe": False}
        return prepare(APTOS2019, source, folder, options)


def pillow(archive, folder, size):
    folder.mkdir()
    with zipfile.ZipFile(archive) as source:
        for name in source.namelist():
            if name.endswith(".jpg"):
                image = Image.open(io.BytesIO(source.read(name))).convert("RGB").resize((size, size))
                if size == 224:
                    image.save(folder / f"{Path(name).stem}.jpg", quality=80)
                else:
                    image.save(folder / f"{Path(name).stem}.png", compress_level=1)
