"""Precision, recall and F1 by class: solved for the whole numbers behind them."""

import itertools
import math

from drcls.check_tables.document import place_of
from drcls.check_tables.finding import agreement, consistent, inconsistent, note

MEASURES = ("precision", "recall", "f1")
# The same three in mlscorecheck's terms.
SCORES = ("ppv", "sens", "f1p")
# More combinations than this are not listed one by one.
MOST_LISTED = 50_000


def harmonic_mean(document):
    """F1 must lie where the harmonic mean of the rounded precision and recall can lie."""
    findings = []
    for place, _, _ in document.rows(*MEASURES):
        cells = [f"{place}/{name}" for name in MEASURES]
        (precision, dp), (recall, dr), (f1, df) = (document.share(cell) for cell in cells)
        low, high = _f1(precision - dp, recall - dr), _f1(min(precision + dp, 1), min(recall + dr, 1))
        arithmetic = f"2PR/(P+R) lies in {low:.5f} to {high:.5f}, reported F1 {f1:g}."
        findings.append(agreement("harmonic_mean", cells, low - df <= f1 <= high + df, arithmetic))
    return findings


def _f1(precision, recall):
    precision, recall = max(precision, 0.0), max(recall, 0.0)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def integer_solutions(document):
    """Whether whole numbers of hits, images and predicted images give a table, and a diagonal in the text.

    The images of a class are its `support`, or, in an even part of a balanced set, n/C rounded down or up. Rows
    without a `class` are no classes of one test part, and their tables are passed over.
    """
    findings = []
    for number, table in document.tables.items():
        place = place_of("tables", number)
        if not table["rows"] or not all(
            row.get(name) is not None for row in table["rows"] for name in ("class", *MEASURES)
        ):
            continue
        possible = possible_counts(document, place)
        if possible is None:
            continue
        cells = [f"{place}/rows/{i}/{name}" for i in range(len(table["rows"])) for name in MEASURES]
        empty = [i for i, counts in enumerate(possible) if not counts]
        for i in empty:
            arithmetic = f"No whole numbers of images give this row ({document.num_test(table)} test images)."
            findings.append(
                inconsistent("integer_solution", [f"{place}/rows/{i}/{n}" for n in MEASURES], arithmetic)
            )
        if empty:
            continue
        solutions = joint_solutions(possible, document.num_test(table))
        if solutions is None:
            findings.append(consistent("integer_solution", cells, "Each row has whole-number solutions."))
        elif not solutions:
            arithmetic = (
                "Rows have solutions, but none with true and predicted images that both sum to the test part."
            )
            findings.append(inconsistent("integer_solution", cells, arithmetic))
        else:
            arithmetic = f"{_number_of(solutions)}; hits of the first: {_listed(table, solutions[0])}."
            findings.append(consistent("integer_solution", cells, arithmetic))
            findings += _against_diagonals(document, number, table, solutions)
    return findings


def possible_counts(document, place):
    """For each row, all (hits, images, predicted) that round to it; None where the images are not known.

    Rows that are no classes have no images of their own to count.
    """
    table, possible = document.at(place), []
    if not all("class" in row for row in table["rows"]):
        return None
    for index, row in enumerate(table["rows"]):
        supports = _supports(document, table, row)
        if supports is None:
            return None
        shares = [document.share(f"{place}/rows/{index}/{name}") for name in MEASURES]
        possible.append([counts for support in supports for counts in _row_counts(shares, support)])
    return possible


