"""Reported 95 % intervals of accuracies against the number of images they can have come from."""

import math

from scipy.stats import spearmanr

from drcls.check_tables.finding import agreement, inconsistent, note
from drcls.metrics.intervals import wald_interval, wilson_interval

# A method that a table does not name may be a bootstrap: its width is then compared, loosely, with Wald's.
LOOSE = 1.25
# Fewer intervals than this can be in order by chance.
FEWEST_IN_ORDER = 6


def interval_of_n(document):
    """Each interval against Wald's or Wilson's with the test part's n; the table's `interval_method` names one."""
    findings = []
    for place, table, row in document.rows("accuracy", "interval"):
        n = document.num_test(table, row)
        if n is None:
            continue
        share, _ = document.share(f"{place}/accuracy")
        cells = [f"{place}/interval/{side}" for side in (0, 1)]
        bounds, halves = zip(*(document.share(cell) for cell in cells), strict=True)
        method = table.get("interval_method")
        expected = {"wald": wald_interval(share, n), "wilson": wilson_interval(round(share * n), n)}
        if method is None:
            findings.append(_width_against_wald(cells, bounds, expected["wald"], n))
            continue
        if method not in expected:
            raise ValueError(f"interval_method must be wald or wilson, received {method!r}")
        # The method may have been given the rounded accuracy or k/n: allow for the difference.
        slack = (
            0.5 / n if method == "wilson" else document.half(f"{place}/accuracy") / document.scale(cells[0])
        )
        shown = _shown(expected[method])
        for cell, bound, half, right in zip(cells, bounds, halves, expected[method], strict=True):
            arithmetic = (
                f"{method.capitalize()} with n = {n} gives {shown}, reported {_shown(bounds)}; "
                f"the width implies n = {implied_n(share, bounds):.0f}."
            )
            findings.append(agreement("interval", [cell], abs(bound - right) <= half + slack, arithmetic))
    return findings


def _width_against_wald(cells, bounds, expected, n):
    ratio = (bounds[1] - bounds[0]) / (expected[1] - expected[0])
    arithmetic = f"The interval is {ratio:.2f} times as wide as Wald's with n = {n}, {_shown(expected)}."
    if 1 / LOOSE <= ratio <= LOOSE:
        return note("interval_width", cells, arithmetic)
    return inconsistent("interval_width", cells, arithmetic + " No method is named.", severity="warning")


def implied_n(share, bounds):
    """The n with which Wald's interval of this accuracy is as wide as reported."""
    half_width = (bounds[1] - bounds[0]) / 2
    return 1.96**2 * share * (1 - share) / half_width**2 if half_width else math.inf


def centre(document):
    """Wald's interval is centred on the accuracy; a shift in all rows of a table is none of rounding."""
    findings = []
    for number, table in document.tables.items():
        rows = [place for place, owner, _ in document.rows("accuracy", "interval") if owner is table]
        if table.get("interval_method") != "wald" or not rows:
            continue
        shifts = []
        for place in rows:
            low, high = (document.share(f"{place}/interval/{side}")[0] for side in (0, 1))
            shifts.append((low + high) / 2 - document.share(f"{place}/accuracy")[0])
        allowed = document.share(f"{rows[0]}/interval/0")[1] + document.share(f"{rows[0]}/accuracy")[1]
        arithmetic = (
            f"The centres of Table {number} lie {100 * min(shifts):+.3f} to {100 * max(shifts):+.3f} points from "
            "the accuracies; Wald's lie on them."
        )
        shifted = all(shift < -allowed / 2 for shift in shifts) or all(
            shift > allowed / 2 for shift in shifts
        )
        if shifted and len(rows) > 2:
            cells = [f"{place}/interval/{side}" for place in rows for side in (0, 1)]
            findings.append(inconsistent("interval_centre", cells, arithmetic, severity="warning"))
    return findings


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
