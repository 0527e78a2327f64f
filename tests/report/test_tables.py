import json

import pytest

from drcls.environment import environment
from drcls.files import write_json
from drcls.report import (
    Measure,
    class_table,
    differing_settings,
    intervals_table,
    list_seeds,
    read_runs,
    reported_intervals_table,
    results_table,
    runs_table,
    verdict,
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
    interval = row_of(frame, model="Best", measure="95 % interval").tolist()
    assert interval[2:5] == ["95.23 to 96.98", "50.0 to 75.0", "50.0 to 75.0"]
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


def test_seeds_of_one_row_are_named_with_the_settings_in_which_they_differ():
    first = {"seed": 0, "config": {"seed": 0, "epochs": 15, "save_model": True, "loss": "focal"}}
    alike = {"seed": 1, "config": {"seed": 1, "epochs": 15, "save_model": False, "loss": "focal"}}
    other = {"seed": 2, "config": {"seed": 2, "epochs": 1}}
    assert list_seeds([first, alike]) == "0, 1" and differing_settings([first, alike]) == ""
    assert list_seeds([first, other]) == "0, 2 (epochs 15, 1; loss focal, None)"
    assert list_seeds([]) == "" and list_seeds([{"seed": 3}]) == "3"


def test_a_report_names_seeds_of_other_settings(fabricate, tmp_path):
    for seed, epochs in ((0, 15), (1, 1)):
        folder = fabricate("Mine", seed=seed)
        config = json.loads((folder / "config.json").read_text())
        write_json(folder / "config.json", config | {"epochs": epochs})
    runs = read_runs(tmp_path / "runs")
    frame = results_table(runs, [], MEASURES)
    assert row_of(frame, measure="kappa")["seeds (paper's / leak-free)"] == "not run / 0, 1 (epochs 15, 1)"
    said = " ".join(verdict(runs, "", "Mine", MEASURES, []))
    assert "seeds 0 and 1 with different settings: epochs 15, 1" in said
