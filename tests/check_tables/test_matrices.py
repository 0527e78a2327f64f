"""Confusion matrices against tables and against the percentages written into them."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from drcls.check_tables import check
from drcls.check_tables.matrices import cohen_kappa
from tests.check_tables.documents import said, table, verdicts

MATRIX = [[64, 1, 56], [1, 113, 1], [15, 10, 757]]


def document(**row):
    made = table([{"model": "A", **row}], unit="share", num_test=1018)
    return made | {"confusion_matrices": [{"matrix": MATRIX, "table_row": "/tables/1/rows/0"}]}


def test_measures_by_hand():
    # 934 of 1018; recalls 64/121, 113/115, 757/782
    good = {"accuracy": 0.9175, "macro_recall": 0.8265, "macro_f1": 0.844, "weighted_recall": 0.9175}
    assert set(verdicts(document(**good), "matrix_against_table")) == {"consistent"}
    assert verdicts(document(macro_f1=0.85), "matrix_against_table") == ["inconsistent"]


def test_kappa_is_that_of_scikit_learn():
    y_true, y_pred = np.indices((3, 3)).reshape(2, -1).repeat(np.ravel(MATRIX), axis=1)
    assert cohen_kappa(np.array(MATRIX)) == pytest.approx(cohen_kappa_score(y_true, y_pred))
    quadratic = round(cohen_kappa_score(y_true, y_pred, weights="quadratic"), 3)
    assert verdicts(document(quadratic_kappa=quadratic), "matrix_against_table") == ["consistent"]


def test_a_class_without_images_has_no_part_in_the_weighted_mean():
    made = document(weighted_f1=0.8496)
    made["tables"]["1"]["num_test"] = 20
    made["confusion_matrices"][0]["matrix"] = [[8, 2, 0], [1, 9, 0], [0, 0, 0]]
    # F1 16/19 and 18/21, ten images each.
    assert verdicts(made, "matrix_against_table") == ["consistent"]


def test_a_measure_that_the_matrix_does_not_have_is_a_note():
    made = document(kappa=0.5)
    made["tables"]["1"]["num_test"] = 10
    made["confusion_matrices"][0]["matrix"] = [[10, 0], [0, 0]]
    [(verdict, arithmetic)] = said(made, "matrix_against_table")
    assert verdict == "note" and "has no kappa" in arithmetic


def test_a_mean_one_vs_rest_accuracy_is_recognised():
    # 1 - 2 (1 - 934/1018) / 3
    [(verdict, arithmetic)] = said(document(accuracy=0.945), "matrix_against_table")
    assert verdict == "inconsistent" and "one-vs-rest" in arithmetic


def test_counts_must_sum_to_the_test_part():
    made = document(accuracy=0.9175)
    made["tables"]["1"]["num_test"] = 1019
    assert verdicts(made, "matrix_total") == ["inconsistent"]


def test_percentages_of_a_matrix():
    made = document()
    made["confusion_matrices"][0] |= {"percent_of_row": [[52.9, 47.1], [98.3, 1.7], [96.8, 3.2]]}
    made["confusion_matrices"][0] |= {"percent_right": [91.7, 8.4]}
    assert verdicts(made, "matrix_percentage").count("inconsistent") == 1


def test_a_draw_without_strata_is_seen():
    made = document() | {"datasets": {"cells": {"class_images": [345, 356, 2691]}}}
    made["confusion_matrices"][0]["class_counts"] = "/datasets/cells/class_images"
    [(verdict, arithmetic)] = said(made, "stratified")
    assert verdict == "note" and "121/115/782" in arithmetic and "chi-square 6.3" in arithmetic
    made["datasets"]["cells"]["class_images"] = [403, 383, 2606]
    assert not said(made, "stratified")


@pytest.mark.parametrize("matrix", [[[1, 2]], [[1, -1], [0, 2]], [[0.5, 1], [1, 1]]])
def test_what_is_no_matrix_is_refused(matrix):
    with pytest.raises(ValueError, match="/confusion_matrices/0/matrix must be a square of counts"):
        check({"confusion_matrices": [{"matrix": matrix}]})
