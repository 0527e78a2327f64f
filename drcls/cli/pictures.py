"""What predict and explain share: the preparation of a run's images, and the list of broken files."""

from pathlib import Path

from drcls.runs import read_json


def preparation_of(run_or_model):
    """Return how the run's training images were prepared, or None where no run says."""
    config = Path(run_or_model) / "config.json"
    return read_json(config).get("preparation") if config.is_file() else None


def listed(broken):
    """Return what JSON can hold of a list of (path, reason)."""
    return [{"path": str(path), "reason": reason} for path, reason in broken]


def describe_broken(broken):
    """Return one line a broken file."""
    return [f"not read: {entry['path']}: {entry['reason']}" for entry in broken]
