"""From a source of labelled images to a verified folder with a manifest; what all data sets share.

A preparation decodes every image once, writes it under `images/` and notes it in a journal at once, so that
one that was killed goes on where it stopped. At the end it writes

    manifest.csv   one row an image, sorted by path
    rejected.csv   the files that cannot be used, with the reason
    dataset.json   classes, counts, source, options, duplicates; written last, its presence means "finished"
"""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from tqdm import tqdm

from data_prep.description import (
    check_counts,
    count_by_class,
    count_groups,
    describe_duplicates,
    describe_sample,
)
from data_prep.journal import Journal, check_same_task
from data_prep.sources import PreparationError, UnreadableFileError, shorten
from data_prep.target import check_target, discard
from data_prep.verify import RejectedImageError, decode_verified
from drcls.data.duplicates import perceptual_hash, turned_pairs, unite_groups
from drcls.data.image_ops import check_options, prepare_image
from drcls.data.manifest import COLUMNS
from drcls.files import encode_png, lock_folder, read_json, write_csv, write_json

# File systems allow 255 for a name; an ending and a temporary name need some of them.
MAX_NAME_BYTES = 240
# One more than the cores, since some wait for the disk; many more would wait for Python's lock.
THREADS = (os.cpu_count() or 1) + 1
BATCH = 8  # images that a thread prepares before it hands over
# Preparation options of images that are only resized.
PLAIN = {"crop": "none", "size": 224, "filter": "none", "clahe": False}


