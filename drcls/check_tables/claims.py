"""Sentences of the text that the reported numbers themselves decide.

A claim's `test` names its kind and the places it speaks of; docs/check_tables.md lists the kinds.
"""

import math

from scipy.stats import norm, spearmanr

from drcls.check_tables.finding import agreement, inconsistent, note
from drcls.metrics.intervals import wald_interval


def claims_against_numbers(document):
    """Decide each claim whose `test` is of a kind known here; a note says what keeps one from being decided."""
    findings = []
    for index, claim in enumerate(document.claims):
        test = claim.get("test")
        if test and test.get("kind") not in (*KINDS, *DECIDED_ELSEWHERE):
            kinds = ", ".join((*KINDS, *DECIDED_ELSEWHERE))
            raise ValueError(
                f"/claims/{index}/test/kind must be one of {kinds}, received {test.get('kind')!r}"
            )
        decide = KINDS.get(test["kind"]) if test else None
        if decide:
            holds, arithmetic = decide(document, test)
            rule, places = f"claim_{test['kind']}", [f"/claims/{index}"]
            if holds is None:
                findings.append(note(rule, places, arithmetic))
            elif holds or test["kind"] not in TESTS_OF_SIGNIFICANCE:
                findings.append(agreement(rule, places, holds, arithmetic))
            else:
                # What a test does not find may be there all the same.
                findings.append(inconsistent(rule, places, arithmetic, severity="warning"))
    return findings


def _largest(document, test):
    """`cell` is the largest among `among`."""
    value, others = document.number(test["cell"]), [document.number(cell) for cell in test["among"]]
    return value >= max(others), f"{value:g} against at most {max(others):g} elsewhere."


def _smallest(document, test):
    """`cell` is the smallest among `among`."""
    value, others = document.number(test["cell"]), [document.number(cell) for cell in test["among"]]
    return value <= min(others), f"{value:g} against at least {min(others):g} elsewhere."


def _above(document, test):
    """All `cells` exceed `bound`."""
    values = [document.number(cell) for cell in test["cells"]]
    return min(values) > test[
        "bound"
    ], f"The smallest of {', '.join(map(_g, values))} against {test['bound']:g}."


def _equal(document, test):
    """All `cells` are equal, or equal to `value`."""
    values = [document.number(cell) for cell in test["cells"]]
    wanted = test.get("value", values[0])
    return all(
        math.isclose(value, wanted) for value in values
    ), f"{', '.join(map(_g, values))} against {wanted:g}."


def _less(document, test):
    """In each of `pairs` the first is below the second."""
    pairs = [tuple(document.number(cell) for cell in pair) for pair in test["pairs"]]
    failing = "; ".join(f"{a:g} is not below {b:g}" for a, b in pairs if not a < b)
    return not failing, (failing or "; ".join(f"{a:g} and {b:g}" for a, b in pairs)) + "."


def _better_in(document, test):
    """`count` of `cells` exceed the cell `than`."""
    values, than = [document.number(cell) for cell in test["cells"]], document.number(test["than"])
    better, ties = sum(value > than for value in values), sum(value == than for value in values)
    shown = f"{better} of {len(values)} exceed {than:g}" + (f", {ties} equal it" if ties else "")
    return better == test["count"], f"{shown}; reported {test['count']}."


def _rises_to_peak(document, test):
    """`cells`, in order, do not fall before their largest."""
    values = [document.number(cell) for cell in test["cells"]]
    before = values[: values.index(max(values)) + 1]
    falls = [f"{a:g} to {b:g}" for a, b in zip(before, before[1:], strict=False) if b < a]
    shown = ", ".join(map(_g, values))
    return not falls, f"{shown}: " + (
        f"falls from {'; '.join(falls)} before the peak." if falls else "rises."
    )


def _intervals_apart(document, test):
    """The 95 % intervals of two `rows` do not overlap: Wald's where n is known, else as reported."""
    sizes = [_num_test(document, place) for place in test["rows"]]
    intervals = [_interval(document, place, n) for place, n in zip(test["rows"], sizes, strict=True)]
    if None in intervals:
        return (
            None,
            "Cannot be decided: neither an interval nor a number of test images is known for "
            f"{_without(test['rows'], intervals)}.",
        )
    apart = max(low for low, _ in intervals) > min(high for _, high in intervals)
    shown = " and ".join(f"{100 * low:.2f} to {100 * high:.2f}" for low, high in intervals)
    if None in sizes:
        return apart, f"The intervals are {shown} %, as reported for {_without(test['rows'], sizes)}."
    reported = [document.at(place).get("interval") for place in test["rows"]]
    beside = f"; reported {' and '.join(map(str, reported))}" if None not in reported else ""
    return apart, f"With the test part's n the intervals are {shown} %{beside}."


