"""Sentences that the numbers decide."""

import pytest

from tests.check_tables.documents import said, table

ROWS = [
    {"model": "A", "accuracy": 96.12, "interval": [95.23, 96.98]},
    {"model": "B", "accuracy": 95.02, "interval": [94.05, 95.97]},
    {"model": "C", "accuracy": 93.8, "interval": [92.75, 94.82]},
]
A, B, C = (f"/tables/1/rows/{i}/accuracy" for i in range(3))
ROW_A, ROW_B, ROW_C = (f"/tables/1/rows/{i}" for i in range(3))


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ({"kind": "largest", "cell": A, "among": [A, B, C]}, True),
        ({"kind": "largest", "cell": B, "among": [A, B, C]}, False),
        ({"kind": "smallest", "cell": C, "among": [A, B, C]}, True),
        ({"kind": "smallest", "cell": B, "among": [A, B, C]}, False),
        ({"kind": "above", "cells": [A, B], "bound": 95}, True),
        ({"kind": "above", "cells": [A, B], "bound": 95.02}, False),
        ({"kind": "equal", "cells": [A, A]}, True),
        ({"kind": "equal", "cells": [A], "value": 100}, False),
        ({"kind": "less", "pairs": [[B, A], [C, B]]}, True),
        ({"kind": "less", "pairs": [[B, A], [B, C]]}, False),
        ({"kind": "better_in", "cells": [A, B, C], "than": B, "count": 1}, True),
        ({"kind": "better_in", "cells": [A, B, C], "than": B, "count": 2}, False),
        ({"kind": "rises_to_peak", "cells": [C, B, A]}, True),
        ({"kind": "rises_to_peak", "cells": [B, C, A]}, False),
        # With n = 903 the lower bound of A is 94.86 and the upper bound of C 95.37.
        ({"kind": "intervals_apart", "rows": [ROW_A, ROW_C]}, False),
        ({"kind": "differ", "rows": [ROW_A, ROW_B]}, False),
        ({"kind": "differ", "rows": [ROW_A, ROW_C]}, True),
        ({"kind": "trend", "order": [C, B, A], "pairs": [[[B, A]], [[B, A]], [[A, B]]]}, False),
        ({"kind": "one_vs_rest", "cell": A, "classes": 5}, True),
    ],
)
def test_kinds(test, holds):
    document = table(ROWS, num_test=903, decimals=2) | {"claims": [{"where": "3", "what": "", "test": test}]}
    [(verdict, _)] = said(document, f"claim_{test['kind']}")
    assert verdict == ("consistent" if holds else "inconsistent")


def test_a_two_proportion_test_by_hand():
    test = {"kind": "differ", "rows": [ROW_A, ROW_B]}
    document = table(ROWS, num_test=903) | {"claims": [{"where": "", "what": "", "test": test}]}
    [(_, arithmetic)] = said(document, "claim_differ")
    assert "868 and 858 of 903: z = 1.14, two-sided p = 0.25" in arithmetic


def claimed(kind, rows, **more):
    test = {"kind": kind, "rows": [ROW_A, ROW_B]}
    return table(rows, **more) | {"claims": [{"where": "", "what": "", "test": test}]}


def test_two_proportions_of_different_numbers_of_images():
    # p = 9188 / 10100 = 0.90970; 0.03 / sqrt(0.90970 * 0.09030 * (1/10000 + 1/100)) = 0.03 / 0.028803 = 1.0416
    rows = [{"accuracy": 91, "num_test": 10_000}, {"accuracy": 88, "num_test": 100}]
    [(verdict, arithmetic)] = said(claimed("differ", rows), "claim_differ")
    assert verdict == "inconsistent"
    assert "9100 of 10000 and 88 of 100: z = 1.04, two-sided p = 0.3 (" in arithmetic


@pytest.mark.parametrize("accuracy", [0, 100])
def test_two_rows_without_an_error_or_without_a_hit_do_not_differ(accuracy):
    rows = [{"accuracy": accuracy}, {"accuracy": accuracy}]
    [(verdict, arithmetic)] = said(claimed("differ", rows, num_test=50), "claim_differ")
    assert verdict == "inconsistent" and "z = 0.00, two-sided p = 1 (" in arithmetic


def test_without_a_number_of_images_a_difference_is_left_open():
    rows = [{"accuracy": 91, "num_test": 10_000}, {"accuracy": 88}]
    [(verdict, arithmetic)] = said(claimed("differ", rows), "claim_differ")
    assert verdict == "note" and ROW_B in arithmetic and ROW_A not in arithmetic


@pytest.mark.parametrize(
    ("rows", "verdict", "shown"),
    [
        (ROWS[:2], "inconsistent", "95.23 to 96.98 and 94.05 to 95.97 %, as reported for"),
        ([ROWS[0], ROWS[2]], "consistent", "95.23 to 96.98 and 92.75 to 94.82 %, as reported for"),
        # Wald with n = 903 is 94.86 to 97.38.
        (
            [ROWS[0] | {"num_test": 903}, ROWS[2]],
            "consistent",
            f"94.86 to 97.38 and 92.75 to 94.82 %, as reported for {ROW_B}.",
        ),
        (
            [ROWS[0], {"accuracy": 93.8}],
            "note",
            f"neither an interval nor a number of test images is known for {ROW_B}.",
        ),
        (
            [{"accuracy": 96.12, "num_test": 903}, {"accuracy": 93.8, "num_test": 903}],
            "inconsistent",
            "94.86 to 97.38 and 92.23 to 95.37 %.",
        ),
    ],
)
def test_intervals_without_a_number_of_images_are_those_reported(rows, verdict, shown):
    [(found, arithmetic)] = said(claimed("intervals_apart", rows), "claim_intervals_apart")
    assert found == verdict and shown in arithmetic


@pytest.mark.parametrize(("unit", "accuracy"), [("percent", 96.12), ("share", 0.9612)])
def test_a_mean_one_vs_rest_accuracy_in_either_unit(unit, accuracy):
    # 100 - 3.88 * 5 / 2
    test = {"kind": "one_vs_rest", "cell": A, "classes": 5}
    document = table([{"accuracy": accuracy}], unit) | {"claims": [{"where": "", "what": "", "test": test}]}
    [(_, arithmetic)] = said(document, "claim_one_vs_rest")
    assert arithmetic == "A mean one-vs-rest figure of 96.12 over 5 classes is 90.30 multiclass."


def test_a_gain_in_mean_one_vs_rest_accuracy():
    test = {"kind": "one_vs_rest", "cell": "/text/0/value", "classes": 5, "difference": True}
    document = {"text": [{"value": 1.97}], "claims": [{"where": "", "what": "", "test": test}]}
    [(_, arithmetic)] = said(document, "claim_one_vs_rest")
    assert "4.92 multiclass" in arithmetic or "4.93 multiclass" in arithmetic
