"""Week by week: shares by hand."""

import json
from datetime import date

import numpy as np
import pytest

from drcls.app.drift import chance_limit, stability_index, weekly


def add(
    database, number, created, state="graded", grade="Mild", confidence=0.5, refer=0, gradable=1, detail=0.1
):
    quality = json.dumps([{"name": "detail", "value": detail}])
    database.execute(
        "INSERT INTO cases (id, created, author, reference, eye, image_sha256, width, height, quality, gradable, "
        "state, grade, confidence, refer) VALUES (?, ?, 'ben', '', 'left', '', 1, 1, ?, ?, ?, ?, ?, ?)",
        (str(number), created, quality, gradable, state, grade, confidence, refer),
    )


def test_shares_by_hand(accounts):
    add(accounts, 1, "2026-01-05T10:00:00+00:00", "confirmed", confidence=0.5, detail=0.1)
    add(accounts, 2, "2026-01-11T10:00:00+00:00", "overridden", "Severe", 0.9, refer=1, detail=0.3)
    add(accounts, 3, "2026-01-11T11:00:00+00:00", "ungradable", None, None, None, gradable=0, detail=0.2)
    add(accounts, 4, "2026-01-12T00:00:00+00:00")
    add(accounts, 5, "2020-01-12T00:00:00+00:00")
    new, old = weekly(accounts, today=date(2026, 1, 15))
    assert (new["week"], new["num_cases"], new["not_confirmed"]) == ("2026-W03", 1, None)
    assert (old["week"], old["num_cases"]) == ("2026-W02", 3)
    assert old["not_gradable"] == pytest.approx(1 / 3)
    assert old["refer"] == old["not_confirmed"] == 0.5
    assert old["confidence"] == pytest.approx([0.6, 0.7, 0.8])
    assert old["grades"] == {"Mild": 1, "Severe": 1}
    assert old["quality"] == {"detail": pytest.approx([0.15, 0.2, 0.25])}
    assert old["stability"] is None


def test_the_stability_index_by_hand():
    p, q = np.array([40.5, 10.5]) / 51, np.array([25.5, 25.5]) / 51
    expected = ((p - q) * np.log(p / q)).sum()
    assert stability_index({"a": 40, "b": 10}, {"a": 25, "b": 25}) == pytest.approx(expected)
    assert stability_index({"a": 30}, {"a": 30, "b": 0}) == pytest.approx(0)
    assert stability_index({"a": 29}, {"a": 30}) is None and stability_index({"a": 50}, None) is None


def test_few_cases_of_the_same_patients_are_no_change():
    # 99 % of a chi-squared variable with one degree of freedom lie below 6.6349.
    assert chance_limit({"a": 20, "b": 10}, {"a": 30, "b": 30}) == pytest.approx(
        6.6349 * (1 / 30 + 1 / 60), rel=1e-4
    )


def test_grades_of_an_earlier_model_are_no_change(accounts):
    for number in range(80):
        add(accounts, number, "2026-01-05T10:00:00+00:00", grade="Mild" if number < 40 else "Severe")
        model = json.dumps({"model_sha256": "old" if number < 40 else "new"})
        accounts.execute("UPDATE cases SET prediction = ? WHERE id = ?", (model, str(number)))
    reference = {"Mild": 10, "Severe": 500}
    [week] = weekly(accounts, reference, date(2026, 1, 15), "new")
    assert week["grades"] == {"Mild": 40, "Severe": 40} and not week["changed"]
    [week] = weekly(accounts, reference, date(2026, 1, 15), "old")
    assert week["changed"] and week["stability"] > 1


def test_the_page(ben, case_id):
    page = ben.get("/drift").text
    assert '<th scope="row" data-label="Week">20' in page and "–" in page
