import json

import pandas as pd
import pytest

from drcls.report import intervals_table, read_runs, reported_intervals_table
from tests.report.test_tables import REPORTED, row_of


def test_intervals_need_one_protocol(fabricate, tmp_path):
    fabricate("Best")
    fabricate("Best", "paper")
    with pytest.raises(ValueError, match=r"protocol=\['clean', 'paper'\]"):
        intervals_table(read_runs(tmp_path / "runs"), "Best")


def test_reported_intervals_are_recomputed():
    row = reported_intervals_table(REPORTED, 903).iloc[0]
    # Eq. 25: 1.96 * sqrt(0.9612 * 0.0388 / 903) = 0.01260; half the printed width is 0.875 points.
    assert row["Eq. 25 at N = 903"] == "94.86 to 97.38"
    assert row["reported 95 % interval"] == "95.23 to 96.98"
    assert row["N that the reported interval implies"] == "1871"


def predictions(folder, rows):
    """Write predictions given as `path label predicted` lines, and how many they are."""
    metrics = folder / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"num_test": len(rows)}))
    frame = pd.DataFrame([row.split() for row in rows], columns=["path", "label", "predicted"])
    frame.assign(group=frame["path"]).to_csv(folder / "predictions.csv", index=False)


def test_paired_comparison_by_hand(fabricate, tmp_path):
    # Best alone is right on 5 images, Other alone on none: p = 2 / 2**5.
    best, other = fabricate("Best", metrics={"accuracy": 1.0}), fabricate("Other", metrics={"accuracy": 0.5})
    predictions(best, [f"{i} a a" for i in range(10)])
    predictions(other, [f"{i} a {'a' if i < 5 else 'b'}" for i in reversed(range(10))])
    frame = intervals_table(read_runs(tmp_path / "runs"), "Best")
    row = row_of(frame, model="Other")
    assert row["difference to Best (points)"] == "-50.00"
    assert row["paired exact p"] == "0.062"
    assert row_of(frame, model="Best")["paired exact p"] == "reference"


def test_all_seeds_are_tested_together(fabricate, tmp_path):
    for seed in (0, 1):
        best = fabricate("Best", seed=seed, metrics={"accuracy": 1.0})
        other = fabricate("Other", seed=seed, metrics={"accuracy": 0.5 + 0.2 * seed})
        predictions(best, [f"{i} a a" for i in range(10)])
        predictions(other, [f"{i} a {'a' if i < 5 + 2 * seed else 'b'}" for i in range(10)])
    fabricate("Other", seed=2, metrics={"accuracy": 0.5})
    row = row_of(intervals_table(read_runs(tmp_path / "runs"), "Best"), model="Other", seed="all")
    # Image sums -1, -1, -2, -2, -2: only their own signs and the opposite ones are as extreme, 2 of 32.
    assert row["difference to Best (points)"] == "-40.00 ± 14.14, seeds 0 and 1"
    assert row["paired exact p"] == "0.062"


def test_copies_of_an_image_are_compared_once(fabricate, tmp_path):
    best, other = fabricate("Best"), fabricate("Other")
    predictions(best, ["1 a a"] * 20 + ["2 a a"])
    predictions(other, ["1 a b"] * 20 + ["2 a a"])
    frame = intervals_table(read_runs(tmp_path / "runs"), "Best")
    assert row_of(frame, model="Other")["paired exact p"] == "1.000"


def test_comparison_says_why_there_is_none(fabricate, tmp_path):
    best, other = fabricate("Best"), fabricate("Other")
    fabricate("Other", seed=1)
    fabricate("Other", seed=2)
    fabricate("Best", seed=2, finished=False)
    predictions(best, ["1 a a"])
    predictions(other, ["2 a a"])
    frame = intervals_table(read_runs(tmp_path / "runs"), "Best")
    assert frame[frame["model"] == "Other"]["paired exact p"].tolist() == [
        "different test images",
        "reference not run",
        "reference unfinished",
        "different test images",  # of the seeds that have a reference
    ]
