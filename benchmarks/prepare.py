"""Preparing a zip of 224 px JPEG fundi against a plain Pillow loop, and finding it prepared already.

    python -m pytest benchmarks/bench_prepare.py --benchmark-group-by=group

The Pillow loop only opens, converts, resizes and saves, in the format and compression of the preparation. The
preparation also verifies every file, hashes its bytes and its picture, searches duplicates and writes the
manifest. At 224 px nothing changes, so that the preparation keeps the bytes.
"""

import io
import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.aptos2019 import APTOS2019
from data_prep.prepare import prepare
from data_prep.sources import Source

NUM_IMAGES = 400


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Write a zip in the layout of the public APTOS copy, of blurred noise with a JPEG's usual size."""
    path = tmp_path_factory.mktemp("source") / "aptos.zip"
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


@pytest.mark.parametrize("size", [224, 128])
@pytest.mark.parametrize("way", [ours, pillow], ids=["drcls", "pillow"])
def test_prepare(benchmark, archive, tmp_path, way, size):
    benchmark.group = f"prepare {NUM_IMAGES} images at {size} px"
    folders = (tmp_path / f"out{number}" for number in itertools.count())
    benchmark.pedantic(lambda: way(archive, next(folders), size), rounds=3)
    benchmark.extra_info["images_per_second"] = NUM_IMAGES / benchmark.stats.stats.min


def test_second_preparation(benchmark, archive, tmp_path):
    benchmark.group = f"prepare {NUM_IMAGES} images at 224 px"
    ours(archive, tmp_path / "out", 224)
    benchmark.pedantic(lambda: ours(archive, tmp_path / "out", 224), rounds=3)
    assert benchmark.stats.stats.max < 2
