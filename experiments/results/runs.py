"""The committed runs, of which every table, figure and verdict is made."""

from functools import cache
from pathlib import Path

from drcls.files import read_json
from drcls.report import select_runs

RESULTS = Path(__file__).resolve().parent


def committed_runs(results=RESULTS):
    """Return every committed run, list of dict in the order of the files: its content, `file` and `experiment`.

    Args:
        results: Path of the folder with the committed JSON files. Those of `RESULTS` are read once in a process:
            nobody may change what is returned.
    """
    return list(_own_runs() if results == RESULTS else _read(results))


def real_runs():
    """Return the committed runs of real data."""
    return select_runs(committed_runs(), phantom=False)


@cache
def _own_runs():
    return _read(RESULTS)


def _read(results):
    return [
        read_json(path) | {"file": path.relative_to(results).as_posix(), "experiment": path.parts[-3]}
        for path in sorted(results.glob("*/*/*.json"))
    ]
