"""Evaluation: predictions written as they were made, measures and intervals that agree with them."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from drcls.evaluate import evaluate, measure
from tests.data.tables import table


@pytest.fixture
def measured(tmp_path):
    part = table({"a": 6, "b": 4}, images_per_group=2)
    part.info["ordered"] = True
    right = np.array([1, 1, 1, 1, 0, 1, 1, 1, 0, 1], dtype=bool)
    predicted = np.where(right, part.labels, 1 - part.labels)
    probabilities = np.where(np.eye(2)[predicted] == 1, 0.75, 0.25)
    return evaluate(part, probabilities, tmp_path), part, pd.read_csv(tmp_path / "predictions.csv")


def test_predictions_are_written_row_by_row(measured):
    _, part, frame = measured
    assert list(frame) == ["path", "label", "group", "predicted", "p_a", "p_b"]
    assert frame["path"].tolist() == part.frame["path"].tolist()
    assert (frame["label"] == frame["predicted"]).sum() == 8
    assert (frame[["p_a", "p_b"]].max(axis=1) == 0.75).all()


def test_accuracy_and_its_intervals_by_hand(measured):
    result, _, _ = measured
    assert result["metrics"]["accuracy"] == pytest.approx(0.8)
    intervals = result["intervals"]["accuracy"]
    half = 1.96 * np.sqrt(0.8 * 0.2 / 10)
    np.testing.assert_allclose(intervals["wald"], [0.8 - half, 0.8 + half])
    wilson = binomtest(8, 10).proportion_ci(method="wilson")
    np.testing.assert_allclose(intervals["wilson"], [wilson.low, wilson.high])
    low, high = intervals["bootstrap"]
    assert 0.4 <= low < 0.8 < high <= 1
    others = {"macro_recall", "macro_specificity", "macro_f1", "quadratic_kappa"}
    assert set(result["intervals"]) == {"accuracy"} | others
    for name in others:
        low, high = result["intervals"][name]["bootstrap"]
        assert low < result["metrics"][name] < high


def test_classes_without_an_order_have_no_quadratic_kappa(measured):
    part = measured[1]
    part.info["ordered"] = False
    probabilities = np.where(np.eye(2)[part.labels] == 1, 0.75, 0.25)
    result = measure(part, probabilities)
    assert result["metrics"]["quadratic_kappa"] is None and "quadratic_kappa" not in result["intervals"]


def test_a_measure_that_does_not_exist_has_no_interval_and_the_others_have(tmp_path):
    part = table({"a": 6, "b": 4}).select(np.arange(6))
    probabilities = np.where(np.eye(2)[[0, 0, 0, 0, 0, 1]] == 1, 0.75, 0.25)
    result = evaluate(part, probabilities, tmp_path)
    assert set(part.labels) == {0}
    assert result["metrics"]["macro_specificity"] is None
    assert result["intervals"]["macro_specificity"] == {"bootstrap": None}
    for name in ("accuracy", "macro_recall", "macro_f1"):
        low, high = result["intervals"][name]["bootstrap"]
        assert 0 <= low < result["metrics"][name] <= high
    assert (tmp_path / "predictions.csv").is_file()


@pytest.mark.parametrize("number", [1, 10])
def test_images_of_one_group_have_no_interval_over_groups(number):
    part = table({"a": 6, "b": 4}, images_per_group=10).select(np.arange(number))
    part.frame["group"] = "patient"
    probabilities = np.where(np.eye(2)[part.labels] == 1, 0.75, 0.25)
    result = measure(part, probabilities)
    assert result["metrics"]["accuracy"] == 1
    assert {kinds["bootstrap"] for kinds in result["intervals"].values()} == {None}
    assert len(result["intervals"]["accuracy"]["wilson"]) == len(result["intervals"]["accuracy"]["wald"]) == 2


def test_other_errors_are_not_taken_for_an_interval_that_does_not_exist(measured):
    part = measured[1]
    with pytest.raises(ValueError, match="rows that sum to 1"):
        measure(part, np.ones((len(part), 2)))
