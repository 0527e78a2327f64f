"""Quality assurance: a fixed set of images, run against acceptance criteria that were set beforehand."""

import hashlib
import json
import math
from collections import Counter

from drcls.app import audit
from drcls.app.calibration import calibrated, check_classes, check_preparation, read_split
from drcls.app.db import now, transaction
from drcls.files import read_json, write_json
from drcls.metrics import classification_metrics

EXAMPLE = '{"accuracy": {"min": 0.7}, "expected_calibration_error": {"max": 0.1}}'
METRICS = {
    name
    for name, value in classification_metrics([0, 1], [[0.9, 0.1], [0.2, 0.8]], ["no", "yes"]).items()
    if isinstance(value, float)
}


def check(connection, folder, grader, cases):
    """Measure the model on the fixed set, hold it against the stored criteria, and record the outcome.

    Args:
        connection: open database.
        folder: Path of the data folder, which holds `acceptance.json`.
        grader: `Grader`.
        cases: `Manifest`, prepared as the training images were.

    Returns:
        dict, the record: `passed`, `outcomes` (one for each criterion), model, set, metrics and `parts`, how many
        images are of which part of the model's data.

    Raises:
        FileNotFoundError: where no criteria are stored.
        ValueError: on other classes, another preparation, images that the model was trained on, or a criterion that
            names no metric.
    """
    path = folder / "acceptance.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give --criteria a file such as {EXAMPLE}")
    criteria = check_criteria(read_json(path), path)
    check_classes(grader, cases)
    check_preparation(grader, cases)
    parts = _count_parts(grader, cases)
    raw = grader.run_prepared_files(cases.paths)
    metrics = classification_metrics(cases.labels, calibrated(raw, grader.temperature), grader.class_names)
    outcomes = [_outcome(name, limits, metrics, path) for name, limits in criteria.items()]
    record = {
        "passed": all(outcome["passed"] for outcome in outcomes),
        "outcomes": outcomes,
        "num_images": len(cases),
        "parts": parts,
        "set": cases.info.get("title", cases.root.name),
        "set_sha256": _fingerprint(cases),
        "metrics": {name: value for name, value in metrics.items() if isinstance(value, float)},
        **grader.description(),
    }
    with transaction(connection):
        moment = now()
        connection.execute(
            "INSERT INTO checks (at, passed, record) VALUES (?, ?, ?)",
            (moment, record["passed"], json.dumps(record)),
        )
        audit.append(connection, "command line", "acceptance_check", at=moment, **record)
    return record


def store_criteria(connection, folder, file):
    """Check a file of criteria and keep it as the ones that count from now on."""
    criteria = check_criteria(read_json(file), file)
    with transaction(connection):
        audit.append(connection, "command line", "acceptance_criteria", criteria=criteria)
        write_json(folder / "acceptance.json", criteria)


def check_criteria(criteria, path):
    """Return criteria `{metric: {"min": number}}` or `{"max": number}`, or raise a ValueError that names the file."""
    right = isinstance(criteria, dict) and criteria and all(map(_is_limit, criteria.values()))
    if not right:
        raise ValueError(f"{path} holds {json.dumps(criteria)[:200]}; expected something such as {EXAMPLE}")
    if unknown := sorted(set(criteria) - METRICS):
        raise ValueError(f"{path} names {unknown[0]!r}; expected some of {sorted(METRICS)}")
    return criteria


def _count_parts(grader, cases):
    """Count the images by the part of the model's data that they are of.

    Returns:
        dict, part -> number, "new" for images that are in none; copies of training images in another part are counted
        apart. None where no `split.csv` beside the model says it.

    Raises:
        ValueError: where some are of the training part alone: the model may know these by heart.
    """
    if not grader.file.with_name("split.csv").is_file():
        return None
    path, rows = read_split(grader.file)
    trained = set(rows["sha256"][rows["part"] == "train"])
    others = rows[rows["part"] != "train"]
    part_of = dict.fromkeys(trained, "train") | dict(zip(others["sha256"], others["part"], strict=True))
    # A split of single images has copies of one file in several parts.
    part_of |= {
        sha256: f"{part}, with a copy in training"
        for sha256, part in part_of.items()
        if sha256 in trained and part != "train"
    }
    parts = Counter(part_of.get(sha256, "new") for sha256 in cases.frame["sha256"])
    if parts["train"]:
        raise ValueError(
            f"{cases.root}: {parts['train']} of the {len(cases)} images are among those that {grader.file} was "
            f"trained on, as {path.name} beside it says; expected images that the model has not seen: name such a "
            "set with --data-set, or leave it out for the validation part"
        )
    return dict(parts)


def _is_limit(limits):
    return (
        isinstance(limits, dict)
        and limits
        and set(limits) <= {"min", "max"}
        and all(type(value) in (int, float) and math.isfinite(value) for value in limits.values())
        and limits.get("min", -math.inf) <= limits.get("max", math.inf)
    )


def _fingerprint(cases):
    """Return the SHA-256 over all images and labels, by which one sees that the fixed set is still the same."""
    content = hashlib.sha256()
    for path, label in zip(cases.paths, cases.frame["label"], strict=True):
        content.update(path.read_bytes() + label.encode())
    return content.hexdigest()


def _outcome(name, limits, metrics, path):
    value = metrics.get(name)
    if not isinstance(value, float):
        known = sorted(metric for metric, value in metrics.items() if isinstance(value, float))
        raise ValueError(f"{path} names {name!r}, which this set does not give; expected some of {known}")
    passed = limits.get("min", value) <= value <= limits.get("max", value)
    return {"metric": name, "value": value, **limits, "passed": passed}
