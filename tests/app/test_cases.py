"""Cases: found again, exported, and decided by one clinician at a time."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drcls.app.cases import (
    COLUMNS,
    ConflictError,
    cases_csv,
    create_case,
    decide,
    find_cases,
    grade_anyway,
    load_case,
)
from tests.app.conftest import draw


@pytest.fixture
def create(accounts, folder, grader):
    def make(reference="", eye="unknown", seed=1):
        return create_case(accounts, folder, grader, "ben", draw(seed, 96), "ab" * 32, reference, eye)

    return make


def test_a_case_holds_what_was_measured(create, accounts, folder, grader):
    case_id = create("visit 7", "left")
    case = load_case(accounts, case_id)
    assert (case["state"], case["reference"], case["eye"], case["width"]) == ("graded", "visit 7", "left", 96)
    assert case["grade"] == max(
        case["prediction"]["probabilities"], key=case["prediction"]["probabilities"].get
    )
    assert sorted(path.name for path in (folder / "cases" / case_id).iterdir()) == ["image.png", "view.png"]
    assert load_case(accounts, "none") is None


@pytest.mark.parametrize(
    "fields, message", [(("x" * 65, "left"), "65 characters"), (("", "third"), "'third'")]
)
def test_wrong_fields(create, folder, fields, message):
    with pytest.raises(ValueError, match=message):
        create(*fields)
    assert not list((folder / "cases").iterdir())


def test_search(create, accounts):
    left, right = create("50%_a"), create("500 b")
    ids = lambda **search: {row["id"] for row in find_cases(accounts, **search)[0]}  # noqa: E731
    assert ids() == {left, right} and ids(text="50%") == {left} and ids(text="_A") == {left}
    assert ids(text=right) == {right} and ids(text="ben") == {left, right} and ids(text="'; DROP") == set()
    accounts.execute("UPDATE cases SET grade = 'Proliferate_DR' WHERE id = ?", (left,))
    accounts.execute("UPDATE cases SET grade = 'No_DR' WHERE id = ?", (right,))
    for text in ("Proliferate DR", "Proliferate_DR", "proliferate dr"):
        assert ids(text=text) == {left}
    decide(accounts, "ben", right, 2, "confirmed")
    assert ids(state="confirmed") == {right} and ids(state="graded") == {left}
    flagged = {left, right} if load_case(accounts, left)["refer"] else set()
    assert ids(refer=True) == flagged


def test_letters_of_any_alphabet_are_found_whatever_their_case(create, accounts):
    müller, greek, street = create("Müller"), create("ΟΔΟΣ 5"), create("Straße")
    texts = {"MÜLLER": müller, "mu\u0308ller": müller, "οδος": greek, "οδοσ": greek, "STRASSE": street}
    for text, case_id in texts.items():
        assert [row["id"] for row in find_cases(accounts, text=text)[0]] == [case_id], text
    assert find_cases(accounts, text="muller") == ([], 0)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
    | st.text("=+-@;,\t '\r\n|\u202ea1", max_size=12)
    | st.sampled_from(["=1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "visit;=1+1", "a; =1", "a;;-1"])
)
def test_no_cell_of_the_export_is_a_formula_whatever_separates_cells(text):
    row = dict.fromkeys(COLUMNS, "x") | {"reference": text, "quality": "[]"}
    cells = next(csv.DictReader(io.StringIO(cases_csv([row]))))
    for piece in re.split("[;,\t\r\n|]", cells["reference"]):
        assert piece.lstrip()[:1] not in tuple("=+-@＝＋－＠")
    if text.isprintable() and not re.search("[=+@＝＋－＠-]", text):
        assert cells["reference"] == text


@pytest.mark.parametrize(
    "text", ["a\u202eb", "a\u2066b", "a\u200fb", "a\u200bb", "a\x1bb", "a\nb", "a\x7fb", "\x00"]
)
def test_text_that_deceives_is_refused(create, accounts, folder, text):
    with pytest.raises(ValueError, match="reference with the character U\\+"):
        create(text)
    assert not list((folder / "cases").iterdir())
    case_id = create("visit 7 – müller ۱۲")
    if text != "a\nb":
        with pytest.raises(ValueError, match="reason with the character U\\+"):
            decide(accounts, "ben", case_id, 2, "retake", reason=text)
    decide(accounts, "ben", case_id, 2, "retake", reason="two\r\nlines")


def test_all_decisions_are_kept_and_the_last_counts(create, accounts):
    case_id = create()
    case = load_case(accounts, case_id)
    other = next(name for name in case["prediction"]["probabilities"] if name != case["grade"])
    decide(accounts, "ben", case_id, 2, "confirmed")
    decide(accounts, "anna", case_id, 3, "overridden", other, "haemorrhages")
    case = load_case(accounts, case_id)
    assert (case["state"], case["final_grade"]) == ("overridden", other)
    assert [decision["author"] for decision in case["decisions"]] == ["anna", "ben"]
    decide(accounts, "ben", case_id, 4, "retake")
    assert load_case(accounts, case_id)["final_grade"] is None


@pytest.mark.parametrize(
    "kind, grade, reason, message",
    [
        ("maybe", "", "", "'maybe' received"),
        ("overridden", "Mild?", "because", "'Mild\\?' received"),
        ("overridden", "Severe", "  ", "a reason is expected"),
        ("confirmed", "", "x" * 501, "501 characters"),
        ("confirmed", "other", "worse", "a grade was chosen, but the decision is not an override"),
        ("retake", "other", "blurred", "a grade was chosen, but the decision is not an override"),
        ("retake", "own", "blurred", "a grade was chosen, but the decision is not an override"),
    ],
)
def test_what_is_no_decision(create, accounts, kind, grade, reason, message):
    case_id = create()
    case = load_case(accounts, case_id)
    other = next(name for name in case["prediction"]["probabilities"] if name != case["grade"])
    grade = {"own": case["grade"], "other": other}.get(grade, grade)
    with pytest.raises(ValueError, match=message):
        decide(accounts, "ben", case_id, 2, kind, grade, reason)
    assert load_case(accounts, case_id)["decisions"] == []


def test_the_models_own_grade_with_a_confirmation_is_no_contradiction(create, accounts):
    case_id = create()
    grade = load_case(accounts, case_id)["grade"]
    decide(accounts, "ben", case_id, 2, "confirmed", grade)
    assert load_case(accounts, case_id)["final_grade"] == grade


def test_of_two_decisions_at_once_one_is_recorded_and_the_other_told(create, accounts):
    case_id = create()
    decide(accounts, "anna", case_id, 2, "confirmed")
    with pytest.raises(ConflictError, match="anna recorded “confirmed”"):
        decide(accounts, "ben", case_id, 2, "retake")
    assert len(load_case(accounts, case_id)["decisions"]) == 1


def test_what_the_gate_stopped_has_no_grade_to_confirm(accounts, folder, grader):
    dark = (draw(1, 96) * 0.2).astype("uint8")
    case_id = create_case(accounts, folder, grader, "ben", dark, "cd" * 32)
    assert load_case(accounts, case_id)["state"] == "ungradable"
    with pytest.raises(ConflictError):
        decide(accounts, "ben", case_id, 1, "confirmed")
    with pytest.raises(ValueError, match="a reason"):
        grade_anyway(accounts, grader, "ben", case_id, 1, dark, " ")
    grade_anyway(accounts, grader, "ben", case_id, 1, dark, "the only photograph")
    case = load_case(accounts, case_id)
    assert (case["state"], case["quality_override"]) == ("graded", "the only photograph")
    with pytest.raises(ConflictError):
        grade_anyway(accounts, grader, "ben", case_id, 1, dark, "again")
    retaken = create_case(accounts, folder, grader, "ben", dark, "cd" * 32)
    decide(accounts, "ben", retaken, 1, "retake")
    with pytest.raises(ConflictError, match="no grade"):
        decide(accounts, "ben", retaken, 2, "confirmed")
