"""Numbers of the text against their origin."""

import pytest

from drcls.check_tables import check
from tests.check_tables.documents import table, verdicts

CELLS = [f"/tables/1/rows/{i}/accuracy" for i in range(3)]


@pytest.mark.parametrize(
    ("origin", "right", "wrong"),
    [
        ({"same_as": CELLS[0]}, 96.12, 96.21),
        ({"sum_of": CELLS}, 286.26, 287.0),
        ({"difference_of": CELLS[:2]}, 2.32, 2.42),
        ({"percent_of": [CELLS[1], CELLS[0]]}, 97.6, 96.6),
        # 98.19 / 87.33 is 12.4 % more, 10.86 points more
        ({"relative_of": [CELLS[0], CELLS[1]]}, 2.47, 2.32),
    ],
)
def test_derivations(origin, right, wrong):
    rows = [{"model": name, "accuracy": value} for name, value in (("A", 96.12), ("B", 93.8), ("C", 96.34))]
    for value, expected in ((right, "consistent"), (wrong, "inconsistent")):
        document = table(rows, decimals=2) | {"text": [{"where": "3", "what": "", "value": value, **origin}]}
        assert verdicts(document, "text_against_table") == [expected]


def test_text_may_round_more():
    document = table([{"accuracy": 96.12}]) | {"text": [{"value": 96.1, "same_as": CELLS[0]}]}
    assert verdicts(document, "text_against_table") == ["consistent"]


@pytest.mark.parametrize(
    ("cell", "value", "expected"),
    [
        (96.1, 96.12, "consistent"),
        (96.1, 96.15, "consistent"),
        (96.1, 96.16, "inconsistent"),
        # With as many digits on both sides no rounding explains a difference.
        (96.12, 96.13, "inconsistent"),
        (96, 96.1, "consistent"),
        (96, 97, "inconsistent"),
    ],
)
def test_a_table_may_round_more(cell, value, expected):
    document = table([{"accuracy": cell}]) | {"text": [{"value": value, "same_as": CELLS[0]}]}
    assert verdicts(document, "text_against_table") == [expected]


@pytest.mark.parametrize(
    ("origin", "value", "expected"),
    [
        # 1.15 / 3.45 is 33.33 %, 1.22 / 3.39 is 35.99 %, 1.25 / 3.35 is 37.31 %.
        ("percent_of", 36.0, "consistent"),
        ("percent_of", 33.3, "consistent"),
        ("percent_of", 37.6, "inconsistent"),
        # The same less 100.
        ("relative_of", -64.0, "consistent"),
        ("relative_of", -62.4, "inconsistent"),
    ],
)
def test_a_quotient_of_rounded_numbers(origin, value, expected):
    cells = ["/text/0/value", "/text/1/value"]
    text = [{"value": 1.2}, {"value": 3.4}, {"value": value, "decimals": 1, origin: cells}]
    assert verdicts({"text": text}, "text_against_table") == [expected]


def test_a_quotient_of_counts_has_no_slack():
    rows = [{"images": 345}, {"images": 3392}]
    cells = ["/tables/1/rows/0/images", "/tables/1/rows/1/images"]
    for value, expected in ((10.17, "consistent"), (10.18, "inconsistent")):
        document = table(rows, unit="images") | {"text": [{"value": value, "percent_of": cells}]}
        assert verdicts(document, "text_against_table") == [expected]


def test_counts_beside_percentages_are_exact():
    rows = [{"accuracy": 90, "support": 300}, {"accuracy": 80, "support": 200}]
    cells = ["/tables/1/rows/0/support", "/tables/1/rows/1/support"]
    for value, expected in ((500, "consistent"), (501, "inconsistent")):
        document = table(rows) | {"text": [{"value": value, "sum_of": cells}]}
        assert verdicts(document, "text_against_table") == [expected]


def test_a_row_that_repeats_another():
    rows = [{"accuracy": 92.80}, {"accuracy": 92.8, "decimals": 1, "same_as": {"accuracy": CELLS[0]}}]
    assert verdicts(table(rows, decimals=2), "repeated") == ["consistent"]
    rows[1]["accuracy"] = 92.9
    assert verdicts(table(rows, decimals=2), "repeated") == ["inconsistent"]


def test_differences_from_the_first_row():
    rows = [{"accuracy": 96.12, "difference": 0.0}, {"accuracy": 95.02, "difference": -1.1}]
    assert verdicts(table(rows, decimals=2), "difference") == ["consistent"] * 2
    rows[1]["difference"] = 1.1
    assert verdicts(table(rows, decimals=2), "difference") == ["consistent", "inconsistent"]


def test_a_place_that_is_not_there_is_named():
    document = table([]) | {"text": [{"value": 1, "same_as": "/tables/9/rows/0/accuracy"}]}
    with pytest.raises(ValueError, match=r"nothing at /tables/9/rows/0/accuracy \(looked for '9'\)"):
        check(document)
