"""Run folders: what a finished training leaves behind, written so that a cut leaves nothing half-done."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd

from drcls.files import atomic_path, is_partial, lock_folder, read_json, remove_partial, write_text

# What a run folder holds beside its checkpoint, in the order in which it is written.
RUN_FILES = (
    "config.json",
    "env.json",
    "split.csv",
    "history.csv",
    "model.keras",
    "predictions.csv",
    "validation_predictions.csv",
    "leaked.csv",
    "training.json",
    "audit.json",
    "dataset.json",
    "metrics.json",
)
RUN_KEYS = {"variant", "data", "protocol"}  # of every run's config.json
FILE_KEYS = ("backbone", "weights")  # of a configuration that may name a file of weights


def with_file_digests(config):
    """Return a configuration as it is recorded: a file of weights by name and SHA-256, never by its folder.

    Args:
        config: dict whose `backbone` and `weights`, where it has them, may be paths of files.
    """
    files = {key: Path(config[key]) for key in FILE_KEYS if config.get(key) and Path(config[key]).is_file()}
    names = {key: file.name for key, file in files.items()}
    digests = {f"{key}_sha256": hashlib.sha256(file.read_bytes()).hexdigest() for key, file in files.items()}
    return config | names | digests


def save_model(model, path):
    """Save a model as `.keras` under a temporary name and rename it."""
    with atomic_path(path) as partial:
        model.save(partial)


def sole_user(folder):
    """Keep other processes from training in a run folder while the block runs; the lock of a killed one is free.

    Args:
        folder: Path of the run folder, there or not; its lock file lies beside it.

    Raises:
        RunInUseError: where another process trains in it.
    """
    return lock_folder(
        folder,
        RunInUseError(
            f"{folder}: another process trains in this run folder; expected one alone; wait for its end, or "
            "choose another folder"
        ),
    )


class RunInUseError(ValueError):
    """A run folder that another process trains in."""


def is_finished(folder):
    """Whether a variant was trained and evaluated to its end: `metrics.json` is written last."""
    return (Path(folder) / "metrics.json").is_file()


def has_checkpoint(folder):
    """Whether a training in the folder, or in one below it such as `48px`, has finished an epoch."""
    return any(Path(folder).rglob("checkpoint/state.json"))


def is_current(folder, config):
    """Whether the run is finished with this configuration; another one in the folder is an error.

    A run of other settings that was begun and has no checkpoint yet is nothing to lose: a new one may replace it.

    Args:
        folder: Path of the run folder.
        config: dict of everything the run depends on.

    Raises:
        ValueError: where the folder holds a run of other settings, or a damaged one.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        return False
    found, wanted = read_json(folder / "config.json"), json.loads(json.dumps(config))
    if not isinstance(found, dict):
        raise ValueError(
            f"{folder / 'config.json'} holds a {type(found).__name__}, expected a JSON object; train anew with --force"
        )
    different = sorted(key for key in wanted if found.get(key) != wanted[key])
    if different and not is_finished(folder) and not has_checkpoint(folder):
        return False
    if different:
        raise ValueError(
            f"{folder / 'config.json'} was made with other settings "
            f"({', '.join(f'{key}: {found.get(key)} there, {wanted[key]} now' for key in different)}); "
            "choose another folder for this run, or train anew with --force"
        )
    return is_finished(folder)


def check_run_folder(folder):
    """Refuse a folder that is no run's but holds files, such as the one that the images lie in.

    A run writes its `config.json` first: whatever other files are called, without it they are somebody's own. A run's
    `config.json` is known by `RUN_KEYS`; a damaged one is left to `is_current`.

    Raises:
        ValueError: where it does.
    """
    folder = Path(folder)
    if folder.is_file():
        raise ValueError(f"{folder} is a file; expected a new folder or a run folder")
    found = {path.name for path in folder.iterdir() if not is_partial(path)} if folder.is_dir() else set()
    foreign = sorted(found)
    if "config.json" in found:
        foreign = ["config.json"] if _is_foreign(folder / "config.json") else []
    if foreign:
        raise ValueError(
            f"{folder} holds {', '.join(foreign[:3])} and no run; expected a new folder or a run folder"
        )


def _is_foreign(config):
    """Whether a `config.json` describes something else than a run."""
    try:
        described = read_json(config)
    except ValueError:
        return False
    return isinstance(described, dict) and not described.keys() >= RUN_KEYS


def discard_run(folder):
    """Delete a run, finished or not, and nothing else that lies in its folder.

    Raises:
        ValueError: where the folder holds other files and no run.
    """
    folder = Path(folder)
    check_run_folder(folder)
    remove_partial(folder)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    for name in reversed(RUN_FILES):  # `config.json` last: it says that the others are a run's
        (folder / name).unlink(missing_ok=True)


def write_split(folder, parts):
    """Write which image went where: `split.csv` with path, label, group, sha256 and part."""
    write_text(Path(folder) / "split.csv", _split_table(parts))


def check_split(folder, parts):
    """Refuse a run, finished or with a checkpoint, that was trained on another split or other images.

    A run without `split.csv` is not checked. Images that were prepared in another way are other images, where the run
    has a `dataset.json`.

    Args:
        folder: Path of the run folder.
        parts: dict of `Manifest` that a run would be trained on now.

    Raises:
        ValueError: where its `split.csv` differs from the one that would be written now, or the preparation does.
    """
    if is_finished(folder) or has_checkpoint(folder):
        check_same_images(folder, parts, "was trained on")


def check_same_images(folder, parts, what):
    """Refuse a folder of results whose `split.csv` differs from the one that would be written now.

    That file tells the images apart as they came; what was made of them must agree too (`check_same_preparation`).

    Args:
        folder: Path; without `split.csv` it is not checked.
        parts: dict of `Manifest`.
        what: str, how the results came from the images: "was trained on", "was tested on".

    Raises:
        ValueError: where they differ.
    """
    file = Path(folder) / "split.csv"
    if not file.is_file():
        return
    now = _split_table(parts).encode("utf-8", "backslashreplace")  # as `write_text` has it
    digests = [hashlib.sha256(content).hexdigest()[:12] for content in (file.read_bytes(), now)]
    if digests[0] != digests[1]:
        raise ValueError(
            f"{folder} {what} other images or another split (SHA-256 of {file.name}: {digests[0]} there, "
            f"{digests[1]} now); prepare the data set as it was, choose another folder for the runs, or train anew "
            "with --force"
        )
    check_same_preparation(folder, next(iter(parts.values())).info, what)


def check_same_preparation(folder, info, what):
    """Refuse a folder of results whose `dataset.json` records another preparation than that of the images now.

    Args:
        folder: Path; without `dataset.json` it is not checked.
        info: dict, the `info` of a `Manifest`.
        what: str, as for `check_same_images`.

    Raises:
        ValueError: where they differ.
    """
    described = Path(folder) / "dataset.json"
    if not described.is_file():
        return
    found, now = read_json(described).get("preparation"), info.get("preparation")
    if found != now:
        raise ValueError(
            f"{folder} {what} images prepared in another way ({found} there, {now} now); prepare the data set as it "
            "was, choose another folder for the runs, or train anew with --force"
        )


def _split_table(parts):
    """Return the content of `split.csv`."""
    rows = [
        part.frame[["path", "label", "group", "sha256"]].assign(part=name) for name, part in parts.items()
    ]
    return pd.concat(rows, ignore_index=True).to_csv(index=False)
