"""Consistency checks for the tables of a classification paper, from its reported numbers alone.

In the manner of statcheck and GRIM: is an accuracy a whole number of the test images, do a matrix, a table by class
and its averages agree, do intervals follow from the number of images, what leaks when classes are balanced before
the split. docs/check_tables.md describes the document and every rule.

Example:
    >>> table = {"unit": "percent", "num_test": 903, "rows": [{"model": "A", "accuracy": 96.12}]}
    >>> [finding.verdict for finding in check({"tables": {"4": table}})]
    ['consistent']
"""

from drcls.check_tables import (
    averages,
    balance,
    by_class,
    claims,
    counts,
    intervals,
    matrices,
    proportions,
    text,
)
from drcls.check_tables.document import Document
from drcls.check_tables.finding import Finding

RULES = (
    counts.totals,
    counts.parts,
    counts.ratios,
    counts.largest_class,
    proportions.whole_numbers,
    proportions.common_number,
    proportions.less_than_an_image,
    matrices.matrix_against_table,
    matrices.matrix_percentages,
    matrices.drawn_in_proportion,
    by_class.harmonic_mean,
    by_class.integer_solutions,
    by_class.column_totals,
    by_class.second_opinion,
    averages.macro_of_classes,
    averages.recall_and_accuracy,
    averages.f1_below_the_mean,
    averages.merged_classes,
    intervals.interval_of_n,
    intervals.centre,
    intervals.width_against_accuracy,
    balance.copies_across_the_split,
    text.text_against_cells,
    text.difference_from_first,
    text.repeated_cells,
    claims.claims_against_numbers,
)

__all__ = ["Document", "Finding", "check"]


def check(document):
    """Apply every rule to the reported numbers of one paper.

    Args:
        document: dict, the parsed JSON (docs/check_tables.md), or a Document.

    Returns:
        list of Finding, in the order of the rules.

    Raises:
        ValueError: names the place in the document, the value received and what was expected.
    """
    document = document if isinstance(document, Document) else Document(document)
    return [finding for rule in RULES for finding in _apply(rule, document)]


def _apply(rule, document):
    """Apply one rule; what it misses in the document is the document's fault and is said as one."""
    try:
        return rule(document)
    except ZeroDivisionError as error:
        raise ValueError(
            f"what the rule {rule.__name__} divides by is 0; counts and totals above 0 were expected there"
        ) from error
    except OverflowError as error:
        raise ValueError(f"a number that the rule {rule.__name__} reads is too large: {error}") from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"has another form than expected: {error}"
        raise ValueError(f"what the rule {rule.__name__} reads {what}") from error
