from drcls.report import Table
from experiments.common.closing import closing_sections

RUN = {
    "env": {},
    "variant": "net",
    "data": "squares",
    "phantom": False,
    "sample": "",
    "protocol": "clean",
    "profile": "quick",
    "seed": 0,
    "finished": True,
    "num_test": 10,
}


def test_every_report_ends_with_deviations_what_is_wrong_and_the_runs():
    notes = [{"where": "Eq. 4", "problem": "a sign"}, {"where": "Table 1", "problem": "a sum"}]
    deviations, wrong, runs = closing_sections("Deviations:\n\n- one", notes, [RUN])
    assert wrong.parts == ["- Eq. 4: a sign\n- Table 1: a sum"]
    assert isinstance(runs.parts[0], Table) and runs.parts[0].frame["variant"].tolist() == ["net"]
    assert deviations.parts == ["Deviations:\n\n- one"]


def test_a_paper_without_notes_has_no_empty_section():
    headings = [section.heading for section in closing_sections("None.", [], [RUN])]
    assert headings == ["Known deviations from the paper", "Runs"]
