"""What predict and explain share: the preparation of a run's images, and the list of broken files."""

from drcls.models.training_data import data_beside, recorded_preparation


def preparation_of(run_or_model):
    """Return how the training images were prepared, as the model card or the run folder says, or None."""
    info, path = data_beside(run_or_model)
    return recorded_preparation(info, path) if info.get("preparation") else None


def listed(broken):
    """Return what JSON can hold of a list of (path, reason)."""
    return [{"path": str(path), "reason": reason} for path, reason in broken]


def describe_broken(broken):
    """Return one line a broken file."""
    return [f"not read: {entry['path']}: {entry['reason']}" for entry in broken]
