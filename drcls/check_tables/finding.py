"""What a rule says of reported numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One statement about one or several reported numbers.

    Args:
        rule: name of the rule, for example "whole_number".
        places: JSON pointers (RFC 6901) of the numbers or claims it is about.
        verdict: "consistent", "inconsistent", or "note" for what follows from the numbers and is worth knowing.
        severity: "error" where the numbers cannot all be right, "warning" where that rests on an assumption that
            the arithmetic names, "note" otherwise.
        arithmetic: the calculation, in one or two sentences.
    """

    rule: str
    places: tuple[str, ...]
    verdict: str
    severity: str
    arithmetic: str


def consistent(rule, places, arithmetic):
    return Finding(rule, tuple(places), "consistent", "note", arithmetic)


def inconsistent(rule, places, arithmetic, severity="error"):
    return Finding(rule, tuple(places), "inconsistent", severity, arithmetic)


def note(rule, places, arithmetic):
    return Finding(rule, tuple(places), "note", "note", arithmetic)


def agreement(rule, places, agrees, arithmetic):
    """A consistent or an inconsistent finding with one text."""
    return (consistent if agrees else inconsistent)(rule, places, arithmetic)
