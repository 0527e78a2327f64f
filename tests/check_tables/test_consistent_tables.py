"""Tables made from a real confusion matrix are never called inconsistent."""

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from drcls.check_tables import check
from drcls.check_tables.matrices import MEASURES
from drcls.metrics import confusion as measures
from drcls.metrics import wald_interval, wilson_interval


def document(matrix, decimals, percent, method):
    scale = 100 if percent else 1

    def rounded(value):
        return round(float(scale * value), decimals)

    classes, n = [f"class {i}" for i in range(len(matrix))], int(matrix.sum())
    by_class = {name: getattr(measures, name)(matrix) for name in ("precision", "recall", "f1")}
    right = int(np.trace(matrix))
    interval = wald_interval(right / n, n) if method == "wald" else wilson_interval(right, n)
    names = [name for name in MEASURES if "kappa" not in name and name != "mean_ovr_accuracy"]
    overall = {name: rounded(MEASURES[name](matrix)) for name in names}
    unit = {"unit": "percent" if percent else "share", "decimals": decimals, "num_test": n, "model": "A"}
    rows = [
        {
            "class": name,
            "support": int(matrix[i].sum()),
            **{key: rounded(values[i]) for key, values in by_class.items()},
        }
        for i, name in enumerate(classes)
    ]
    return {
        "classes": classes,
        "tables": {
            "1": {
                "unit": "images",
                "rows": [{"class": c, "images": int(matrix[i].sum())} for i, c in enumerate(classes)],
                "total": n,
            },
            "2": unit | {"rows": rows},
            "3": unit
            | {"rows": [{"model": "A", **overall, "interval": [rounded(bound) for bound in interval]}]}
            | {"interval_method": method},
        },
        "confusion_matrices": [{"matrix": matrix.tolist(), "table_row": "/tables/3/rows/0"}],
        "text": [{"value": overall["accuracy"], "same_as": "/tables/3/rows/0/accuracy"}],
    }


@st.composite
def matrices(draw):
    size = draw(st.integers(2, 6))
    matrix = draw(npst.arrays(np.int64, (size, size), elements=st.integers(0, 400)))
    # Every class occurs; some are never predicted.
    matrix[np.arange(size), draw(st.integers(0, size - 1))] += 1
    return matrix


@pytest.fixture
def without_mlscorecheck(monkeypatch):
    """It asks the same question of every class and takes most of the time."""
    monkeypatch.setitem(sys.modules, "mlscorecheck.check.binary", None)


@pytest.mark.usefixtures("without_mlscorecheck")
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(matrices(), st.booleans(), st.integers(1, 3), st.sampled_from(["wald", "wilson"]))
def test_a_hundred_random_consistent_tables_pass(matrix, percent, decimals, method):
    # The interval's table has one row, so what rounding takes away is the only slack.
    decimals += 0 if percent else 1
    findings = check(document(matrix, decimals, percent, method))
    assert [finding for finding in findings if finding.verdict == "inconsistent"] == []
    assert sum(finding.verdict == "consistent" for finding in findings) > 5


def test_mlscorecheck_passes_a_consistent_table():
    pytest.importorskip("mlscorecheck")
    matrix = np.array([[87, 7, 27], [0, 96, 19], [13, 23, 746]])
    findings = [
        finding for finding in check(document(matrix, 2, True, "wald")) if finding.rule == "mlscorecheck"
    ]
    assert [finding.verdict for finding in findings] == ["consistent"] * 3
