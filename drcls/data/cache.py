"""Decoded images on disk, written once and memory-mapped ever after."""

import contextlib
import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from drcls.data.features import find_rows
from drcls.data.image_ops import read_image, resize
from drcls.files import locked


class ImageCache:
    """All images of a data set as one memory-mapped uint8 array.

    Training reads rows of the array, so memory stays flat however large the set is, and no epoch decodes a
    file twice. The array lies in `cache/` beside the manifest, under a name that changes with the images and
    the size; it is written under a temporary name and renamed, so an interrupted writing leaves no cache.
    What a killed process left of it is removed by the next writing. Of several processes one writes, and the others
    wait for it.

    Args:
        manifest: the whole data set, a `Manifest`.
        size: int, height and width of the cached images in pixels.

    Attributes:
        images: uint8 (N, size, size, 3), RGB, 0..255, memory-mapped.
        paths: pandas.Series of str, the `path` column of the manifest.

    Raises:
        ValueError: where the size is not positive, an image cannot be read, or the cache file is damaged.
        OSError: where the disk has no room for the cache.
    """

    def __init__(self, manifest, size):
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel; received {size}")
        self.size = size
        self.path = manifest.root / "cache" / f"{size}px-{_fingerprint(manifest)}.npy"
        if not self.path.exists():
            _write(self.path, manifest.paths, size)
        self.images = _open(self.path, (len(manifest), size, size, 3))
        self.paths = manifest.frame["path"]

    def rows(self, part):
        """Return where the images of a part lie in `images`, int64 (len(part),).

        Raises:
            KeyError: where the part names an image that is not in the data set of this cache.
        """
        return find_rows(self.paths, part, self.path)


def _fingerprint(manifest):
    content = "\n".join(manifest.frame["path"] + " " + manifest.frame["sha256"])
    content += repr(sorted(manifest.info.get("preparation", {}).items()))
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _write(path, image_paths, size):
    shape = (len(image_paths), size, size, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    partial = path.with_suffix(".partial")
    with locked(path.with_suffix(".lock")):
        if path.exists():
            return
        check_room(path, np.prod(shape, dtype=np.int64))
        try:
            images = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
            _fill(images, image_paths, size)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _fill(images, image_paths, size):
    def fill_row(row):
        images[row] = resize(read_image(image_paths[row]), size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = pool.map(fill_row, range(len(image_paths)))
        for _ in tqdm(rows, total=len(image_paths), desc=f"caching at {size} px", unit="image"):
            pass
    images.flush()


def _remove_abandoned(folder):
    """Remove what killed processes left behind; a living one holds the lock of its file."""
    for partial in folder.glob("*.partial"):
        with (
            contextlib.suppress(BlockingIOError, PermissionError),
            locked(partial.with_suffix(".lock"), wait=False),
        ):
            partial.unlink(missing_ok=True)


def check_room(path, num_bytes):
    """Refuse a cache larger than the disk: writing to mapped memory beyond its end kills the process."""
    free = shutil.disk_usage(path.parent).free
    if num_bytes > free:
        raise OSError(
            f"{path} needs {num_bytes / 2**20:.0f} MiB, but the disk has {free / 2**20:.0f} MiB free"
        )


def _open(path, shape):
    try:
        images = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path} is not a readable image cache ({error}); delete it to have it rebuilt"
        ) from error
    if images.shape != shape or images.dtype != np.uint8:
        raise ValueError(
            f"{path} holds {images.dtype} {images.shape}, expected uint8 {shape}; "
            "delete it to have it rebuilt"
        )
    return images
