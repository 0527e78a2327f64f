"""The image cache: what it holds, and what becomes of a broken or interrupted one."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import drcls.data.cache
from drcls.data import ImageCache, load_manifest
from drcls.data.image_ops import read_image, resize
from tests.small_data import write_squares


@pytest.fixture
def manifest(tmp_path):
    return write_squares(tmp_path / "data", per_class=3)


def test_images_are_those_of_the_files(manifest):
    cache = ImageCache(manifest, 8)
    assert cache.images.shape == (9, 8, 8, 3) and cache.images.dtype == np.uint8
    assert isinstance(cache.images, np.memmap)
    for image, path in zip(cache.images, manifest.paths, strict=True):
        np.testing.assert_array_equal(image, resize(read_image(path), 8))


def test_a_second_cache_reads_what_the_first_wrote(manifest, monkeypatch):
    first = ImageCache(manifest, 8)
    written = first.path.stat()
    monkeypatch.setattr(drcls.data.cache, "read_image", None)  # reading a file again would fail
    np.testing.assert_array_equal(ImageCache(manifest, 8).images, first.images)
    assert first.path.stat().st_mtime_ns == written.st_mtime_ns
    assert first.path.stat().st_ino == written.st_ino


def test_another_size_or_another_image_is_another_file(manifest):
    paths = {ImageCache(manifest, 8).path, ImageCache(manifest, 16).path}
    changed = load_manifest(manifest.root)
    changed.frame.loc[0, "sha256"] = "another"
    paths.add(ImageCache(changed, 8).path)
    manifest.info["preparation"] = {"filter": "ben_graham"}
    paths.add(ImageCache(manifest, 8).path)
    assert len(paths) == 4


def test_rows_of_a_part_follow_its_order_and_repeats(manifest):
    np.testing.assert_array_equal(ImageCache(manifest, 8).rows(manifest.select([4, 0, 4])), [4, 0, 4])


def test_an_image_of_another_data_set_is_named(manifest, tmp_path):
    other = write_squares(tmp_path / "other", per_class=4, seed=1)
    with pytest.raises(KeyError, match="does not hold 3 images of the part, first 'images/009.png'"):
        ImageCache(manifest, 8).rows(other)


def test_an_interrupted_writing_leaves_nothing(manifest, monkeypatch):
    def stop(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(drcls.data.cache, "read_image", stop)
    with pytest.raises(KeyboardInterrupt):
        ImageCache(manifest, 8)
    assert list((manifest.root / "cache").iterdir()) == []


def test_an_unreadable_image_is_named_and_leaves_nothing(manifest):
    manifest.paths[4].write_bytes(b"no image")
    with pytest.raises(ValueError, match=re.escape(str(manifest.paths[4]))):
        ImageCache(manifest, 8)
    assert list((manifest.root / "cache").iterdir()) == []


WRITER = """
import sys, time
import drcls.data.cache
from drcls.data import ImageCache, load_manifest

def never_ends(path):
    print("reading", flush=True)
    time.sleep(300)

drcls.data.cache.read_image = never_ends
ImageCache(load_manifest(sys.argv[1]), 8)
"""


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(manifest):
    folder = manifest.root / "cache"
    command = [sys.executable, "-c", WRITER, str(manifest.root)]
    environment = os.environ | {"KERAS_BACKEND": "numpy"}  # the quickest to import
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
        try:
            assert writer.stdout.readline().startswith(b"reading")
            other = ImageCache(manifest, 16).path
            partial = folder / other.name.replace("16px", "8px").replace(".npy", ".partial")
            left = {other, partial, partial.with_suffix(".lock")}
            assert set(folder.iterdir()) == left
        finally:
            writer.kill()
    assert set(folder.iterdir()) == left
    cache = ImageCache(manifest, 8)
    assert set(folder.iterdir()) == {other, cache.path}
    np.testing.assert_array_equal(cache.images[3], resize(read_image(manifest.paths[3]), 8))


ONE_WRITES = """
import sys, time
import drcls.data.cache
from drcls.data import ImageCache, load_manifest

fill = drcls.data.cache._fill

def slow_fill(images, paths, size):
    print("writing", flush=True)
    time.sleep(1)
    fill(images, paths, size)

drcls.data.cache._fill = slow_fill
ImageCache(load_manifest(sys.argv[1]), 8)
"""


def test_of_several_processes_one_writes(manifest):
    command = [sys.executable, "-c", ONE_WRITES, str(manifest.root)]
    environment = os.environ | {"KERAS_BACKEND": "numpy"}
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(3)]
    written = [writer.communicate()[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert b"".join(written) == b"writing\n"
    assert list((manifest.root / "cache").iterdir()) == [ImageCache(manifest, 8).path]


def test_a_cache_larger_than_the_disk_is_refused_before_it_is_written(manifest, monkeypatch):
    full = shutil.disk_usage(manifest.root)._replace(free=9 * 8 * 8 * 3 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(OSError, match=r"8px-.*needs 0 MiB, but the disk has 0 MiB free"):
        ImageCache(manifest, 8)
    assert list((manifest.root / "cache").iterdir()) == []


def test_a_size_without_pixels_is_refused(manifest):
    with pytest.raises(ValueError, match="size must be at least 1 pixel; received 0"):
        ImageCache(manifest, 0)


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_a_broken_cache_is_named(manifest, content):
    path = ImageCache(manifest, 8).path
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(ValueError, match=rf"{path.name} is not a readable image cache.*delete it"):
        ImageCache(manifest, 8)


def test_a_cache_of_another_shape_is_named(manifest):
    path = ImageCache(manifest, 8).path
    np.save(path, np.zeros((9, 4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match=r"holds uint8 \(9, 4, 4, 3\), expected uint8 \(9, 8, 8, 3\)"):
        ImageCache(manifest, 8)
