"""Numbers in the running text against the tables they speak of."""

import math

from drcls.check_tables.document import place_of
from drcls.check_tables.finding import agreement


def text_against_cells(document):
    """Items of `text` that name their origin.

    `same_as` one place; `sum_of` several; `difference_of` (a, b), a - b; `percent_of` (part, whole); `relative_of`
    (a, b), the relative change from b to a in percent. Both sides may be rounded. A repeated number agrees where
    the one with fewer digits is the other rounded: with as many digits, they must be the same.
    """
    findings = []
    for index, item in enumerate(document.text):
        place = f"/text/{index}/value"
        for name, derive in DERIVATIONS.items():
            if name not in item:
                continue
            cells = [item[name]] if isinstance(item[name], str) else item[name]
            value, slack, shown = derive(document, cells)
            reported = document.number(place)
            arithmetic = f"{shown} = {value:.10g}, reported {reported:.10g}."
            half = document.half(place)
            agrees = abs(value - reported) <= (max(half, slack) if name == "same_as" else half + slack)
            findings.append(agreement("text_against_table", [place], agrees, arithmetic))
    return findings


def repeated_cells(document):
    """Cells that repeat another table: a row's `same_as` gives the place by column."""
    findings = []
    for place, _, row in document.rows("same_as"):
        for column, origin in row["same_as"].items():
            cell = place + place_of(column)
            value, reported = document.number(origin), document.number(cell)
            agrees = abs(value - reported) <= max(document.half(origin), document.half(cell))
            arithmetic = f"{origin} = {value:.10g}, reported {reported:.10g}."
            findings.append(agreement("repeated", [cell], agrees, arithmetic))
    return findings


def difference_from_first(document):
    """A table's column `difference` against the accuracies: each row's minus that of the table's first row."""
    findings = []
    for place, _, row in document.rows("accuracy", "difference"):
        first, cell = f"{place.rsplit('/', 1)[0]}/0/accuracy", f"{place}/difference"
        value, slack, shown = _difference(document, [f"{place}/accuracy", first])
        agrees = abs(value - row["difference"]) <= document.half(cell) + slack
        arithmetic = f"{shown} = {value:.10g}, reported {row['difference']:.10g}."
        findings.append(agreement("difference", [cell], agrees, arithmetic))
    return findings


def _same(document, cells):
    return document.number(cells[0]), _rounding(document, cells[0]), cells[0]


def _sum(document, cells):
    values = [document.number(cell) for cell in cells]
    return sum(values), sum(_rounding(document, cell) for cell in cells), " + ".join(f"{v:g}" for v in values)


def _difference(document, cells):
    first, second = (document.number(cell) for cell in cells)
    return first - second, sum(_rounding(document, cell) for cell in cells), f"{first:g} - {second:g}"


def _percent(document, cells):
    ratio, slack = _ratio(document, cells)
    part, whole = (document.number(cell) for cell in cells)
    return 100 * ratio, 100 * slack, f"100 x {part:g} / {whole:g}"


def _relative(document, cells):
    ratio, slack = _ratio(document, cells)
    after, before = (document.number(cell) for cell in cells)
    return 100 * (ratio - 1), 100 * slack, f"100 x ({after:g} / {before:g} - 1)"


def _ratio(document, cells):
    """The quotient of two reported numbers, and the most that their rounding can have moved it."""
    (above, half_above), (below, half_below) = (
        (document.number(cell), _rounding(document, cell)) for cell in cells
    )
    ratio = above / below
    if half_below >= abs(below):
        return ratio, math.inf
    # A quotient rises or falls all along in each of the two, so the ends of their ranges move it most.
    ends = [
        (above + up) / (below + down)
        for up in (-half_above, half_above)
        for down in (-half_below, half_below)
    ]
    return ratio, max(abs(end - ratio) for end in ends)


def _rounding(document, cell):
    """Half a digit of a rounded number; whole numbers are counts and exact, unless they are percentages."""
    return document.half(cell) if document.decimals(cell) or document.scale(cell) == 100 else 0.0


DERIVATIONS = {
    "same_as": _same,
    "sum_of": _sum,
    "difference_of": _difference,
    "percent_of": _percent,
    "relative_of": _relative,
}