def _interval(document, place, n):
    """(low, high) of a row: Wald's with n, the reported one where n is not known, None without either."""
    if n is not None:
        return wald_interval(document.share(f"{place}/accuracy")[0], n)
    if document.at(place).get("interval") is None:
        return None
    return tuple(document.share(f"{place}/interval/{side}")[0] for side in (0, 1))


def _differ(document, test):
    """The accuracies of two `rows` differ at 5 %, by the two-proportion z test: the pairing is not reported."""
    sizes = [_num_test(document, place) for place in test["rows"]]
    if None in sizes:
        return (
            None,
            f"Cannot be decided: no number of test images is known for {_without(test['rows'], sizes)}.",
        )
    hits = [
        round(document.share(f"{place}/accuracy")[0] * n)
        for place, n in zip(test["rows"], sizes, strict=True)
    ]
    z = two_proportion_z(hits, sizes)
    p_value = 2 * norm.sf(abs(z))
    (first, second), (n, other) = hits, sizes
    shown = f"{first} and {second} of {n}" if n == other else f"{first} of {n} and {second} of {other}"
    return (
        p_value < 0.05,
        f"{shown}: z = {z:.2f}, two-sided p = {p_value:.2g} (unpaired; a paired test needs the predictions).",
    )


def two_proportion_z(hits, sizes):
    """The z statistic of two proportions k/n with a pooled variance; 0 where all or none are hits.

    z = (k1/n1 - k2/n2) / sqrt(p (1 - p) (1/n1 + 1/n2)), p = (k1 + k2) / (n1 + n2).

    Example:
        >>> round(two_proportion_z([9100, 88], [10_000, 100]), 2)
        1.04
    """
    (first, second), (n, other) = hits, sizes
    pooled = (first + second) / (n + other)
    if pooled in (0, 1):
        return 0.0
    return (first / n - second / other) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / other))


def _num_test(document, place):
    """Number of test images of a row, None where it is not known."""
    return document.num_test(document.table_of(place), document.at(place))


def _without(places, values):
    return " and ".join(place for place, value in zip(places, values, strict=True) if value is None)


def _trend(document, test):
    """The mean relative gain of `pairs` (lists of (with, without)) rises with `order`, at 5 %."""
    order = [document.number(cell) for cell in test["order"]]
    gains = []
    for pairs in test["pairs"]:
        ratios = [document.number(a) / document.number(b) - 1 for a, b in pairs]
        gains.append(100 * sum(ratios) / len(ratios))
    result = spearmanr(order, gains)
    shown = ", ".join(f"{gain:.1f}" for gain in gains)
    arithmetic = f"Gains of {shown} %: rank correlation {result.statistic:.2f}, p {result.pvalue:.2f}."
    return bool(result.statistic > 0 and result.pvalue < 0.05), arithmetic


def _one_vs_rest(document, test):
    """`cell`, if a mean accuracy of `classes` one-vs-rest questions, as multiclass accuracy; always holds."""
    value, classes = document.percent(test["cell"]), test["classes"]
    multiclass = value * classes / 2 if test.get("difference") else 100 - (100 - value) * classes / 2
    return (
        True,
        f"A mean one-vs-rest figure of {value:g} over {classes} classes is {multiclass:.2f} multiclass.",
    )


def _g(value):
    return f"{value:g}"


# Kinds that the rules of other files decide.
DECIDED_ELSEWHERE = ("merging", "column_totals", "less_than_an_image", "held_out", "weighted_loss")
TESTS_OF_SIGNIFICANCE = ("differ", "trend")
KINDS = {
    "largest": _largest,
    "smallest": _smallest,
    "above": _above,
    "equal": _equal,
    "less": _less,
    "better_in": _better_in,
    "rises_to_peak": _rises_to_peak,
    "intervals_apart": _intervals_apart,
    "differ": _differ,
    "trend": _trend,
    "one_vs_rest": _one_vs_rest,
}
