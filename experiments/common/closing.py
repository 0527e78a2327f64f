"""What every report ends with: deviations from the paper, what is wrong in the paper, and the list of runs."""

from drcls.report import Section, Table, runs_table


def closing_sections(deviations, notes, runs, what="Every run behind this report."):
    """Return the last sections of a report.

    Args:
        deviations: str, plain text with a list, as `Section` describes.
        notes: list of dict from a `published.json`: `where` in the paper, and the `problem` there; may be empty.
        runs: runs of `read_runs`.
        what: caption of the list of runs.

    Returns:
        list of `Section`.
    """
    sections = [Section("Known deviations from the paper", [deviations])]
    if notes:
        found = "\n".join(f"- {note['where']}: {note['problem']}" for note in notes)
        sections.append(Section("What does not add up in the paper", [found]))
    return [*sections, Section("Runs", [Table(runs_table(runs), what)])]
