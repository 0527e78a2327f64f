"""The frame of the benchmarks: sides in turns, ratios of medians, answers compared first, an honest page."""

import ast
import json

import pytest

import benchmarks.__main__ as program
from benchmarks.against_aucmedi import RESULT, code_of, lines_typed
from benchmarks.comparison import Comparison, measure
from benchmarks.page import page


class FakeClock:
    """A clock that only the sides move forward, and a record of who did."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def side(self, name, seconds):
        durations = iter(seconds)

        def run():
            self.calls.append(name)
            self.now += next(durations)

        return run


def compared(ours, theirs, check=lambda: None, **changes):
    clock = FakeClock()
    arguments = {
        "what": "sums",
        "ours": clock.side("ours", ours),
        "peers": {"theirs": clock.side("theirs", theirs)},
        "goals": {"theirs": 2},
        "work": 6,
        "check": check,
        "clock": clock,
        "unit": "sums",
    }
    return clock, Comparison(**arguments | changes)


def test_sides_take_turns_after_a_warm_up_and_the_median_round_counts():
    # The first of six calls warms up. Ratios of the rounds: 2, 4, 1, 3, 3.
    clock, comparison = compared(ours=[9, 1, 1, 2, 1, 2], theirs=[9, 2, 4, 2, 3, 6])
    (row,) = measure(comparison)
    assert clock.calls == ["ours", "theirs"] * 6
    assert (row["ratio"], row["lowest"], row["highest"]) == (3, 1, 4)
    assert (row["ours"], row["theirs"]) == (6 / 1, 6 / 3)
    assert (row["rounds"], row["goal"], row["clock"]) == (5, 2, "wall time")


def test_different_answers_are_not_timed():
    def check():
        raise AssertionError("other sums")

    clock, comparison = compared([1] * 6, [1] * 6, check)
    with pytest.raises(AssertionError, match="other sums"):
        measure(comparison)
    assert clock.calls == []


def test_too_few_rounds_and_forgotten_goals_are_refused():
    with pytest.raises(ValueError, match="at least 5 rounds; received 4"):
        compared([], [], rounds=4)
    with pytest.raises(ValueError, match=r"peers \['theirs'\] and goals \[\] differ"):
        compared([], [], goals={})


def recorded(what, ratio, goal, last=None):
    theirs = [ratio] * 5 + [last or ratio]
    changes = {"goals": {"theirs": goal}, "what": what, "limits": "Cores are shared."}
    _, comparison = compared([1] * 6, theirs, **changes)
    return measure(comparison)[0] | {"machine": "two cores", "date": "2026-01-01", "load": 0.25}


def test_the_page_says_which_goals_were_missed_and_why():
    text = page([recorded("slow sums", 1, 4), recorded("quick sums", 3, 2)])
    assert "| quick sums | theirs | **3.00** (3.00-3.00) | 2 | yes | 6 sums/s | 2 sums/s |" in text
    assert "| slow sums | theirs | **1.00** (1.00-1.00) | 4 | no |" in text
    missed = text.split("## Goals that were missed")[1].split("##")[0]
    assert "slow sums, against theirs: 25% of the goal. Cores are shared." in missed
    assert "quick sums" not in missed


def test_rounds_on_both_sides_of_a_goal_decide_nothing():
    text = page([recorded("sums", 3, 2, last=1)])
    assert "| sums | theirs | **3.00** (1.00-3.00) | 2 | unclear |" in text
    assert text.split("## Goals that were missed")[1].split("##")[0].strip() == "None."


def test_recording_replaces_a_line_and_keeps_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    program.write([recorded("a", 1, 2)])
    program.write([recorded("b", 1, 2)])
    program.write([recorded("a", 5, 2)])
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [(row["what"], row["ratio"]) for row in rows] == [("a", 5), ("b", 1)]
    assert program.main(["--page"]) == 0
    assert (tmp_path / "RESULTS.md").read_text() == page(rows)


def test_a_subject_that_fails_is_named_and_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    monkeypatch.setattr(program, "SUBJECTS", ("missing",))
    assert program.main(["missing"]) == 1
    assert "not recorded, see the errors above: missing" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        program.main(["unknown"])


def test_the_committed_page_is_made_from_the_committed_numbers():
    rows = program.read()
    assert rows, "results.json is empty"
    text = (program.FOLDER / "RESULTS.md").read_text()
    assert text == program.current_page() and rows
    for section in ("## int8", "## Against AUCMEDI"):
        assert section in text


def test_docstrings_do_not_count_as_lines_that_one_types():
    code = """
def twice(x):
    'Say what.'
    return (
        2 * x
    )
"""
    (function,) = ast.parse(code).body
    assert code_of(function).splitlines() == ["def twice(x):", "    return 2 * x"]


def test_the_committed_count_of_typed_lines_is_the_one_of_the_committed_code():
    assert json.loads(RESULT.read_text())["lines_typed"] == lines_typed()