@dataclass(frozen=True)
class LabelledFile:
    """An image file of a source with what the source says about it.

    Args:
        name: name of the file in the source.
        image_id: what it is called in the prepared folder, without the ending; may hold slashes.
        label: class name, or None for a file that no label is known for (it is rejected).
        group: patient, or "" for none known; images of one patient never fall on both sides of a split.
        source_split: part that the distributor put it in, or "".
        injected: what was injected by the preparation itself, or "" for a genuine image; `injected.csv` lists it.
    """

    name: str
    image_id: str
    label: str | None
    group: str = ""
    source_split: str = ""
    injected: str = ""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What is known of a data set before its images are read.

    Args:
        name: folder name under `data/`.
        title: for tables and figures.
        classes: class names in the order of the network's outputs.
        licence: terms of the original.
        list_files: function, Source -> (list of LabelledFile, dict of notes for dataset.json).
        expected_counts: images per class in the publication that is reproduced, or None.
        counts_source: which table these stand in.
        kaggle: keyword arguments of `kaggle.download`, or None where Kaggle does not have it.
        expected_splits: the same counts by the distributor's split, {split: {class name: count}}, or None.
        phantom: whether the images are drawn, not real.
        sample: what the images are, where they are a small sample of real ones; "" for a whole set.
        ordered: whether the classes are grades, from least to most.
        labelling: what a preparation that goes on must have labelled alike, besides its source and options.
        may_lack: classes of which it is known that no file has them.
        asked: what `dataset.json` must say because the user asks for it, for example `title`.
    """

    name: str
    title: str
    classes: list[str]
    licence: str
    list_files: Callable
    expected_counts: dict[str, int] | None = None
    counts_source: str = ""
    kaggle: dict | None = None
    expected_splits: dict[str, dict[str, int]] | None = None
    phantom: bool = False
    sample: str = ""
    ordered: bool = False
    labelling: dict = field(default_factory=dict)
    may_lack: frozenset[str] = frozenset()
    asked: dict = field(default_factory=dict)


def with_distinct_ids(files):
    """Give files that would be stored under one name, `a.jpg` and `a.png`, ids that keep their endings.

    Capitals are not told apart, as on the disks of Windows and macOS.

    Args:
        files: list of LabelledFile.

    Returns:
        The list, in the same order.

    Raises:
        PreparationError: Two files differ in capitals alone.
    """
    count = Counter(file.image_id.casefold() for file in files)
    files = [
        replace(file, image_id=file.image_id + PurePosixPath(file.name).suffix)
        if count[file.image_id.casefold()] > 1
        else file
        for file in files
    ]
    count = Counter(file.image_id.casefold() for file in files)
    repeated = [file.name for file in files if count[file.image_id.casefold()] > 1]
    if repeated:
        raise PreparationError(
            f"files whose names differ in nothing but capitals, {shorten(repeated)}; rename them"
        )
    return files


def _check_name(image_id):
    """Reject a name that cannot be a file's, or not a row's in a table."""
    longest = max(len(part.encode("utf-8", "surrogateescape")) for part in image_id.split("/"))
    if longest > MAX_NAME_BYTES:
        raise RejectedImageError(f"name of {longest} bytes, at most {MAX_NAME_BYTES} expected")
    if not image_id.isprintable():
        raise RejectedImageError("name with control or undecodable characters")


def _prepare_file(source, file, options, folder):
    """Verify, prepare and store one image; return its line of the journal."""
    try:
        if file.label is None:
            raise RejectedImageError("no label for it")
        _check_name(file.image_id)
        data = source.read(file.name)
        image = decode_verified(data, file.name)
    except RejectedImageError as error:
        return {"name": file.name, "reason": str(error)}
    except UnreadableFileError as error:
        return {"name": file.name, "reason": error.reason}
    prepared = prepare_image(image, options)
    suffix = ".png"
    if prepared is image or np.array_equal(prepared, image):
        stored, suffix = data, PurePosixPath(file.name).suffix.lower()
    else:
        stored = encode_png(prepared)
    path = f"images/{file.image_id}{suffix}"
    _store(folder / path, stored)
    return {
        "name": file.name,
        "path": path,
        "sha256": hashlib.sha256(data).hexdigest(),
        "phash": perceptual_hash(prepared),
        "width": prepared.shape[1],
        "height": prepared.shape[0],
        "grey": _is_grey(prepared),
    }


def _store(path, data):
    """Write a file without a temporary name: what is not in the journal is written again."""
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _is_grey(image):
    """Tell whether the three channels are equal; a few pixels tell it of most images in colour."""
    return all((part == part[..., :1]).all() for part in (image[::16, ::16], image))


def prepare(data_set, source, folder, options, workers=None, force=False):
    """Prepare a data set from an open source.

    Args:
        data_set: `DataSet`.
        source: `Source`.
        folder: output folder; created.
        options: see `drcls.data.image_ops.prepare_image`.
        workers: number of threads (OpenCV decodes outside Python's lock); None for one more than the cores.
        force: whether an earlier preparation in the folder is deleted first, once source and labels are known to fit.

    Returns:
        The content of `dataset.json`.

    Raises:
        PreparationError: The source or its labels are not as they must be, or the folder holds another
            preparation or other files under the names of its own.
    """
    folder = Path(folder)
    task = {
        "name": data_set.name,
        "preparation": check_options(options),
        "source": source.path.resolve().name,
        "source_fingerprint": source.fingerprint(),
        **data_set.labelling,
    }
    check_target(folder, source.path)
    if not force and (info := _prepared_before(data_set, folder, task)):
        return info
    in_use = PreparationError(
        f"{folder}: another process prepares images there; expected one alone; wait for its end, or choose another "
        "output folder"
    )
    with lock_folder(folder, in_use):
        if not force and (info := _prepared_before(data_set, folder, task)):
            return info
        return _prepare(data_set, source, folder, task, options, workers, force)


def _prepared_before(data_set, folder, task):
    """Return the content of `dataset.json` of a finished preparation of the same task, None where there is none."""
    if not (folder / "dataset.json").is_file():
        return None
    info = read_json(folder / "dataset.json")
    check_same_task(folder, info, task)
    _check_says(folder, info, data_set.asked)
    print(f"{folder} is prepared already, nothing to do")
    return info


def _prepare(data_set, source, folder, task, options, workers, force):
    """Prepare into a folder that no other process writes to; arguments as for `prepare`."""
    files, notes = data_set.list_files(source)
    files = with_distinct_ids(files)
    if force:
        discard(folder)
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder, task)
    _prepare_files(source, files, options, folder, journal, workers)
    try:
        info = _finish(data_set, files, journal.done, folder, task | notes)
    except PreparationError:
        # Nothing to go on with: the source must change first.
        discard(folder)
        raise
    journal.path.unlink()
    return info


def _prepare_files(source, files, options, folder, journal, workers):
    """Prepare the files that the journal does not name yet, in several threads, with a bar and the speed."""
    started, todo = time.perf_counter(), [file for file in files if file.name not in journal.done]

    def prepare_batch(batch):
        for file in batch:
            journal.add(_prepare_file(source, file, options, folder))
        return len(batch)

    pool = ThreadPoolExecutor(workers or THREADS)
    bar = tqdm(desc=folder.name, total=len(files), initial=len(files) - len(todo), unit="img", mininterval=1)
    try:
        batches = [todo[start : start + BATCH] for start in range(0, len(todo), BATCH)]
        for num_done in pool.map(prepare_batch, batches):
            bar.update(num_done)
    finally:
        pool.shutdown(cancel_futures=True)
        journal.close()
        bar.close()
    seconds = time.perf_counter() - started
    print(f"{len(todo)} images in {seconds:.1f} s, {len(todo) / seconds:.0f} images/s")


def _check_says(folder, info, asked):
    """Refuse to pass over a title or a licence that differs from that of a finished preparation."""
    other = {name: value for name, value in asked.items() if value and info.get(name) != value}
    if other:
        was = {name: info.get(name) for name in other}
        raise PreparationError(
            f"{folder} is prepared already, with {was}; asked for is {other}. Change {', '.join(map(repr, other))} in "
            f"{folder / 'dataset.json'}, or --force to prepare it afresh"
        )


def prepare_labelled(
    source,
    files,
    folder,
    classes,
    *,
    ordered=False,
    title=None,
    licence="",
    options=None,
    workers=None,
    force=False,
    labelling=None,
    notes=None,
):
    """Prepare images that nobody has published a table of: `prepare` for anybody's own.

    Args:
        source: what the files are read from.
        files: list of LabelledFile.
        folder: output folder; its name is the data set's.
        classes: list of str in the order of the network's outputs; the source need not have an image of each.
        ordered: whether the classes are grades, from least to most.
        title: for tables and figures; None for the name of the folder.
        licence: terms of the images.
        options: dict, those of `PLAIN` that differ.
        workers: number of threads; None for one more than the cores.
        force: whether an earlier preparation in the folder is deleted first.
        labelling: dict, how the source was read, which `dataset.json` records; with other settings it is another
            preparation.
        notes: dict, what else `dataset.json` says.

    Returns:
        The content of `dataset.json`.
    """
    listing = json.dumps([asdict(file) for file in files])
    data_set = DataSet(
        name=Path(folder).resolve().name,
        title=title or Path(folder).resolve().name,
        classes=classes,
        licence=licence,
        list_files=lambda _: (files, notes or {}),
        ordered=ordered,
        asked={"title": title, "licence": licence},
        may_lack=frozenset(classes) - {file.label for file in files},
        labelling={
            "classes": classes,
            "ordered": ordered,
            **(labelling or {}),
            "labels_fingerprint": hashlib.sha256(listing.encode()).hexdigest(),
        },
    )
    return prepare(data_set, source, folder, PLAIN | (options or {}), workers, force)


def _finish(data_set, files, done, folder, info):
    """Write the two tables and, last, dataset.json; return its content."""
    rejected = [(file.name, done[file.name]["reason"]) for file in files if "reason" in done[file.name]]
    kept = [file for file in files if "reason" not in done[file.name]]
    _check_classes(data_set, kept, rejected)
    frame = pd.DataFrame([vars(file) | done[file.name] for file in kept])
    frame["group"] = frame["group"].where(frame["group"] != "", frame["image_id"])
    frame = frame.sort_values("path", ignore_index=True)
    turned, _ = turned_pairs(list(frame["phash"]))
    frame["group"] = unite_groups(list(frame["group"]), list(frame["sha256"]), list(frame["phash"]), turned)
    counts = count_by_class(data_set, frame["label"])
    splits = {
        name: count_by_class(data_set, labels)
        for name, labels in frame.groupby("source_split")["label"]
        if name
    }
    info = {
        **info,
        "title": data_set.title,
        "classes": data_set.classes,
        "counts": counts,
        **count_groups(kept),
        **({"source_splits": splits} if splits else {}),
        **({"counts_check": check_counts(data_set, counts, splits)} if data_set.expected_counts else {}),
        "licence": data_set.licence,
        "phantom": data_set.phantom,
        "ordered": data_set.ordered,
        "grey": int(frame["grey"].sum()),
        "rejected": len(rejected),
        "drcls_version": version("drcls"),
        "duplicates": describe_duplicates(frame, turned),
    }
    injected = frame.loc[frame["injected"] != "", ["path", "injected"]].set_axis(["path", "kind"], axis=1)
    if len(injected):
        info["injected"] = injected["kind"].value_counts().sort_index().to_dict()
        write_csv(folder / "injected.csv", injected)
    if data_set.sample:
        info["sample"] = describe_sample(data_set, len(frame) - len(injected))
    write_csv(folder / "manifest.csv", frame[COLUMNS])
    write_csv(folder / "rejected.csv", pd.DataFrame(sorted(rejected), columns=["path", "reason"]))
    write_json(folder / "dataset.json", info)
    return info


def _check_classes(data_set, kept, rejected):
    """Refuse a set of which a class that has files, or all, has no image that can be used."""
    reasons = shorten(f"{name} ({reason})" for name, reason in rejected)
    if not kept:
        raise PreparationError(f"none of the {len(rejected)} images can be used, {reasons}")
    empty = sorted(set(data_set.classes) - {file.label for file in kept} - data_set.may_lack)
    if empty:
        raise PreparationError(
            f"no image of the classes {empty} can be used; rejected {reasons if rejected else 'none'}"
        )
