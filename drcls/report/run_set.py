"""Reading a set of run folders: what was trained, under which protocol, and what came of it."""

from pathlib import Path

import numpy as np
import pandas as pd

from drcls import predictions
from drcls.files import read_json
from drcls.report.text import synthetic_label
from drcls.runs import is_finished

_REQUIRED = {
    "variant": str,
    "data": str,
    "protocol": str,
    "profile": str,
    "seed": int,
    "num_test": int,
    "class_names": list,
    "metrics": dict,
    "intervals": dict,
}
_IDENTITY = ("data", "protocol", "profile", "seed", "variant")


def read_runs(folders):
    """Read every run below one folder, or below several.

    A run is a folder `<data>-<protocol>-<profile>-s<seed>/<variant>/` holding `config.json`. It is finished
    once `metrics.json` is there; until then it is returned too, with `finished` False, so that a table can
    say "unfinished" instead of hiding it.

    Args:
        folders: a path or an iterable of paths. Each is a run folder, a folder of run folders, or the
            experiment folder above these.

    Returns:
        list of dict, sorted by data, protocol, profile, seed and variant: the content of `metrics.json` with
        `folder` (Path), `finished` (bool), `phantom` (bool: the images are synthetic), `sample` (str: what
        `dataset.json` says of a small sample, "" for a whole data set), `config` and `env` (dict, the files of
        those names; `env` is {} where the run has not written it yet).

    Raises:
        FileNotFoundError: where a folder is missing or holds no run.
        ValueError: where a JSON file is broken, `metrics.json` lacks a field, or two folders hold one run.
    """
    folders = [folders] if isinstance(folders, str | Path) else list(folders)
    found = {path.resolve(): path for folder in folders for path in _run_folders(Path(folder))}
    runs = sorted((_read_run(path) for path in found.values()), key=_identity)
    for first, second in zip(runs, runs[1:], strict=False):
        if _identity(first) == _identity(second):
            raise ValueError(
                f"{second['folder']}: holds the same run as {first['folder']} "
                f"({', '.join(f'{key}={first[key]}' for key in _IDENTITY)}); report only one of them"
            )
    return runs


def select_runs(runs, **wanted):
    """Return the runs whose fields equal all of `wanted`, as in `select_runs(runs, protocol="clean")`."""
    return [run for run in runs if all(run[key] == value for key, value in wanted.items())]


def read_predictions(run):
    """Read the predictions of a run on its test part.

    Args:
        run: a finished run of `read_runs`.

    Returns:
        pandas.DataFrame with the columns `path, label, group, predicted` and one `p_<class>` per class.

    Raises:
        FileNotFoundError: where the run wrote none.
        ValueError: where columns or rows are missing.
    """
    path = run["folder"] / "predictions.csv"
    frame = predictions.read_predictions(path)
    if len(frame) != run["num_test"]:
        raise ValueError(
            f"{path}: has {len(frame)} rows, expected {run['num_test']}, one for each test image"
        )
    return frame


def read_history(run):
    """Read `history.csv` of a run, one row an epoch; None where nothing was trained by epochs."""
    path = run["folder"] / "history.csv"
    if not path.is_file() or path.stat().st_size == 0:
        return None
    frame = pd.read_csv(path)
    if "epoch" not in frame:
        raise ValueError(f"{path}: has the columns {list(frame)}, expected also 'epoch'")
    if frame["epoch"].tolist() != list(range(1, len(frame) + 1)):
        raise ValueError(f"{path}: its epochs are not 1 to {len(frame)} in their order; the file is damaged")
    return frame


def seed_spread(runs, metric):
    """Return one measure over the seeds of a variant.

    Args:
        runs: finished runs of one variant and protocol, one per seed.
        metric: key of `classification_metrics`.

    Returns:
        (mean, standard deviation with n - 1, n); the deviation is None for a single run. All are NaN where
        a run has the measure undefined (None or NaN), because a mean over the other seeds would hide that.

    Raises:
        ValueError: where a run does not hold the measure.
    """
    values = seed_values(runs, metric)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return float(values.mean()), deviation, len(values)


