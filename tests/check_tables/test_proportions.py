"""Accuracies as whole numbers of images."""

import pytest
from sklearn.model_selection import train_test_split

from drcls.check_tables.proportions import counts, smallest_whole
from tests.check_tables.documents import said, table, verdicts


def test_counts_by_hand():
    # 868 / 903 = 0.961240
    assert list(counts(0.9612, 0.00005, 903)) == [868]
    assert list(counts(0.9610, 0.00005, 903)) == []
    assert list(counts(0.5, 0.05, 20)) == [9, 10, 11]


@pytest.mark.parametrize(
    ("n", "share", "whole"),
    [
        # ceil(0.2 * 96) = ceil(19.2) = 20, and 0.2 * 95 = 19
        (20, 0.2, 96),
        (1, 0.2, 1),
        (20, 1, 20),
        # 0.8 * 24 = 19.2 rounds up to 20
        (20, 0.8, 24),
    ],
)
def test_the_smallest_whole_by_hand(n, share, whole):
    assert smallest_whole(n, share) == whole


@pytest.mark.parametrize("share", [0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 1 / 3, 0.8])
def test_no_smaller_whole_is_split_so(share):
    """Each size that scikit-learn gives a test part is one of the whole, and none below the smallest gives it."""
    sizes = {whole: len(train_test_split(range(whole), test_size=share)[1]) for whole in range(10, 300)}
    for n in range(max(3, sizes[10] + 1), max(sizes.values())):
        assert smallest_whole(n, share) == min(whole for whole in sizes if sizes[whole] == n)


@pytest.mark.parametrize(
    ("accuracy", "rule", "verdict"),
    [
        (96.12, "whole_number", "consistent"),
        (96.17, "whole_number", "inconsistent"),
        (91.70, "false_zero", "inconsistent"),
    ],
)
def test_an_accuracy_is_a_count_of_its_test_part(accuracy, rule, verdict):
    n = 1018 if rule == "false_zero" else 903
    document = table([{"model": "A", "accuracy": accuracy}], num_test=n, decimals=2)
    assert verdicts(document, rule) == [verdict]


def test_one_decimal_stated_is_no_false_zero():
    document = table([{"model": "A", "accuracy": 91.7, "decimals": 1}], num_test=903, decimals=2)
    assert verdicts(document, "whole_number") == ["consistent"] and not verdicts(document, "false_zero")


def test_a_test_part_too_large_to_say_anything_is_passed_over():
    assert not verdicts(table([{"accuracy": 96.17}], num_test=10_001), "whole_number")


def test_a_number_common_to_several_accuracies():
    rows = [
        {"accuracy": 87.32},
        {"accuracy": 87.36},
        {"accuracy": 82.96},
        {"accuracy": 86.53},
        {"accuracy": 98.18},
    ]
    entry = {"cells": [f"/tables/1/rows/{i}/accuracy" for i in range(5)], "at_least": 2000, "at_most": 2800}
    document = table(rows) | {"same_test_part": [entry | {"share": 0.2, "whole_at_most": 11_959}]}
    [(verdict, arithmetic)] = said(document, "common_number")
    assert verdict == "inconsistent" and "{2524, 2635}" in arithmetic and "657 fewer" in arithmetic
    # A part of 0.2 of 12,616 is 2523.2, rounded up 2524.
    document["same_test_part"] = [entry | {"share": 0.2, "whole_at_most": 12_616}]
    assert verdicts(document, "common_number") == ["note"]
    document["same_test_part"] = [entry | {"share": 0.2, "whole_at_most": 12_615}]
    assert verdicts(document, "common_number") == ["inconsistent"]
    document["same_test_part"] = [entry | {"share": 20, "whole_at_most": 12_615}]
    with pytest.raises(ValueError, match="above 0 and at most 1, received 20"):
        verdicts(document, "common_number")
    document["same_test_part"] = [entry | {"share": 0.2, "whole_at_most": 13_000}]
    assert verdicts(document, "common_number") == ["note"]
    document["same_test_part"] = [entry | {"at_most": 2500}]
    assert verdicts(document, "common_number") == ["inconsistent"]
