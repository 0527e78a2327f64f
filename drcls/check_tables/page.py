"""Findings as text and as one self-contained HTML page."""

import html
from collections import Counter

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #ccc; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
td.place { font-family: ui-monospace, monospace; font-size: 0.8rem; overflow-wrap: anywhere; }
tr.inconsistent td:first-child { color: #a40000; font-weight: 600; }
"""
# So many places of one finding are written out.
MOST_PLACES = 3


def summary(findings):
    """Return "12 inconsistent (9 errors, 3 warnings), 40 consistent, 3 notes"."""
    verdicts = Counter(finding.verdict for finding in findings)
    severities = Counter(finding.severity for finding in findings if finding.verdict == "inconsistent")
    return (
        f"{verdicts['inconsistent']} inconsistent ({severities['error']} errors, {severities['warning']} warnings), "
        f"{verdicts['consistent']} consistent, {verdicts['note']} notes"
    )


def as_text(findings):
    """Return the inconsistent findings and the notes, one a paragraph, and the summary."""
    shown = [
        f"{finding.verdict} ({finding.severity}) [{finding.rule}] {_places(finding)}\n    {finding.arithmetic}"
        for finding in findings
        if finding.verdict != "consistent"
    ]
    return "\n".join([*shown, summary(findings)])


def as_html(title, findings):
    """Return a page with every finding, the inconsistent ones first."""
    order = {"inconsistent": 0, "note": 1, "consistent": 2}
    rows = "\n".join(
        f'<tr class="{finding.verdict}"><td>{finding.verdict}<br>{finding.severity}</td>'
        f"<td>{html.escape(finding.rule)}</td><td class=place>{html.escape(_places(finding))}</td>"
        f"<td>{html.escape(finding.arithmetic)}</td></tr>"
        for finding in sorted(findings, key=lambda finding: order[finding.verdict])
    )
    title = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>\n'
        f"<h1>Consistency of the reported numbers</h1><p>{title}</p><p>{summary(findings)}</p>\n"
        f"<table><thead><tr><th>verdict<th>rule<th>place<th>arithmetic</thead>\n<tbody>\n{rows}\n</tbody></table></html>\n"
    )


def _places(finding):
    shown = ", ".join(finding.places[:MOST_PLACES])
    return shown + (
        f" and {len(finding.places) - MOST_PLACES} more" if len(finding.places) > MOST_PLACES else ""
    )
