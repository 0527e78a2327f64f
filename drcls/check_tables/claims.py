"""Sentences of the text that the reported numbers themselves decide.

A claim's `test` names its kind and the places it speaks of; docs/check_tables.md lists the kinds.
"""

import math

from scipy.stats import norm, spearmanr

from drcls.check_tables.finding import agreement, inconsistent
from drcls.metrics.intervals import wald_interval


def claims_against_numbers(document):
    """Decide each claim whose `test` is of a kind known here."""
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
            if holds or test["kind"] not in TESTS_OF_SIGNIFICANCE:
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
    """The 95 % intervals of two `rows` do not overlap; computed with Wald where the table's n is known."""
    intervals, reported = [], []
    for place in test["rows"]:
        table, row = document.tables[place.split("/")[2]], document.at(place)
        share = document.share(f"{place}/accuracy")[0]
        intervals.append(wald_interval(share, document.num_test(table, row)))
        reported.append(row["interval"])
    apart = max(low for low, _ in intervals) > min(high for _, high in intervals)
    shown = " and ".join(f"{100 * low:.2f} to {100 * high:.2f}" for low, high in intervals)
    return (
        apart,
        f"With the test part's n the intervals are {shown} %; reported {reported[0]} and {reported[1]}.",
    )


def _differ(document, test):
    """The accuracies of two `rows` differ at 5 %, by the two-proportion z test: the pairing is not reported."""
    shares, table = (
        [document.share(f"{place}/accuracy")[0] for place in test["rows"]],
        test["rows"][0].split("/")[2],
    )
    n = document.num_test(document.tables[table], document.at(test["rows"][0]))
    first, second = (round(share * n) for share in shares)
    pooled = (first + second) / (2 * n)
    z = (first - second) / n / math.sqrt(2 * pooled * (1 - pooled) / n)
    p_value = 2 * norm.sf(abs(z))
    shown = f"{first} and {second} of {n}: z = {z:.2f}, two-sided p = {p_value:.2g}"
    return p_value < 0.05, f"{shown} (unpaired; a paired test needs the predictions)."


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
    value, classes = document.number(test["cell"]), test["classes"]
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
