"""Quality assurance: a fixed set against criteria set beforehand."""

import json

import pytest

from drcls.app.acceptance import check, check_criteria, store_criteria
from drcls.app.verification import verify


def test_a_check_is_recorded(anna, database, folder, grader, data_set, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"acceptance\.json does not exist"):
        check(database, folder, grader, data_set)
    file = tmp_path / "criteria.json"
    file.write_text(json.dumps({"accuracy": {"min": 0}, "macro_f1": {"min": 1.1, "max": 2}}))
    store_criteria(database, folder, file)
    record = check(database, folder, grader, data_set)
    assert [outcome["passed"] for outcome in record["outcomes"]] == [True, False]
    assert record["passed"] is False and record["num_images"] == len(data_set)
    assert check(database, folder, grader, data_set)["set_sha256"] == record["set_sha256"]
    assert check(database, folder, grader, data_set.select([1, 0]))["set_sha256"] != record["set_sha256"]
    page = anna.get("/quality-assurance").text
    assert "macro f1" in page and "failed" in page and record["set_sha256"][:12] in page
    actions = [row["action"] for row in database.execute("SELECT action FROM audit")]
    assert actions.count("acceptance_check") == 3 and "acceptance_criteria" in actions
    assert verify(database) == []


@pytest.mark.parametrize(
    "criteria",
    [{}, [], {"accuracy": 0.5}, {"accuracy": {}}, {"accuracy": {"mean": 1}}, {"accuracy": {"min": "1"}}],
)
def test_what_are_no_criteria(criteria):
    with pytest.raises(ValueError, match=r"here\.json holds"):
        check_criteria(criteria, "here.json")


def test_an_unknown_metric_and_other_classes(database, folder, grader, data_set):
    (folder / "acceptance.json").write_text('{"beauty": {"min": 1}}')
    with pytest.raises(ValueError, match="'beauty', which this set does not give"):
        check(database, folder, grader, data_set)
    merged = data_set.merge_classes(["Severe", "Proliferate_DR"], "Severe_or_worse")
    with pytest.raises(ValueError, match="has the classes"):
        check(database, folder, grader, merged)
