"""Say what to know about prepared images before anything is trained on them.

Listed are copies and near-copies, also turned and mirrored ones, contradicting labels, groups that the given parts
tear apart, classes too rare to divide, and how much of a test part a random split would leak.

examples:
  drcls audit data/mine --html audit.html
  drcls audit data/another_hospital --against data/mine --json
"""

from pathlib import Path

from drcls.cli.arguments import prepared

AFTER_INTERRUPTION = "give the command again; nothing half-written is left"


def add_arguments(parser):
    parser.add_argument("data", metavar="DATA", type=prepared, help="prepared folder")
    parser.add_argument("--against", metavar="DATA2", type=prepared, help="look for its images in DATA too")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write one page with the pairs side by side"
    )


def run(options):
    """Audit, and return what was found."""
    from drcls.data import load_manifest
    from drcls.data.audit import audit

    manifest = load_manifest(options.data)
    against = load_manifest(options.against) if options.against else None
    result = audit(manifest, against)
    if options.html:
        from drcls.report.audit_page import write_audit_page

        result["html"] = str(write_audit_page(result, options.html, manifest, against))
    return result


def describe(result):
    from drcls.data.audit import describe_audit

    return "\n".join([describe_audit(result), *([f"page: {result['html']}"] if "html" in result else [])])
