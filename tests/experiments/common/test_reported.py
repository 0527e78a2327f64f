"""Runs that a report is about are whole."""

import numpy as np
import pytest

from drcls.data import split
from experiments.common.reported import runs_to_report
from experiments.common.run import audit, run_variant
from experiments.results.predictions import read_run
from tests.small_data import write_squares


@pytest.fixture
def row(tmp_path):
    """The folder of a finished row that learned nothing."""
    parts = split(write_squares(tmp_path / "data"), (0.5, 0.25, 0.25), 0, "grouped")
    folder = tmp_path / "runs" / "squares-clean-quick-s0" / "row"
    config = {"variant": "row", "data": "squares", "protocol": "clean", "profile": "quick", "seed": 0}
    equal = np.full((len(parts["test"]), 3), 1 / 3)
    run_variant(folder, config, parts, audit(parts, "clean"), lambda: (equal, "none"))
    return folder


def test_predictions_that_were_cut_are_named(row):
    runs = row.parents[1]
    assert len(runs_to_report(runs, ["squares"], "quick")) == 1
    file = row / "predictions.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    for read in (lambda: runs_to_report(runs, ["squares"], "quick"), lambda: read_run(row)):
        with pytest.raises(
            ValueError, match=rf"predictions.csv: has {len(lines) - 2} rows, expected {len(lines) - 1}"
        ):
            read()
    file.write_text("".join(lines)[: -len(lines[-1]) // 2])
    with pytest.raises(ValueError, match=f"predictions.csv: line {len(lines)} lacks a probability"):
        runs_to_report(runs, ["squares"], "quick")
