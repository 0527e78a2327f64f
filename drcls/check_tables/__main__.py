"""Check the reported numbers of a paper.

python -m drcls.check_tables numbers.json                      what is inconsistent, with the arithmetic
python -m drcls.check_tables numbers.json --html findings.html  every finding as a page
python -m drcls.check_tables numbers.json --json               every finding as JSON

Exit status: 0 where nothing is inconsistent, 1 where something is, 2 where the file cannot be used.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from drcls.check_tables import check
from drcls.check_tables.page import as_html, as_text
from drcls.files import read_json


def parser():
    made = argparse.ArgumentParser(
        prog="drcls check-tables", description="Check the reported numbers of a paper: docs/check_tables.md."
    )
    made.add_argument("file", type=Path, help="the reported numbers, JSON")
    made.add_argument("--html", type=Path, metavar="FILE", help="write every finding as a page")
    made.add_argument("--json", action="store_true", help="print every finding as JSON")
    return made


def main(arguments):
    """Run the command.

    Args:
        arguments: list of str, what stands behind the command's name.

    Returns:
        int, the exit status.
    """
    options = parser().parse_args(arguments)
    try:
        content = read_json(options.file)
    except OSError as error:
        return _refuse(f"{options.file} cannot be read: {error.strerror}")
    except ValueError as error:
        return _refuse(f"{error}; see docs/check_tables.md")
    try:
        findings = check(content)
    except ValueError as error:
        return _refuse(
            f"{options.file} is not a document of reported numbers: {error}; see docs/check_tables.md"
        )
    if options.html:
        try:
            options.html.write_text(
                as_html(str(content.get("title", options.file.name)), findings), encoding="utf-8"
            )
        except OSError as error:
            return _refuse(f"{options.html} cannot be written: {error.strerror}")
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        print(as_text(findings))
    return int(any(finding.verdict == "inconsistent" for finding in findings))


def _refuse(message):
    print(f"drcls check-tables: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
