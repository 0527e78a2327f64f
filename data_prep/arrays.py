"""Images in a NumPy file: MedMNIST's `.npz`, or one of `images` and `labels`. Never unpickled."""

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from data_prep.labels import check_classes
from data_prep.prepare import LabelledFile, prepare_labelled
from data_prep.sources import PreparationError, shorten
from drcls.files import encode_png

HOMEWORK_KEYS = ("images", "labels")
MEDMNIST_PARTS = ("train", "val", "test")
EXPECTED_ARRAYS = "an .npz of uint8 images of one size and integer labels"
MAX_CLASSES = 1000
MAX_RATIO = 30  # of unpacked to packed bytes; photographs are packed two to five times smaller


def prepare_arrays(source, target, size=None, ordered=False, classes=None, **described):
    """Prepare the images of a NumPy file.

    Args:
        source: path of an `.npz`; see `ArrayFile`.
        target: output folder; its name is the data set's.
        size: side in pixels; None for that of the images.
        ordered: whether the classes are grades, from least to most.
        classes: list of class names in the order of the labels, those without an image too; None to call them by
            their numbers.
        described: `title`, `licence`, `options`, `workers`, `force`; see `data_prep.prepare.prepare_labelled`.

    Returns:
        The content of `dataset.json`.

    Raises:
        PreparationError: The file is not as it must be, `classes` is None and a number has no image, or `target`
            holds another preparation.
    """
    opened = ArrayFile(source, classes)
    if classes is None:
        _check_every_number(opened)
    names = check_classes({file.label for file in opened.files}, opened.classes, opened.path, ordered)
    options = {"size": size or max(opened.shape)} | (described.pop("options", None) or {})
    return prepare_labelled(
        opened, opened.files, target, names, ordered=ordered, options=options, **described
    )


