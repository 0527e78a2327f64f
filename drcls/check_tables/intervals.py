"""Reported 95 % intervals of accuracies against the number of images they can have come from."""

import math

from scipy.stats import spearmanr

from drcls.check_tables.finding import agreement, inconsistent, note
from drcls.check_tables.proportions import counts
from drcls.metrics.intervals import wald_interval, wilson_interval

# A method that a table does not name may be a bootstrap: its width is then compared, loosely, with Wald's.
LOOSE = 1.25
# About so many of the counts that a coarse accuracy may stand for are tried.
MOST_COUNTS = 100
# Fewer intervals than this can be in order by chance.
FEWEST_IN_ORDER = 6


def interval_of_n(document):
    """Each interval against Wald's or Wilson's with the test part's n; the table's `interval_method` names one."""
    findings = []
    for place, table, row in document.rows("accuracy", "interval"):
        n, method = document.num_test(table, row), table.get("interval_method")
        if n is None:
            continue
        cells = [f"{place}/interval/{side}" for side in (0, 1)]
        bounds, halves = zip(*(document.share(cell) for cell in cells), strict=True)
        if method is None:
            findings += _width_against_wald(cells, bounds, document.share(f"{place}/accuracy")[0], n)
            continue
        share, half = document.share(f"{place}/accuracy")
        possible = _possible_intervals(method, share, half, n)
        for side, cell in enumerate(cells):
            arithmetic = (
                f"{method.capitalize()} with n = {n} gives {_shown(possible[0])}, reported {_shown(bounds)}; "
                f"the width implies n = {implied_n(share, bounds):.0f}."
            )
            low, high = (choose(interval[side] for interval in possible) for choose in (min, max))
            agrees = low - halves[side] <= bounds[side] <= high + halves[side]
            findings.append(agreement("interval", [cell], agrees, arithmetic))
    return findings


def _possible_intervals(method, share, half, n):
    """What the method gives for the rounded accuracy and the counts it may stand for, cut at 0 and 1 or not."""
    whole = counts(share, half, n)
    nearest = [*whole[:: max(1, len(whole) // MOST_COUNTS)], *whole[-1:]]
    if method == "wald":
        intervals = [wald_interval(share, n), *(wald_interval(k / n, n) for k in nearest)]
    elif method == "wilson":
        intervals = [wilson_interval(k, n) for k in nearest or [round(share * n)]]
    else:
        raise ValueError(f"interval_method must be wald or wilson, received {method!r}")
    return intervals + [(max(low, 0.0), min(high, 1.0)) for low, high in intervals]


def _width_against_wald(cells, bounds, share, n):
    expected = wald_interval(share, n)
    if expected[0] == expected[1]:
        return []
    ratio = (bounds[1] - bounds[0]) / (expected[1] - expected[0])
    arithmetic = f"The interval is {ratio:.2f} times as wide as Wald's with n = {n}, {_shown(expected)}."
    if 1 / LOOSE <= ratio <= LOOSE:
        return [note("interval_width", cells, arithmetic)]
    return [inconsistent("interval_width", cells, f"{arithmetic} No method is named.", severity="warning")]


def implied_n(share, bounds):
    """The n with which Wald's interval of this accuracy is as wide as reported."""
    half_width = (bounds[1] - bounds[0]) / 2
    return 1.96**2 * share * (1 - share) / half_width**2 if half_width else math.inf


def centre(document):
    """Wald's interval is centred on the accuracy; a shift of one sign in many rows is none of rounding."""
    shifts, allowed, cells = [], [], []
    for place, table, _ in document.rows("accuracy", "interval"):
        if table.get("interval_method") != "wald":
            continue
        (low, half), (high, _) = (document.share(f"{place}/interval/{side}") for side in (0, 1))
        accuracy, slack = document.share(f"{place}/accuracy")
        if low > 0 and high < 1:
            shifts.append((low + high) / 2 - accuracy)
            allowed.append((half + slack) / 2)
            cells += [f"{place}/interval/{side}" for side in (0, 1)]
    pairs = list(zip(shifts, allowed, strict=True))
    shifted = all(shift < -most for shift, most in pairs) or all(shift > most for shift, most in pairs)
    if len(pairs) < FEWEST_IN_ORDER or not shifted:
        return []
    arithmetic = (
        f"The centres of all {len(pairs)} intervals lie {100 * min(shifts):+.3f} to {100 * max(shifts):+.3f} points "
        "from the accuracies; Wald's lie on them, and rounding would shift them either way."
    )
    return [inconsistent("interval_centre", cells, arithmetic, severity="warning")]


def width_against_accuracy(document):
    """Half-widths of all tables together: they must depend on n, and be widest at an accuracy of 50 %."""
    rows = []
    for place, table, row in document.rows("accuracy", "interval"):
        low, high = (document.share(f"{place}/interval/{side}")[0] for side in (0, 1))
        accuracy = document.share(f"{place}/accuracy")[0]
        rows.append((accuracy, (high - low) / 2, document.num_test(table, row), place))
    known = sorted({n for _, _, n, _ in rows if n is not None})
    if len(rows) < FEWEST_IN_ORDER or len(known) < 2:
        return []
    accuracies, widths = [row[0] for row in rows], [row[1] for row in rows]
    expected = [math.sqrt(accuracy * (1 - accuracy) / n) for accuracy, _, n, _ in rows if n]
    order = spearmanr(accuracies, widths).statistic
    if (
        order > -1 + 1e-9
        or len(expected) < len(rows)
        or spearmanr(accuracies, expected).statistic < -1 + 1e-9
    ):
        return []
    arithmetic = (
        f"The {len(rows)} half-widths fall strictly with the accuracy (rank correlation {order:.2f}, "
        f"{100 * min(widths):.2f} to {100 * max(widths):.2f} points) over test parts of "
        f"{' and '.join(map(str, known))} images; between those, widths of equal accuracies must differ by a factor of "
        f"{math.sqrt(known[-1] / known[0]):.2f}, and no width may exceed the one at 50 %. "
        "They were not computed from an n."
    )
    cells = [f"{place}/interval/{side}" for *_, place in rows for side in (0, 1)]
    return [inconsistent("interval_order", cells, arithmetic)]


def _shown(bounds):
    return f"{100 * bounds[0]:.2f} to {100 * bounds[1]:.2f} %"
