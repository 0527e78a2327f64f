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
