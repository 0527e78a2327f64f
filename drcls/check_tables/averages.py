"""Macro, micro and weighted averages against each other and against the tables they are averages of."""

import numpy as np

from drcls.check_tables.document import place_of
from drcls.check_tables.finding import agreement, consistent, inconsistent

OF_CLASSES = {"macro_precision": "precision", "macro_recall": "recall", "macro_f1": "f1"}


def macro_of_classes(document):
    """The macro averages of a model against the mean over its table by class, same data set and model."""
    findings = []
    for number, by_class in document.tables.items():
        if not by_class["rows"] or not all("class" in row for row in by_class["rows"]):
            continue
        for place, table, row in document.rows("model"):
            same = table.get("dataset") == by_class.get("dataset") and row["model"] == by_class.get("model")
            for macro, measure in OF_CLASSES.items() if same else ():
                if macro in row and all(measure in line for line in by_class["rows"]):
                    findings.append(_mean_against_macro(document, f"{place}/{macro}", number, measure))
    return findings


def _mean_against_macro(document, cell, number, measure):
    rows = range(len(document.tables[number]["rows"]))
    shares = [document.share(place_of("tables", number, "rows", index, measure)) for index in rows]
    mean, slack = np.mean([share for share, _ in shares]), np.mean([half for _, half in shares])
    reported, half = document.share(cell)
    arithmetic = f"The mean of Table {number}'s {measure} is {mean:.5f}, reported {reported:g}."
    return agreement("macro_average", [cell], abs(mean - reported) <= half + slack, arithmetic)


def recall_and_accuracy(document):
    """Weighted recall is accuracy by definition; macro recall is near it where classes are nearly even."""
    findings = []
    for place, table, row in document.rows("accuracy"):
        accuracy, half = document.share(f"{place}/accuracy")
        if "weighted_recall" in row:
            cells = [f"{place}/accuracy", f"{place}/weighted_recall"]
            recall, slack = document.share(cells[1])
            arithmetic = f"Recall weighted by class size is the accuracy: {recall:g} and {accuracy:g}."
            agrees = abs(recall - accuracy) <= half + slack
            findings.append(agreement("weighted_recall", cells, agrees, arithmetic))
        even = _most_difference(document, table, row)
        if even is not None and "macro_recall" in row:
            cells = [f"{place}/macro_recall"]
            recall, slack = document.share(cells[0])
            arithmetic = (
                f"With classes of sizes that differ by at most one image, macro recall is within {100 * even:.3f} "
                f"points of the accuracy: {100 * recall:g} and {100 * accuracy:g}."
            )
            agrees = abs(recall - accuracy) <= even + half + slack
            findings.append(agreement("macro_recall", cells, agrees, arithmetic))
    return findings


def _most_difference(document, table, row):
    """The most that macro recall can differ from accuracy in an even test part; None where it is not even.

    Accuracy is the mean of recalls weighted by n_c/n; recalls of 1 where n_c/n > 1/C and 0 elsewhere differ most.
    """
    n, data = document.num_test(table, row), document.datasets.get(table.get("dataset"), {})
    if n is None or "balanced" not in data or "class_counts" not in data:
        return None
    num_classes = len(document.counts(data["class_counts"]))
    larger = n % num_classes
    return larger * (np.ceil(n / num_classes) / n - 1 / num_classes)


def f1_below_the_mean(document):
    """Macro F1 cannot exceed the mean of macro precision and macro recall: no class's F1 exceeds its own."""
    findings = []
    for place, _, _ in document.rows("macro_precision", "macro_recall", "macro_f1"):
        cells = [f"{place}/{name}" for name in ("macro_precision", "macro_recall", "macro_f1")]
        (precision, dp), (recall, dr), (f1, df) = (document.share(cell) for cell in cells)
        arithmetic = f"Macro F1 {f1:g} against at most (P + R) / 2 = {(precision + recall) / 2:.5f}."
        agrees = f1 - df <= (precision + dp + recall + dr) / 2
        # Holding is a weak test, so nothing is called consistent on its account.
        findings += [] if agrees else [inconsistent("macro_f1_bound", cells, arithmetic)]
    return findings


def merged_classes(document):
    """What merging two classes into one asks of the confusions, from accuracies and macro recalls alone.

    Claims of kind "merging": `micro` and `macro` are the places of (before, after), `classes` the number before,
    `class_counts` the place of the counts, `merged` the positions of the two.
    """
    findings = []
    for index, claim in enumerate(document.claims):
        test = claim.get("test", {})
        if test.get("kind") != "merging":
            continue
        (before, _), (after, _) = (document.share(cell) for cell in test["micro"])
        (macro, _), (macro_after, _) = (document.share(cell) for cell in test["macro"])
        counts, c = np.array(document.counts(test["class_counts"]), float), test["classes"]
        confused, share = after - before, counts[test["merged"]].sum() / counts.sum()
        excess = c * macro - (c - 1) * macro_after
        arithmetic = (
            f"If nothing else changed, {100 * confused:.1f} % of all images, {100 * confused / share:.0f} % of the "
            f"two classes ({100 * share:.1f} % of the data), were mistaken between them, and their two recalls exceed "
            f"the merged one by {excess:.2f} in sum."
        )
        # The two recalls sum to at most 2 and the merged recall is at least their weighted mean.
        possible = 0 <= confused <= share and excess <= 1
        rule = consistent if possible else inconsistent
        findings.append(rule("merging", [*test["micro"], *test["macro"], f"/claims/{index}"], arithmetic))
    return findings
