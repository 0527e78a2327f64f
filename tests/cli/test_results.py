"""Measures as lines of text: which interval stands in the brackets."""

import pytest

from drcls.cli.results import describe_metrics
from drcls.own_images.page import NO_WIDTH, overall_table

WILSON = [0.4, 1.0]


@pytest.fixture
def all_right():
    names = ("recall", "precision", "specificity", "f1", "auroc")
    whole = {"bootstrap": [1.0, 1.0]}
    return {
        "part": "test",
        "num_test": 3,
        "data": "mine",
        "metrics": {
            "accuracy": 1.0,
            "macro_f1": 1.0,
            "per_class": {"a": dict.fromkeys(names, 1.0) | {"support": 3}},
        },
        "intervals": {
            "accuracy": whole | {"wilson": WILSON},
            "macro_f1": whole,
            "per_class": {"a": dict.fromkeys(names, whole)},
        },
    }


def test_no_figure_of_a_perfect_answer_is_called_certain(all_right):
    told = describe_metrics(all_right)
    assert "accuracy            1.000 (0.400-1.000)" in told and "macro F1            1.000\n" in told
    assert "1.000-1.000" not in told
    shown = overall_table(all_right).set_index("measure")
    assert shown.loc["accuracy"].tolist() == ["1.000", NO_WIDTH, "0.400 to 1.000"]
