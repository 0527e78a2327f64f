"""Check the reported numbers of a paper from themselves.

The file is described in docs/check_tables.md. The exit status is 1 where something is inconsistent.

examples:
  drcls check-tables numbers.json
  drcls check-tables numbers.json --html findings.html
"""

from dataclasses import asdict
from pathlib import Path

from drcls.cli.arguments import as_usage_error, existing

AFTER_INTERRUPTION = "give the command again; nothing half-written is left"


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", type=existing, help="the reported numbers, JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write every finding as a page")


def run(options):
    """Check, and return every finding."""
    from drcls.check_tables import check
    from drcls.check_tables.page import as_html, as_text
    from drcls.files import read_json, write_text

    content = read_json(options.file)
    with as_usage_error(f"{options.file} is not a document of reported numbers: "):
        findings = check(content)
    if options.html:
        write_text(options.html, as_html(str(content.get("title", options.file.name)), findings))
    inconsistent = sum(finding.verdict == "inconsistent" for finding in findings)
    return {
        "findings": [asdict(finding) for finding in findings],
        "text": as_text(findings),
        "failed": inconsistent,
    }


def describe(result):
    return result["text"]
