"""The folder that a preparation writes to: what in it is a preparation's own, and nothing else is ever touched."""

import csv
import json
from pathlib import PurePosixPath

from data_prep.sources import PreparationError

TABLES = ("dataset.json", "manifest.csv", "rejected.csv", "injected.csv", "journal.jsonl")
IMAGES = "images"


def check_target(folder, source):
    """Refuse a folder in which a preparation would meet files that are not its own.

    Args:
        folder: Path of the output.
        source: Path of what is prepared, a folder or a file.

    Raises:
        PreparationError: One lies in the other, or the folder holds files under the names of a preparation's.
    """
    inner, outer = folder.resolve(), source.resolve()
    if source.is_dir() and inner.is_relative_to(outer):
        raise PreparationError(
            f"{folder} lies in the source {source}, where its images would be taken for more of the source; "
            "choose an output elsewhere"
        )
    if source.is_dir() and outer.is_relative_to(inner):
        raise PreparationError(
            f"the source {source} lies in {folder}, where images would be written over it; "
            "choose an output elsewhere"
        )
    if folder.exists() and not folder.is_dir():
        raise PreparationError(f"{folder} is a file; expected a folder, or a name that is not taken")
    met = [name for name in (*TABLES, IMAGES) if _holds_something(folder / name)]
    if met and not holds_preparation(folder):
        raise PreparationError(
            f"{folder} holds {', '.join(met)} but no preparation, and nothing is written over other files; "
            "choose another output folder"
        )


def holds_preparation(folder):
    """Whether a preparation began or ended in a folder: by what its journal or its `dataset.json` says."""
    journal, described = folder / "journal.jsonl", folder / "dataset.json"
    if journal.is_file() and _is_task(
        journal.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    ):
        return True
    return (
        (folder / "manifest.csv").is_file()
        and described.is_file()
        and _is_task(described.read_text(encoding="utf-8-sig", errors="replace"))
    )


def discard(folder):
    """Delete an earlier preparation, finished or not, and nothing else that lies in its folder.

    Raises:
        PreparationError: The folder is not empty and holds no preparation.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not holds_preparation(folder):
        raise PreparationError(f"{folder} holds other files but no preparation; choose another output folder")
    for path in _written(folder):
        (folder / path).unlink(missing_ok=True)
    for name in TABLES:
        (folder / name).unlink(missing_ok=True)
    below = [path for path in (folder / IMAGES).rglob("*") if path.is_dir() and not path.is_symlink()]
    for path in (*sorted(below, reverse=True), folder / IMAGES, folder):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()


def _holds_something(path):
    """Whether there is a file of this name, or a folder that is not empty."""
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _is_task(text):
    """Whether a JSON text says what was prepared, as `prepare` writes it."""
    try:
        task = json.loads(text)
    except json.JSONDecodeError:
        return False
    return isinstance(task, dict) and {"name", "preparation", "source_fingerprint"} <= task.keys()


def _written(folder):
    """Return the images that the journal and the manifest name: relative paths, all below `images`."""
    named = set()
    if (folder / "journal.jsonl").is_file():
        for text in (folder / "journal.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
            try:
                named.add(json.loads(text).get("path"))
            except json.JSONDecodeError:  # the line that a killed process was writing
                break
    if (folder / "manifest.csv").is_file():
        with (folder / "manifest.csv").open(encoding="utf-8", errors="replace", newline="") as table:
            named |= {row.get("path") for row in csv.DictReader(table)}
    paths = [PurePosixPath(name) for name in named if name]
    return [path for path in paths if path.parts[0] == IMAGES and ".." not in path.parts]