def seed_values(runs, metric, class_name=None):
    """Return one measure by seed, float (number of runs,), NaN where it is undefined.

    Args:
        runs: as for `seed_spread`.
        metric: key of `classification_metrics`, or of its `per_class` entries where `class_name` is given.
        class_name: the class to read, None for the overall measure.
    """
    return np.array([_value(run, metric, class_name) for run in runs], dtype=float)


def describe(runs):
    """Say in one line what lies behind a table or figure: data set, protocols, profiles and seeds.

    Synthetic images are named first and in capitals, so that no caption can hide them.
    """
    if not runs:
        return "no run"
    parts = [" and ".join(_distinct(runs, "data"))]
    for key, word in (("protocol", "protocol"), ("profile", "profile"), ("seed", "seed")):
        values = _distinct(runs, key)
        listed = ", ".join(values)
        if key == "seed":
            parts.append(f"{word}{'s' if len(values) > 1 else ''} {listed}")
        else:
            parts.append(f"{listed} {word}{'s' if len(values) > 1 else ''}")
    return synthetic_label(runs) + " · ".join(parts)


def _value(run, metric, class_name):
    """Return one figure of a run; None or NaN means that the measure is undefined there."""
    metrics = run["metrics"] if class_name is None else run["metrics"]["per_class"].get(class_name, {})
    if metric not in metrics:
        place = "metrics" if class_name is None else f"metrics, class {class_name!r},"
        raise ValueError(
            f"{run['folder'] / 'metrics.json'}: {place} holds {sorted(metrics)}, expected {metric!r}"
        )
    return metrics[metric]


def _distinct(runs, key):
    """Return the different values of a field as strings, in order."""
    return [str(value) for value in sorted({run[key] for run in runs})]


def _identity(run):
    return tuple(run[key] for key in _IDENTITY)


def _run_folders(folder):
    """Return the run folders in `folder`: itself, or one or two levels below it."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one that holds runs")
    for pattern in (".", "*", "*/*"):
        level = [folder] if pattern == "." else sorted(folder.glob(pattern))
        runs = [
            path for path in level if (path / "config.json").is_file() or (path / "metrics.json").is_file()
        ]
        if runs:
            return runs
    raise FileNotFoundError(
        f"{folder}: holds no run; expected <data>-<protocol>-<profile>-s<seed>/<variant>/config.json below it"
    )


def _read_run(folder):
    """Read one run folder, finished or not."""
    config, env, run = (_read_object(folder / f"{name}.json") for name in ("config", "env", "metrics"))
    finished = is_finished(folder)
    if finished:
        missing = [key for key in _REQUIRED if key not in run]
        if missing:
            raise ValueError(f"{folder / 'metrics.json'}: holds {sorted(run)}, expected also {missing}")
        _check_kinds(folder / "metrics.json", run)
    else:
        run = _identity_from(folder / "config.json", config)
    # A doubtful case is labelled synthetic: the label is only harmful where it is missing.
    phantom = run.get("phantom") or config.get("phantom") or "phantom" in run["data"].lower()
    known = {"phantom": bool(phantom), "sample": config.get("sample", "")}
    return run | known | {"folder": folder, "finished": finished, "config": config, "env": env}


def _check_kinds(path, run):
    """Refuse fields that somebody changed, before a table stumbles over them."""
    for key, kind in _REQUIRED.items():
        if not isinstance(run[key], kind):
            raise ValueError(
                f"{path}: {key} is {str(run[key])[:80]!r}, a {type(run[key]).__name__}; expected a {kind.__name__}"
            )
    per_class = run["metrics"].get("per_class")
    if isinstance(per_class, dict) and list(per_class) != run["class_names"]:
        raise ValueError(
            f"{path}: metrics are of the classes {list(per_class)}, class_names are {run['class_names']}"
        )


def _identity_from(path, config):
    """Return what tells an unfinished run from others, of its configuration, which is written first."""
    missing = [key for key in _IDENTITY if key not in config]
    if missing:
        raise ValueError(f"{path}: unfinished run that holds {sorted(config)}, expected also {missing}")
    return {key: config[key] for key in _IDENTITY}


def _read_object(path):
    """Read a JSON object; {} where there is no such file."""
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}, expected a JSON object")
    return content
