"""The parts that several reports have: which runs they show, and that they are left out where there is nothing."""

import numpy as np
import pytest

from drcls.report import read_runs, select_runs
from experiments.common import sections
from tests.report.conftest import drawn, fabricate  # noqa: F401 - fixtures


@pytest.fixture
def runs(fabricate, tmp_path):  # noqa: F811
    fabricate("Best", seed=2, metrics={"accuracy": 0.8})
    fabricate("Other", seed=2, metrics={"accuracy": 0.6})
    fabricate("Best", "paper", seed=1, metrics={"accuracy": 0.9})
    (fabricate("Trees", seed=0) / "history.csv").unlink()
    return read_runs(tmp_path / "runs")


def test_curves_are_of_the_lowest_seed_that_was_trained_by_epochs(runs, tmp_path, drawn):  # noqa: F811
    clean = select_runs(runs, protocol="clean")
    [figure] = sections.training_figure(tmp_path, clean, "training-5")
    assert figure.path == tmp_path / "figures" / "training-5.png"
    titles = [panel.get_title("left") for panel in drawn[0].axes[::2]]
    assert titles == ["Best (clean protocol, seed 2)", "Other (clean protocol, seed 2)"]
    assert sections.training_figure(tmp_path, select_runs(runs, variant="Trees")) == []


def test_each_protocol_has_a_table_with_its_own_reference(runs):
    tables = sections.interval_tables(runs, lambda chosen: chosen[-1]["variant"])
    assert [table.caption.rpartition("difference to ")[2] for table in tables] == [
        "Best, ours, paper's protocol.",
        "Other, ours, leak-free.",
    ]
    assert [len(table.frame) for table in tables] == [1, 3]


def test_a_protocol_without_a_reference_or_runs_has_no_table(runs):
    clean = select_runs(runs, protocol="clean")
    assert len(sections.interval_tables(clean, lambda _: "Best")) == 1
    assert sections.interval_tables(runs, lambda _: None) == []


def test_classes_are_those_of_the_whole_data_set(tmp_path, drawn):  # noqa: F811
    class Counted:
        info = {"name": "fake", "phantom": True}

        def counts_by_class(self):
            return {"cat": 1805, "dog": 2}

    figure = sections.class_chart(tmp_path, Counted())
    assert figure.path == tmp_path / "figures" / "classes.png"
    assert "all: 1,807 images" in figure.caption and "SYNTHETIC DATA" in figure.caption
    assert np.allclose([bar.get_width() for bar in drawn[0].axes[0].patches], [1805, 2])
