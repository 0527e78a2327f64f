"""Whether one classifier does better than another on the same images."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from drcls.files import read_json
from drcls.metrics import (
    accuracy,
    confusion_matrix,
    group_bootstrap_difference,
    macro_f1,
    macro_recall,
    macro_specificity,
    mcnemar_exact,
    quadratic_kappa,
)
from drcls.predictions import read_predictions

MEASURES = (accuracy, macro_recall, macro_specificity, macro_f1, quadratic_kappa)


def compare_runs(folders, seed=0):
    """Compare finished runs pairwise on the test images that all of them predicted.

    Args:
        folders: two or more run folders, or folders that `evaluate_classifier` wrote.
        seed: int, of the bootstrap.

    Returns:
        dict: `num_images`, `num_groups`, `runs` (folder and its measures) and `pairs`, for each pair of runs
        `first`, `second`, `differences` (measure -> `difference` of second minus first with `low` and `high`, the
        95 % interval of a bootstrap over groups, None where all images are of one group; without measures that the
        images do not have, such as the specificity of one class), and `mcnemar` (see
        `drcls.metrics.mcnemar_exact`; the images of a group count together).

    Raises:
        ValueError: where fewer than two are given or one twice, they predicted different images or classes, or a file
            is damaged.
        FileNotFoundError: where one holds no predictions.
    """
    folders = [Path(folder) for folder in folders]
    if len(folders) < 2 or len({folder.resolve() for folder in folders}) < len(folders):
        raise ValueError(
            f"a comparison needs two different runs or more, each once; received {', '.join(map(str, folders))}"
        )
    tables = {folder: _read(folder) for folder in folders}
    first, *others = tables.items()
    for other in others:
        _check_same_images(first, other)
    described = read_json(folders[0] / "metrics.json")
    classes = described["class_names"]
    truth = _as_numbers(first[1]["label"], classes, folders[0])
    groups = first[1]["group"].to_numpy()
    predicted = {folder: _as_numbers(table["predicted"], classes, folder) for folder, table in tables.items()}
    measures = [measure for measure in MEASURES if measure is not quadratic_kappa or described.get("ordered")]

    def differences(one, two):
        found = {
            measure.__name__: _difference(
                measure, truth, predicted[one], predicted[two], groups, len(classes), seed
            )
            for measure in measures
        }
        return {name: values for name, values in found.items() if values["difference"] is not None}

    return {
        "num_images": len(truth),
        "num_groups": len(set(groups)),
        "runs": [{"folder": str(folder), **_measured(folder, measures)} for folder in folders],
        "pairs": [
            {
                "first": str(one),
                "second": str(two),
                "differences": differences(one, two),
                "mcnemar": mcnemar_exact(truth, predicted[one], predicted[two], groups),
            }
            for one, two in combinations(folders, 2)
        ],
    }


def _read(folder):
    """Read the predictions of a run, sorted by path."""
    path = folder / "predictions.csv"
    if not path.is_file() or not (folder / "metrics.json").is_file():
        raise FileNotFoundError(
            f"{folder} is no finished run: expected predictions.csv and metrics.json in it"
        )
    return read_predictions(path).sort_values("path", kind="stable", ignore_index=True)


def _check_same_images(first, other):
    """Refuse two tables that are not about the same images with the same labels and groups."""
    (one, left), (two, right) = first, other
    columns = ["path", "label", "group"]
    if left[columns].equals(right[columns]):
        return
    shared = len(set(left["path"]) & set(right["path"]))
    raise ValueError(
        f"{one} predicts {len(left)} images and {two} {len(right)}, {shared} of them the same; a paired comparison "
        "needs the same images with the same labels: train both with the same data, protocol and seed"
    )


def _as_numbers(names, classes, folder):
    unknown = sorted(set(names) - set(classes))
    if unknown:
        raise ValueError(
            f"{folder / 'predictions.csv'} names the classes {unknown}; expected some of {classes}: compare runs of "
            "the same classes, and whole files"
        )
    return pd.Index(classes).get_indexer(names).astype(np.int64)


def _difference(measure, truth, first, second, groups, num_classes, seed):
    """Return a difference and its interval; None for a measure that these images do not have, or for no interval."""
    of_both = [measure(confusion_matrix(truth, predicted, num_classes)) for predicted in (first, second)]
    if np.isnan(of_both).any():
        values = None, None, None
    elif len(set(groups)) < 2:
        values = float(of_both[1] - of_both[0]), None, None
    else:
        values = group_bootstrap_difference(measure, truth, first, second, groups, num_classes, seed=seed)
    return dict(zip(("difference", "low", "high"), values, strict=True))


def _measured(folder, measures):
    metrics = read_json(folder / "metrics.json")["metrics"]
    return {measure.__name__: metrics[measure.__name__] for measure in measures}