def _supports(document, table, row):
    """The numbers of images that a class can have in the test part; None where nothing says."""
    n, num_classes = document.num_test(table, row), len(table["rows"])
    if "support" in row:
        return [row["support"]]
    if n is not None and "balanced" in document.datasets.get(table.get("dataset"), {}):
        return sorted({n // num_classes, math.ceil(n / num_classes)})
    return None


def _row_counts(shares, support):
    (precision, dp), (recall, dr), (f1, df) = shares
    least, largest = (
        max(0, math.ceil((recall - dr) * support)),
        min(support, math.floor((recall + dr) * support)),
    )
    for hits in range(least, largest + 1):
        if hits == 0:
            # Nothing predicted, or nothing predicted rightly: both report 0, and the number stays open.
            if precision <= dp and f1 <= df:
                yield 0, support, None
            continue
        if precision <= dp:
            # A precision that rounds to 0 sets no upper limit.
            yield hits, support, None
            continue
        fewest, most = math.ceil(hits / (precision + dp)), math.floor(hits / (precision - dp))
        for predicted in range(max(fewest, hits), most + 1):
            if abs(2 * hits / (support + predicted) - f1) <= df:
                yield hits, support, predicted


def joint_solutions(possible, n):
    """Combinations whose true and predicted images both sum to n; None where they are too many to list."""
    if n is None or any(counts[2] is None for row in possible for counts in row):
        return None
    if math.prod(map(len, possible)) > MOST_LISTED:
        return None
    return [
        combination
        for combination in itertools.product(*possible)
        if sum(support for _, support, _ in combination)
        == sum(predicted for _, _, predicted in combination)
        == n
    ]


def _against_diagonals(document, number, table, solutions):
    """Hits that the text gives by class (`diagonals`) against the solutions of the table they belong to."""
    # Names of a JSON object are text, where a table may number its classes.
    classes = [str(row["class"]) for row in table["rows"]]
    findings = []
    for index, entry in enumerate(document.diagonals):
        if entry.get("by_class") != number:
            continue
        for name, reported in entry["hits"].items():
            if name not in classes:
                raise ValueError(
                    f"/diagonals/{index}/hits must name classes of Table {number} ({', '.join(classes)}), "
                    f"received {name!r}"
                )
            column = classes.index(name)
            hits = sorted({solution[column][0] for solution in solutions})
            supports = sorted({solution[column][1] for solution in solutions})
            arithmetic = f"Table {number} gives {_either(hits)} hits of {_either(supports)} images, reported {reported}"
            mistaken = [
                f"{other} predicted"
                for position, other in enumerate(classes)
                if any(solution[position][2] == reported for solution in solutions)
            ]
            if reported not in hits and mistaken:
                arithmetic += f"; {reported} is the number of images with {' or '.join(mistaken)}"
            place = place_of("diagonals", index, "hits", name)
            findings.append(agreement("diagonal", [place], reported in hits, arithmetic + "."))
    return findings + _diagonal_sums(document, number)


def _diagonal_sums(document, number):
    findings = []
    for index, entry in enumerate(document.diagonals):
        if entry.get("by_class") != number or "table_row" not in entry:
            continue
        cell = f"{entry['table_row']}/accuracy"
        table = document.table_of(entry["table_row"])
        n, total = document.num_test(table), sum(entry["hits"].values())
        share, half = document.share(cell)
        arithmetic = (
            f"The diagonal sums to {total} of {n}, {100 * total / n:.2f} %; the table reports {100 * share:.2f} %, "
            f"{round(share * n)} images."
        )
        agrees = abs(total / n - share) <= half
        findings.append(agreement("diagonal_sum", [f"/diagonals/{index}"], agrees, arithmetic))
    return findings


def column_totals(document):
    """Claims of kind "column_totals": the predicted images of a `table` by class match the true ones."""
    findings = []
    for index, claim in enumerate(document.claims):
        test = claim.get("test", {})
        if test.get("kind") != "column_totals":
            continue
        holds, arithmetic = _equal_totals(document, test["table"])
        decided = note if holds is None else consistent if holds else inconsistent
        findings.append(decided("column_totals", [f"/claims/{index}"], arithmetic))
    return findings


def _equal_totals(document, number):
    """Whether a table by class can have as many predicted as true images in each class, and why.

    None where that cannot be decided. A table without any solution is an error of `integer_solution`, at its cells;
    what the claim says of it is then left open.
    """
    table = document.tables[number]
    possible = possible_counts(document, place_of("tables", number))
    solutions = None if possible is None else joint_solutions(possible, document.num_test(table))
    if solutions is None:
        why = "its classes' images are not known" if possible is None else "its solutions cannot be listed"
        return None, f"Cannot be decided from Table {number}: {why}."
    if not solutions:
        return None, f"Cannot be decided: Table {number} has no whole-number solution."
    holds = any(all(support == predicted for _, support, predicted in solution) for solution in solutions)
    shown = _listed(table, solutions[0])
    return (
        holds,
        f"{_number_of(solutions)}; rows and columns {'can' if holds else 'cannot'} be equal: {shown}.",
    )


def second_opinion(document):
    """The same question put to mlscorecheck (Fazekas and Kovacs 2024), class by class; nothing without it."""
    if not any(document.rows("class", *MEASURES)):
        return []
    try:
        from mlscorecheck.check.binary import check_1_testset_no_kfold
    except ImportError:
        return [
            note(
                "mlscorecheck",
                [],
                "Not asked: mlscorecheck is not installed (pip install '.[check]').",
            )
        ]
    import logging

    logging.getLogger("mlscorecheck").setLevel(logging.ERROR)
    findings = []
    for place, table, row in document.rows("class", *MEASURES):
        n, supports = document.num_test(table, row), _supports(document, table, row)
        if n is None or supports is None:
            continue
        cells = [f"{place}/{name}" for name in MEASURES]
        scores, halves = zip(*(document.share(cell) for cell in cells), strict=True)
        possible = [
            support
            for support in supports
            if not check_1_testset_no_kfold(
                testset={"p": support, "n": n - support},
                scores=dict(zip(SCORES, scores, strict=True)),
                eps=dict(zip(SCORES, halves, strict=True)),
            )["inconsistency"]
        ]
        arithmetic = (
            f"mlscorecheck on {_either(supports)} of {n} images: possible for {_either(possible) or 'none'}."
        )
        findings.append(agreement("mlscorecheck", cells, bool(possible), arithmetic))
    return findings


def _number_of(solutions):
    return "One whole-number solution" if len(solutions) == 1 else f"{len(solutions)} whole-number solutions"


def _listed(table, solution):
    parts = (
        f"{row.get('class', '?')} {hits} of {support}, {predicted} predicted"
        for row, (hits, support, predicted) in zip(table["rows"], solution, strict=True)
    )
    return "; ".join(parts) + f"; {sum(hits for hits, _, _ in solution)} hits in all"


def _either(numbers):
    return " or ".join(map(str, numbers))
