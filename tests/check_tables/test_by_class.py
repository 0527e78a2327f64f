"""Tables by class, solved for whole numbers."""

import pytest

from drcls.check_tables import Document
from drcls.check_tables.by_class import joint_solutions, possible_counts
from tests.check_tables.documents import said, verdicts

TABLE_5 = [
    {"class": "Mild", "precision": 91.37, "recall": 99.45, "f1": 95.24},
    {"class": "Moderate", "precision": 98.11, "recall": 86.67, "f1": 92.04},
    {"class": "No_DR", "precision": 100.0, "recall": 97.24, "f1": 98.6},
    {"class": "Proliferate_DR", "precision": 97.78, "recall": 97.24, "f1": 97.51},
    {"class": "Severe", "precision": 94.24, "recall": 100.0, "f1": 97.04},
]


def document(rows=TABLE_5, **more):
    data = {
        "balanced": {"per_class": 1805, "total": 9025},
        "split": {"train": 7220, "validation": 902, "test": 903},
    }
    return {
        "datasets": {"fundus": data},
        "tables": {"5": {"dataset": "fundus", "decimals": 2, "rows": rows}},
        **more,
    }


def test_table_5_of_chexnet_cbam_has_one_solution():
    made = Document(document())
    [solution] = joint_solutions(possible_counts(made, "/tables/5"), 903)
    assert solution == ((180, 181, 197), (156, 180, 159), (176, 181, 176), (176, 181, 180), (180, 180, 191))
    assert verdicts(document(), "integer_solution") == ["consistent"]
    assert verdicts(document(), "harmonic_mean") == ["consistent"] * 5


def test_a_wrong_digit_has_none():
    rows = [TABLE_5[0] | {"recall": 99.15}, *TABLE_5[1:]]
    assert verdicts(document(rows), "integer_solution") == ["inconsistent"]
    assert verdicts(document([TABLE_5[0] | {"f1": 94.24}]), "harmonic_mean") == ["inconsistent"]


def test_given_supports_are_used():
    rows = [row | {"support": 181} for row in TABLE_5]
    assert "inconsistent" in verdicts(document(rows), "integer_solution")


def test_hits_do_not_exceed_the_images_of_a_class():
    # Recall 1.00 is 0.995 to 1.005: 498 to 502 of 500, of which there are 498 to 500.
    row = {"class": "a", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 500}
    made = Document({"tables": {"1": {"unit": "share", "decimals": 2, "rows": [row]}}})
    [possible] = possible_counts(made, "/tables/1")
    assert {hits for hits, _, _ in possible} == {498, 499, 500}


def test_a_class_never_predicted():
    rows = [
        {"class": "a", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 5},
        {"class": "b", "precision": 50.0, "recall": 100.0, "f1": 66.67, "support": 5},
    ]
    assert verdicts({"tables": {"1": {"num_test": 10, "rows": rows}}}, "integer_solution") == ["consistent"]


def test_rows_by_model_are_no_classes():
    # Each row has a solution, but the two supports are of the same 100 images and do not sum to the test part.
    rows = [
        {"model": "A", "precision": 90.0, "recall": 90.0, "f1": 90.0, "support": 100},
        {"model": "B", "precision": 80.0, "recall": 80.0, "f1": 80.0, "support": 100},
    ]
    claim = {"where": "", "what": "", "test": {"kind": "column_totals", "table": "1"}}
    made = {"tables": {"1": {"num_test": 100, "decimals": 1, "rows": rows}}, "claims": [claim]}
    assert verdicts(made, "harmonic_mean") == ["consistent"] * 2
    assert not said(made, "integer_solution") and not said(made, "mlscorecheck")
    assert verdicts(made, "column_totals") == ["note"]


def test_a_diagonal_of_numbered_classes():
    rows = [row | {"class": i} for i, row in enumerate(TABLE_5)]
    made = document(rows, diagonals=[{"by_class": "5", "hits": {"0": 180, "1": 159}}])
    assert verdicts(made, "diagonal") == ["consistent", "inconsistent"]


def test_a_class_that_the_table_lacks_is_named():
    made = document(diagonals=[{"by_class": "5", "hits": {"Mild": 180, "mild": 180}}])
    message = r"/diagonals/0/hits must name classes of Table 5 \(Mild, Moderate, .*\), received 'mild'"
    with pytest.raises(ValueError, match=message):
        said(made, "diagonal")


def test_a_diagonal_of_the_text():
    hits = {"Mild": 180, "Moderate": 159, "No_DR": 176, "Proliferate_DR": 176, "Severe": 180}
    findings = said(document(diagonals=[{"by_class": "5", "hits": hits}]), "diagonal")
    assert [verdict for verdict, _ in findings].count("inconsistent") == 1
    assert "159 is the number of images with Moderate predicted" in findings[1][1]


def test_its_sum_against_the_accuracy():
    hits = {"Mild": 180, "Moderate": 156, "No_DR": 176, "Proliferate_DR": 176, "Severe": 180}
    made = document(diagonals=[{"by_class": "5", "hits": hits, "table_row": "/tables/4/rows/0"}])
    made["tables"]["4"] = {"dataset": "fundus", "rows": [{"model": "A", "accuracy": 96.12}]}
    assert verdicts(made, "diagonal_sum") == ["consistent"]
    hits["Mild"] = 181
    assert verdicts(made, "diagonal_sum") == ["inconsistent"]


def test_columns_cannot_match_rows():
    claim = {"where": "", "what": "", "test": {"kind": "column_totals", "table": "5"}}
    assert verdicts(document(claims=[claim]), "column_totals") == ["inconsistent"]


def test_column_totals_that_cannot_be_decided():
    claim = {"where": "", "what": "", "test": {"kind": "column_totals", "table": "5"}}
    # No whole numbers give a recall of 99.15 % of 180 or 181: the table is at fault, and is said to be.
    broken = document([TABLE_5[0] | {"recall": 99.15}, *TABLE_5[1:]], claims=[claim])
    [(verdict, arithmetic)] = said(broken, "column_totals")
    assert verdict == "note" and "no whole-number solution" in arithmetic
    assert verdicts(broken, "integer_solution") == ["inconsistent"]
    # Without a support or a balanced set nothing says how many images a class has.
    unknown = document(claims=[claim])
    del unknown["datasets"]["fundus"]["balanced"]
    [(verdict, arithmetic)] = said(unknown, "column_totals")
    assert verdict == "note" and "images are not known" in arithmetic
    # With a class never predicted rightly the predicted images stay open.
    rows = [
        {"class": "a", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 5},
        {"class": "b", "precision": 50.0, "recall": 100.0, "f1": 66.67, "support": 5},
    ]
    open_table = {"tables": {"5": {"num_test": 10, "rows": rows}}, "claims": [claim]}
    [(verdict, arithmetic)] = said(open_table, "column_totals")
    assert verdict == "note" and "cannot be listed" in arithmetic


def test_mlscorecheck_agrees():
    pytest.importorskip("mlscorecheck")
    assert verdicts(document(), "mlscorecheck") == ["consistent"] * 5
    rows = [TABLE_5[0] | {"recall": 99.15}, *TABLE_5[1:]]
    assert verdicts(document(rows), "mlscorecheck").count("inconsistent") == 1


def test_it_says_when_mlscorecheck_was_not_asked(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlscorecheck.check.binary", None)
    [(verdict, arithmetic)] = said(document(), "mlscorecheck")
    assert verdict == "note" and "not installed" in arithmetic
