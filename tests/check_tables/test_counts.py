"""Totals, parts, ratios and the largest class."""

import pytest

from drcls.check_tables import check
from tests.check_tables.documents import said, table, verdicts


def test_totals_and_parts():
    data = {
        "class_counts": "/tables/1",
        "total": 60,
        "balanced": {"per_class": 30, "total": 90},
        "split": {"train": 72, "validation": 9, "test": 9},
        "split_shares": {"train": 0.8, "test": 0.1},
    }
    rows = [{"class": name, "images": images} for name, images in (("a", 30), ("b", 20), ("c", 10))]
    document = table(rows, unit="images", total=60) | {"datasets": {"d": data}}
    rules = ("total", "data_total", "balanced_total", "split_total", "split_share")
    assert {verdict for rule in rules for verdict in verdicts(document, rule)} == {"consistent"}
    document["tables"]["1"]["total"] = 61
    data |= {
        "total": 59,
        "balanced": {"per_class": 30, "total": 91},
        "split": {"train": 60, "validation": 9, "test": 9},
    }
    assert all("inconsistent" in verdicts(document, rule) for rule in rules)


def test_ratios_shares_and_row_totals():
    row = {"rho": 37.9, "counts": [71, 71, 2691], "total": 2833, "shares": [2.5, 2.5, 95]}
    units = {"rho": "number", "counts": "images", "total": "images", "shares": "percent"}
    document = table([row], unit=units, decimals={"rho": 2})
    for rule in ("ratio", "row_total", "class_share"):
        assert set(verdicts(document, rule)) == {"consistent"}
    row |= {"rho": 37.8, "total": 2834, "shares": [2.5, 2.5, 92]}
    for rule in ("ratio", "row_total", "class_share"):
        assert "inconsistent" in verdicts(document, rule)


def test_the_largest_class_beats_a_row():
    rows = [{"model": "A", "accuracy": 94.82}, {"model": "B", "accuracy": 96.12}]
    document = table(rows, class_counts="/datasets/d/class_images") | {
        "datasets": {"d": {"class_images": [71, 71, 2691]}}
    }
    [(verdict, arithmetic)] = said(document, "largest_class")
    assert verdict == "note" and "94.99 %" in arithmetic


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"counts": [10, 0], "rho": 5},
            r"/tables/1/rows/0/counts must be above 0 beside a rho, received \[10, 0\]",
        ),
        ({"counts": [], "rho": 5}, r"/tables/1/rows/0/counts must be above 0 beside a rho, received \[\]"),
        (
            {"counts": [0, 0], "shares": [50, 50]},
            r"counts must have a sum above 0 beside shares, received \[0, 0\]",
        ),
    ],
)
def test_counts_that_nothing_can_be_divided_by_are_one_error(row, message):
    with pytest.raises(ValueError, match=message):
        check(table([row], unit={"rho": "number", "counts": "images", "shares": "percent"}))


def test_what_else_is_divided_by_nothing_is_one_error():
    document = table([{"accuracy": 90}], class_counts="/datasets/d/class_images")
    document["datasets"] = {"d": {"class_images": [0, 0]}}
    with pytest.raises(
        ValueError, match="the rule largest_class divides by is 0; counts and totals above 0 were"
    ):
        check(document)
