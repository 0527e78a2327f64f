"""What was worked out from several committed runs: numbers, and those that the runs give."""

import re

import numpy as np
import pandas as pd
import pytest

from drcls import metrics
from drcls.files import read_json
from drcls.report import p_over_seeds
from experiments.results.collect import RESULTS
from experiments.results.predictions import load
from tests.experiments.results.texts import texts

FILES = sorted(
    path
    for name in ("gains", "differences", "alpha", "imbalance", "cross_validation", "outliers")
    for path in RESULTS.glob(f"*/{name}-*.json")
)
NUMBER = re.compile(r"(< ?)?[-+]?\d*\.?\d+( |$)")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_findings_are_kept_as_numbers(path):
    assert not [text for text in texts(read_json(path)) if NUMBER.match(text)]


def committed(path, content, row, variant):
    """The runs of one row, by seed."""
    name = f"{content['data']}-{row['protocol']}-{content['profile']}"
    return [path.parent / f"{name}-s{seed}" / f"{variant}.json" for seed in row["seeds"]]


def pooled(files):
    """The confusion matrix of all seeds."""
    return sum(np.array(read_json(file)["metrics"]["confusion_matrix"]) for file in files)


def right(file, unit):
    """Which test images a committed run classifies rightly, indexed by unit (group or image), place and test part."""
    run = read_json(file)
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(run["right"]), dtype="uint8"))[: run["num_test"]]
    if file.with_suffix(".npz").is_file():  # an official test part is the same one whatever the seed
        kept = load(file.with_suffix(".npz"))
        part = kept.labels.tobytes() + kept.groups.tobytes()
    else:
        part = run["split_sha256"]
    places = np.arange(run["num_test"])
    units = kept.groups if unit == "group" else places
    return pd.Series(bits == 1, index=pd.MultiIndex.from_arrays([units, places, [part] * len(places)]))


def compared():
    """Every committed comparison of two rows: what was found, and the files of both rows."""
    for path in RESULTS.glob("smote_transfer/gains-*.json"):
        content = read_json(path)
        for row in content["gains"]:
            if row["learner"] == "soft_voting":
                pair = [
                    committed(path, content, row, f"{row['backbone']}+{name}") for name in ("none", "SMOTE")
                ]
                yield row, row["differences"], *pair
    for path in RESULTS.glob("canine_rbc_focal/differences-*.json"):
        content = read_json(path)
        for row in content["against_cross_entropy"]:
            methods = ("cross_entropy", row["method"])
            pair = [committed(path, content, row, f"{row['network']}+{method}") for method in methods]
            yield row, {"macro_f1": row["macro_f1"]}, *pair


def test_differences_and_p_values_are_those_of_the_committed_runs():
    number = 0
    for row, differences, without, with_it in compared():
        number += 1
        for name, found in differences.items():
            change = getattr(metrics, name)(pooled(with_it)) - getattr(metrics, name)(pooled(without))
            assert found["difference"] == pytest.approx(float(change), abs=1e-12), row
            low, high = found["interval"]
            assert low <= high and low >= -1 and high <= 1
        unit = row.get("p_unit", "image")
        pairs = [(right(a, unit), right(b, unit)) for a, b in zip(without, with_it, strict=True)]
        assert row["p_value"] == pytest.approx(p_over_seeds(pairs), rel=1e-9), row
    assert number > 40


def test_the_spread_over_alpha_is_that_of_the_committed_runs():
    for path in RESULTS.glob("canine_rbc_focal/differences-*.json"):
        content = read_json(path)
        for row in content["spread"]:
            for method, values in row["f1_by_alpha"].items():
                files = committed(path, content, row | {"protocol": "paper"}, f"{row['network']}+{method}")
                assert values == [read_json(file)["metrics"]["macro_f1"] for file in files]
