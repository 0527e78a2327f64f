"""Small documents for the tests, and what the rules say of them."""

from drcls.check_tables import check


def table(rows, unit="percent", **more):
    return {"tables": {"1": {"unit": unit, "rows": rows, **more}}}


def said(document, rule):
    """(verdict, arithmetic) of a rule's findings."""
    return [(finding.verdict, finding.arithmetic) for finding in check(document) if finding.rule == rule]


def verdicts(document, rule):
    return [verdict for verdict, _ in said(document, rule)]
