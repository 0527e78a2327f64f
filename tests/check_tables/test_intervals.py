"""Reported intervals."""

import pytest

from drcls.check_tables.intervals import implied_n
from tests.check_tables.documents import said, table, verdicts


def one(interval, method="wald", accuracy=96.12, n=903):
    row = {"model": "A", "accuracy": accuracy, "interval": interval}
    more = {"interval_method": method} if method else {}
    return table([row], num_test=n, decimals=2, **more)


@pytest.mark.parametrize(
    ("interval", "method", "expected"),
    [
        ([94.86, 97.38], "wald", ["consistent"] * 2),
        ([94.66, 97.20], "wilson", ["consistent"] * 2),
        ([94.66, 97.20], "wald", ["inconsistent"] * 2),
        ([95.23, 96.98], "wald", ["inconsistent"] * 2),
    ],
)
def test_bounds_follow_from_the_method_and_n(interval, method, expected):
    assert verdicts(one(interval, method), "interval") == expected


def test_an_interval_cut_at_one_is_no_fault():
    # Wald for 29 of 30: 0.9667 +- 0.0642 ends at 1.0309.
    assert verdicts(one([90.24, 100.0], accuracy=96.67, n=30), "interval") == ["consistent"] * 2


@pytest.mark.parametrize("decimals", [{}, {"decimals": {"accuracy": 2}}])
def test_bounds_without_stated_decimals_have_those_they_show(decimals):
    # Wald for 109 of 120: 0.90833 +- 1.96 sqrt(0.90833 * 0.09167 / 120) = 0.85670 to 0.95996.
    for interval, expected in (([86.1, 95.6], "inconsistent"), ([85.7, 96.0], "consistent")):
        row = {"accuracy": 90.83, "interval": interval}
        document = table([row], num_test=120, interval_method="wald", **decimals)
        assert verdicts(document, "interval") == [expected] * 2


def test_without_a_method_only_a_wrong_width_is_named():
    assert verdicts(one([94.9, 97.3], None), "interval_width") == ["note"]
    assert verdicts(one([95.9, 96.3], None), "interval_width") == ["inconsistent"]
    assert verdicts(one([100.0, 100.0], None, accuracy=100.0), "interval_width") == []


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="interval_method must be wald or wilson, received 'exact'"):
        verdicts(one([94.0, 97.0], "exact"), "interval")


def test_implied_n_by_hand():
    # 1.96^2 * 0.25 / 0.1^2
    assert implied_n(0.5, (0.4, 0.6)) == pytest.approx(96.04)


def test_half_widths_in_the_order_of_accuracy_over_two_test_parts():
    rows = [
        {"accuracy": accuracy, "interval": [accuracy - width, accuracy + width], "num_test": n}
        for accuracy, width, n in [
            (96, 0.9, 900),
            (95, 1.0, 3100),
            (94, 1.1, 900),
            (70, 2, 3100),
            (55, 2.5, 900),
            (40, 3, 3100),
        ]
    ]
    assert verdicts(table(rows), "interval_order") == ["inconsistent"]
    rows[1]["interval"] = [94.2, 95.8]
    assert verdicts(table(rows), "interval_order") == []


def test_a_common_shift_of_the_centres():
    rows = [{"accuracy": 50 + i, "interval": [45.0 + i - 0.1, 55.0 + i - 0.1]} for i in range(6)]
    document = table(rows, interval_method="wald", num_test=400, decimals=2)
    [(verdict, arithmetic)] = said(document, "interval_centre")
    assert verdict == "inconsistent" and "-0.100" in arithmetic
    rows[0]["interval"] = [45.1, 55.1]
    assert not said(document, "interval_centre")