class ArrayFile:
    """The images of a NumPy file seen as PNG files of their labels; what `prepare` asks of a source.

    Args:
        path: an `.npz` of `images` and `labels`, or of MedMNIST's `train_images`, `train_labels`, `val_...`,
            `test_...`: images uint8 (N, H, W, 3), or (N, H, W) and (N, H, W, 1), whose grey is stored three times;
            labels integers (N,) or (N, 1) from 0.
        classes: list of class names in the order of the labels; None to call them by their numbers.

    Attributes:
        files: list of LabelledFile.
        classes: list of str.

    Raises:
        PreparationError: The file is missing or damaged, has other keys, holds pickled objects (they are never
            unpickled), other shapes or types, or labels out of range.
    """

    def __init__(self, path, classes=None):
        self.path = Path(path)
        if not self.path.is_file():
            raise PreparationError(f"{path} does not exist; an .npz file was expected")
        self._num_classes = len(classes) if classes else MAX_CLASSES
        arrays = self._read()
        sizes = {part: images.shape[1:3] for part, (images, _) in arrays.items()}
        if len(set(sizes.values())) > 1:
            raise PreparationError(
                f"{path} holds images of several sizes, {sizes}; expected {EXPECTED_ARRAYS}"
            )
        num_found = max(max(labels) for _, labels in arrays.values()) + 1
        self.classes = classes or [str(number) for number in range(num_found)]
        self.files, self._images = [], {}
        for part, (images, labels) in arrays.items():
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                image_id = f"{part}/{number:05d}" if part else f"{number:05d}"
                self._images[f"{image_id}.png"] = image
                self.files.append(
                    LabelledFile(
                        f"{image_id}.png",
                        image_id,
                        self.classes[label],
                        source_split=part,
                    )
                )
        self.names = sorted(self._images)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Nothing is open: the arrays are in memory."""

    @property
    def shape(self):
        """Height and width of the images."""
        return next(iter(self._images.values())).shape[:2]

    def size(self, name):
        """Return the number of bytes of an image's pixels."""
        return self._images[name].nbytes

    def read(self, name):
        """Return an image as the bytes of a PNG file."""
        return encode_png(self._images[name])

    def fingerprint(self):
        """Return a digest of all pixels and labels, which tells a changed source."""
        digest = hashlib.sha256(repr([(file.name, file.label) for file in self.files]).encode())
        for file in self.files:
            digest.update(np.ascontiguousarray(self._images[file.name]))
        return digest.hexdigest()

    def _read(self):
        """Return dict, part ("" where there is but one) -> (images, labels)."""
        if not zipfile.is_zipfile(self.path):
            raise PreparationError(
                f"{self.path} cannot be read: it is no zip archive; expected {EXPECTED_ARRAYS}"
            )
        _check_ratio(self.path)
        try:
            with np.load(self.path, allow_pickle=False) as file:
                keys = sorted(file.files)
                parts = {"": ""} if set(HOMEWORK_KEYS) <= set(keys) else {}
                parts |= {name: f"{name}_" for name in MEDMNIST_PARTS if f"{name}_images" in keys}
                wanted = [f"{prefix}{key}" for prefix in parts.values() for key in HOMEWORK_KEYS]
                if not wanted or not set(wanted) <= set(keys):
                    raise PreparationError(
                        f"{self.path} has the keys {keys}; expected images, labels or MedMNIST's train_images, "
                        "train_labels, val_images, ..."
                    )
                # A member that is no array comes as bytes; `_check` then names its type.
                arrays = {
                    part: [np.asarray(file[f"{prefix}{key}"]) for key in HOMEWORK_KEYS]
                    for part, prefix in parts.items()
                }
        except (ValueError, EOFError, OSError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
            pickled = "pickle" in str(error)
            reason = "it holds pickled Python objects, which are never loaded" if pickled else str(error)
            raise PreparationError(
                f"{self.path} cannot be read: {reason}; expected {EXPECTED_ARRAYS}"
            ) from error
        return {
            part: self._check(f"{self.path}{f', {part}' if part else ''}", images, labels)
            for part, (images, labels) in arrays.items()
        }

    def _check(self, where, images, labels):
        """Return the images in three channels and the labels as a flat list, or raise what is wrong with them."""
        grey = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 1)
        if (
            not grey
            and (images.ndim != 4 or images.shape[-1] != 3)
            or images.dtype != np.uint8
            or not len(images)
        ):
            raise PreparationError(
                f"{where}: images are {images.dtype} {images.shape}, expected uint8 (N, H, W, 3), or (N, H, W) in "
                "grey, with N > 0"
            )
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
            raise PreparationError(
                f"{where}: labels are {labels.dtype} {labels.shape}, expected integers, one for each of "
                f"{len(images)} images"
            )
        wrong = np.flatnonzero((labels < 0) | (labels >= self._num_classes))
        if len(wrong):
            listed = shorten(f"image {row}: {labels[row]}" for row in wrong)
            raise PreparationError(f"{where}: labels must be 0..{self._num_classes - 1}; others, {listed}")
        if grey:
            images = np.broadcast_to(images.reshape(*images.shape[:3], 1), (*images.shape[:3], 3))
        return images, labels.tolist()


def _check_every_number(opened):
    """Refuse numbers with gaps, or that begin at 1: whether a class is missing is for the user to say."""
    found = {file.label for file in opened.files}
    lacking = [name for name in opened.classes if name not in found]
    if lacking and len(found) > 1:
        raise PreparationError(
            f"{opened.path}: the labels are {', '.join(sorted(found, key=int))}; every number from 0 expected, there "
            f"is no image of {shorten(lacking)}. Count from 0, or name all {len(opened.classes)} classes if these have "
            "none here (--classes)"
        )


def _check_ratio(path):
    """Refuse a small file that unpacks to a very large one."""
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_RATIO * path.stat().st_size + MAX_RATIO * 2**20:
        raise PreparationError(
            f"{path} has {path.stat().st_size} bytes and says that it unpacks to {size}, more than {MAX_RATIO} times "
            f"as many; expected {EXPECTED_ARRAYS}"
        )
