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


def test_a_gain_in_mean_one_vs_rest_accuracy():
    test = {"kind": "one_vs_rest", "cell": "/text/0/value", "classes": 5, "difference": True}
    document = {"text": [{"value": 1.97}], "claims": [{"where": "", "what": "", "test": test}]}
    [(_, arithmetic)] = said(document, "claim_one_vs_rest")
    assert "4.92 multiclass" in arithmetic or "4.93 multiclass" in arithmetic
