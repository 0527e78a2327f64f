import json

import pandas as pd
import pytest

from drcls.environment import environment
from drcls.files import write_json
from drcls.report import (
    Measure,
    class_table,
    intervals_table,
    read_runs,
    reported_intervals_table,
    results_table,
    runs_table,
    to_markdown,
)
from drcls.report.tables import duration

REPORTED = [
    {"model": "Best", "accuracy": 96.12, "interval": [95.23, 96.98]},
    {"model": "Never_run", "accuracy": 50, "interval": [40.0, 60.0]},
]
MEASURES = [Measure("accuracy (%)", "accuracy"), Measure("kappa", "quadratic_kappa", percent=False)]
RECALL = [Measure("recall (%)", "recall")]


def row_of(frame, **wanted):
    for key, value in wanted.items():
        frame = frame[frame[key] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_a_measure_is_shown_in_percent_or_bare():
    accuracy, kappa = MEASURES
    assert (accuracy.format([0.75]), accuracy.format([0.7, 0.8], 2)) == ("75.0", "75.00 ± 7.07")
    assert (kappa.format([0.75], 2), kappa.format([None])) == ("0.750", "undefined")


def test_results_are_compared_with_the_reported_numbers(fabricate, tmp_path):
    fabricate("Best", "paper", metrics={"accuracy": 0.5, "quadratic_kappa": 0.1234})
    for seed, accuracy in enumerate((0.7, 0.8, 0.75)):
        fabricate("Best", seed=seed, metrics={"accuracy": accuracy, "quadratic_kappa": 0.5}, note="small")
    fabricate("Mine", metrics={"accuracy": 1, "quadratic_kappa": None})
    frame = results_table(read_runs(tmp_path / "runs"), REPORTED, MEASURES, notes={"Best": "ours is smaller"})
    assert list(frame["model"].unique()) == ["Best", "Never_run", "Mine"]
    assert list(frame.columns) == [
        "model",
        "measure",
        "paper",
        "ours, paper's protocol",
        "ours, leak-free",
        "leaked (paper's / leak-free)",
        "seeds (paper's / leak-free)",
        "note",
    ]
    assert row_of(frame, model="Best", measure="accuracy (%)").tolist()[2:] == [
        "96.12",
        "50.00",
        "75.00 ± 5.00",
        "25.0 % / 25.0 %",
        "0 / 0, 1, 2",
        "ours is smaller; small",
    ]
    assert row_of(frame, model="Best", measure="kappa").tolist()[2:5] == [
        "not reported",
        "0.123",
        "0.500 ± 0.000",
    ]
    assert row_of(frame, model="Mine", measure="kappa").tolist()[2:5] == [
        "not reported",
        "not run",
        "undefined",
    ]
    interval = row_of(frame, model="Best", measure="95 % interval (Wilson)").tolist()
    # Wilson's interval of 90 in 120 by hand: (0.75 + 0.01601 +- 0.07748) / 1.03201 -> 66.6 to 81.9.
    assert interval[2:5] == ["95.23 to 96.98", "41.2 to 58.8", "66.6 to 81.9"]
    missing = row_of(frame, model="Never_run").tolist()
    assert missing[1] == "accuracy"
    assert missing[2:] == ["50.00", "not run", "not run", "not run", "not run", "-"]


def test_no_cell_is_blank(fabricate, tmp_path):
    fabricate("Best")
    fabricate("Half", finished=False)
    runs = read_runs(tmp_path / "runs")
    for frame in (
        results_table(runs, REPORTED, MEASURES),
        results_table([], REPORTED, MEASURES),
        class_table(runs, [{"class": "Mild", "recall": 1.0}], "Best", RECALL),
        intervals_table(runs, "Best"),
        reported_intervals_table(REPORTED, 903),
        runs_table(runs),
    ):
        assert len(frame) > 0
        assert all(isinstance(cell, str) and cell.strip() for cell in frame.to_numpy().ravel())


def test_unfinished_seeds_are_said_and_do_not_count(fabricate, tmp_path):
    fabricate("Best", seed=0, metrics={"accuracy": 0.5})
    fabricate("Best", seed=1, finished=False)
    fabricate("Half", finished=False)
    frame = results_table(read_runs(tmp_path / "runs"), REPORTED, MEASURES[:1])
    best = row_of(frame, model="Best", measure="accuracy (%)")
    assert (best["ours, leak-free"], best["seeds (paper's / leak-free)"]) == ("50.00", "not run / 0")
    assert best["note"] == "unfinished: clean seed 1"
    assert row_of(frame, model="Half", measure="accuracy (%)")["ours, leak-free"] == "unfinished"


def test_synthetic_data_are_labelled_in_every_head(fabricate, tmp_path):
    fabricate("Best", data="phantom-fundus")
    runs = read_runs(tmp_path / "runs")
    heads = [
        *results_table(runs, REPORTED, MEASURES).columns[3:5],
        *class_table(runs, [], "Best", RECALL).columns[3:5],
    ]
    assert len(heads) == 4
    assert all("(synthetic)" in head for head in heads)


def test_mixed_settings_are_refused(fabricate, tmp_path):
    fabricate("Best")
    fabricate("Best", data="other")
    with pytest.raises(ValueError, match=r"data=\['fake', 'other'\]"):
        results_table(read_runs(tmp_path / "runs"), REPORTED, MEASURES)


def test_intervals_need_one_protocol(fabricate, tmp_path):
    fabricate("Best")
    fabricate("Best", "paper")
    with pytest.raises(ValueError, match=r"protocol=\['clean', 'paper'\]"):
        intervals_table(read_runs(tmp_path / "runs"), "Best")


def test_classes_with_their_own_leaked_share(fabricate, tmp_path):
    share = {"No_DR": 0.0, "Mild": 0.985, "Moderate": None, "Severe": 1.0, "Proliferate_DR": 0.5}
    fabricate("Best", "paper", quality=1.0, leakage={"overall": 0.7, "per_class": share})
    printed = [{"class": "Mild", "recall": 99.45}, {"class": "No_DR", "recall": 97.24}]
    frame = class_table(read_runs(tmp_path / "runs"), printed, "Best", RECALL)
    assert list(frame["class"].unique()) == ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]
    assert row_of(frame, **{"class": "Mild"}, measure="recall (%)").tolist()[2:] == [
        "99.45",
        "100.00",
        "not run",
        "98.5 % / not run",
        "24 / not run",
        "0 / not run",
    ]
    # 24 of 24 by Wilson: 24 / (24 + 1.96**2) = 0.862.
    assert frame["ours, paper's protocol"][3] == "86.2 to 100.0"
    assert (
        row_of(frame, **{"class": "Moderate"}, measure="recall (%)")["leaked (paper's / leak-free)"]
        == "no test image / not run"
    )


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


def test_runs_are_listed_with_their_time_and_place(fabricate, tmp_path):
    fabricate("Best")
    row = runs_table(read_runs(tmp_path / "runs")).iloc[0]
    assert (row["wall time"], row["device"], row["commit"]) == ("1 min 01 s", "fake CPU", "0123456789ab")


def test_reads_the_environment_that_runs_write(fabricate, tmp_path):
    write_json(fabricate("Best") / "env.json", environment(3661.0))
    row = runs_table(read_runs(tmp_path / "runs")).iloc[0]
    assert row["wall time"] == "1 h 01 min"
    assert row["device"] != "not recorded"


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.4, "7 s"), (61, "1 min 01 s"), (3660, "1 h 01 min"), (None, "not recorded")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_markdown_keeps_odd_names_in_their_cells():
    frame = pd.DataFrame({"a|b": ["<script>", "No_DR"], "c": ["*x*", "two\nlines"]})
    lines = to_markdown(frame).splitlines()
    assert lines == [
        r"| a\|b | c |",
        "| --- | --- |",
        r"| \<script> | \*x\* |",
        "| No_DR | two lines |",
    ]
