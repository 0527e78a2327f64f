"""What is done already, so that a preparation that was killed goes on where it stopped."""

import json
import re
import threading

from data_prep.sources import PreparationError
from drcls.files import write_text


class Journal:
    """The images that are done, one JSON line each behind a first line that says what is being prepared.

    Args:
        folder: the output folder.
        task: dict that must be equal for a preparation to be continued.
    """

    def __init__(self, folder, task):
        self.path = folder / "journal.jsonl"
        self.done = {}
        if self.path.exists():
            self._read(task)
        lines = [task, *self.done.values()]
        write_text(self.path, "".join(f"{json.dumps(line)}\n" for line in lines))
        self._file = self.path.open("a")
        self._lock = threading.Lock()

    def _read(self, task):
        lines = []
        for text in self.path.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            # The line that a killed process was writing is its last one: that image is prepared again.
            except json.JSONDecodeError:
                break
        if lines:
            _check_is_object(lines[0], self.path)
            check_same_task(self.path.parent, lines[0], task)
        folder = self.path.parent
        for line in lines[1:]:
            if "reason" in line or (folder / line["path"]).is_file():
                self.done[line["name"]] = line

    def add(self, line):
        """Note an image as done, at once on disk; from any thread."""
        with self._lock:
            self.done[line["name"]] = line
            self._file.write(f"{json.dumps(line)}\n")
            self._file.flush()

    def close(self):
        """Close the file, which stays."""
        self._file.close()


def check_same_task(folder, found, wanted):
    """Refuse to mix two preparations in one folder.

    Args:
        folder: Path of the output.
        found: content of its `dataset.json`.
        wanted: dict, the task.

    Raises:
        PreparationError: They differ; the message says in what.
    """
    _check_is_object(found, folder / "dataset.json")
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if differing:
        was = _shown({key: found.get(key) for key in differing})
        now = _shown({key: wanted[key] for key in differing})
        changed = (
            " (files of the source, or the options they are read with, have changed since)"
            if "source_fingerprint" in differing
            else ""
        )
        raise PreparationError(
            f"{folder} was prepared with {was}, asked for is {now}{changed}; choose another output folder, or --force "
            "to prepare it afresh"
        )


def _shown(options):
    """Return options as text, their digests cut short."""
    return re.sub(r"([0-9a-f]{8})[0-9a-f]{56}", r"\1...", str(options))


def _check_is_object(content, path):
    if not isinstance(content, dict):
        raise PreparationError(
            f"{path} holds a {type(content).__name__}, a JSON object was expected; choose another output folder, or "
            "--force to prepare it afresh"
        )
