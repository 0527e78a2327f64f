"""Confusion matrices against the figures that a table reports for the same classifier."""

import numpy as np
from scipy.stats import chi2

from drcls.check_tables.document import check_decimals
from drcls.check_tables.finding import agreement, note
from drcls.metrics import confusion as measures


def cohen_kappa(confusion):
    """Cohen's (1960) unweighted kappa: agreement beyond that of the margins, (C, C) -> float."""
    total = confusion.sum()
    by_chance = (confusion.sum(0) * confusion.sum(1)).sum() / total**2
    if by_chance == 1:  # one class alone: agreement says nothing
        return float("nan")
    return (measures.accuracy(confusion) - by_chance) / (1 - by_chance)


def weighted_f1(confusion):
    """The mean F1 of the classes that have images, weighted by their number, (C, C) -> float."""
    has_images = confusion.sum(1) > 0
    return np.average(measures.f1(confusion)[has_images], weights=confusion.sum(1)[has_images])


MEASURES = {
    "accuracy": measures.accuracy,
    "macro_precision": lambda matrix: measures.macro_average(measures.precision(matrix), matrix),
    "macro_recall": measures.macro_recall,
    "macro_specificity": measures.macro_specificity,
    "macro_f1": measures.macro_f1,
    "mean_ovr_accuracy": measures.mean_ovr_accuracy,
    "weighted_recall": measures.accuracy,
    "weighted_f1": weighted_f1,
    "kappa": cohen_kappa,
    "quadratic_kappa": measures.quadratic_kappa,
}


def matrix_against_table(document):
    """Accuracy, macro averages, one-vs-rest accuracy and kappa of a matrix against its `table_row`."""
    findings = []
    for place, entry, matrix in _matrices(document):
        if "table_row" not in entry:
            continue
        row = document.at(entry["table_row"])
        for name in [name for name in MEASURES if name in row]:
            cell = f"{entry['table_row']}/{name}"
            (share, half), value = document.share(cell), float(MEASURES[name](matrix))
            if np.isnan(value):
                findings.append(
                    note("matrix_against_table", [cell], f"The matrix has no {name}: nothing to compare.")
                )
                continue
            agrees = abs(value - share) <= half
            arithmetic = f"The matrix gives {name} {value:.5f}, reported {share:g}."
            if name == "accuracy" and not agrees and abs(measures.mean_ovr_accuracy(matrix) - share) <= half:
                arithmetic += (
                    " It is the mean accuracy of the one-vs-rest questions, not the multiclass accuracy."
                )
            findings.append(agreement("matrix_against_table", [cell], agrees, arithmetic))
        expected = document.num_test(document.table_of(entry["table_row"]), row)
        if expected is not None:
            counts = [f"{place}/matrix/{i}/{j}" for i in range(len(matrix)) for j in range(len(matrix))]
            arithmetic = f"The counts sum to {matrix.sum()}, the test part has {expected} images."
            findings.append(agreement("matrix_total", counts, matrix.sum() == expected, arithmetic))
    return findings


def matrix_percentages(document):
    """Percentages written into a matrix against its counts.

    `percent_of_all` (C, C); `percent_of_row` and `percent_of_column` (C pairs right, wrong); `percent_right` (the
    overall pair). Rows are true classes, columns predicted ones.
    """
    findings = []
    for place, entry, matrix in _matrices(document):
        right_of_row, right_of_column = measures.recall(matrix), measures.precision(matrix)
        overall = measures.accuracy(matrix)
        expected = {
            "percent_of_all": matrix / matrix.sum(),
            "percent_of_row": np.stack([right_of_row, 1 - right_of_row], axis=1),
            "percent_of_column": np.stack([right_of_column, 1 - right_of_column], axis=1),
            "percent_right": np.array([overall, 1 - overall]),
        }
        for name in [name for name in expected if name in entry]:
            decimals = check_decimals(f"{place}/percent_decimals", entry.get("percent_decimals", 1))
            half = 0.5 * 10.0**-decimals + 1e-9
            for index, value in np.ndenumerate(100 * expected[name]):
                cell = "/".join([place, name, *map(str, index)])
                reported = document.number(cell)
                arithmetic = f"The counts give {value:.3f} %, reported {reported:g} %."
                agrees = abs(value - reported) <= half
                findings.append(agreement("matrix_percentage", [cell], agrees, arithmetic))
    return findings


def drawn_in_proportion(document):
    """Whether a test part has the class shares that a stratified draw from `class_counts` would give it.

    A stratified part departs from them by less than an image a class. A random one does not; its chi-square, with
    the correction for drawing without replacement, says how unusual the part is.
    """
    findings, seen = [], set()
    for place, entry, matrix in _matrices(document):
        if "class_counts" not in entry:
            continue
        counts, drawn = np.array(document.counts(entry["class_counts"]), float), matrix.sum(1)
        if tuple(drawn) in seen:
            continue
        seen.add(tuple(drawn))
        expected = counts * drawn.sum() / counts.sum()
        if (np.abs(drawn - expected) < 1).all():
            continue
        correction = 1 - drawn.sum() / counts.sum()
        statistic = ((drawn - expected) ** 2 / expected).sum() / correction
        p_value = chi2.sf(statistic, len(counts) - 1)
        shown = "/".join(f"{value:.0f}" for value in expected)
        arithmetic = (
            f"The test part holds {'/'.join(map(str, drawn))} images by class, a stratified one {shown}: it was not "
            f"stratified (chi-square {statistic:.1f} corrected for drawing without replacement, p {p_value:.2f})."
        )
        findings.append(note("stratified", [f"{place}/matrix"], arithmetic))
    return findings


def _matrices(document):
    for index, entry in enumerate(document.confusion_matrices):
        place, matrix = f"/confusion_matrices/{index}", np.array(entry["matrix"])
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
        if not square or not np.issubdtype(matrix.dtype, np.integer) or matrix.min() < 0:
            raise ValueError(f"{place}/matrix must be a square of counts, received {entry['matrix']!r:.80}")
        yield place, entry, matrix
