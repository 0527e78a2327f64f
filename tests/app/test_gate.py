"""The choice of a quality gate: without one everything is graded, and everything says that nothing was checked."""

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from drcls.app.deployment import describe_gate
from drcls.app.inference import Grader
from drcls.app.quality import assess
from drcls.app.verification import find_changes
from tests.app.conftest import PREPARATION, draw, encode

PLAIN = {"crop": "border", "filter": "none", "clahe": False}


@pytest.fixture
def ungated(grader, monkeypatch):
    """A server started with `--gate none`."""
    monkeypatch.setattr(grader, "gate", "none")


@pytest.fixture
def ungated_case(ungated, ben, blurred):
    return ben.upload(blurred).location.rsplit("/", 1)[1]


def test_without_a_gate_nothing_is_measured():
    assert assess(draw(1), gate="none") == [] and assess(draw(1)) == assess(draw(1), gate="fundus")


def test_an_unknown_gate_is_refused(run_folder, tmp_path):
    with pytest.raises(ValueError, match="gate 'retina' received; expected one of"):
        Grader(run_folder / "model.keras", tmp_path, PREPARATION, gate="retina")


def test_the_pages_and_the_log_say_that_nothing_was_checked(ungated_case, ben, database, folder):
    case, report = (ben.get(f"/cases/{ungated_case}{page}").text for page in ("", "/report"))
    for page in (case, report):
        assert "No quality check was made" in page
        assert "Quality gate: passed" not in page
    assert "Your decision" in case
    about = ben.get("/about").text
    assert "No quality check is made" in about and "Limits of the quality gate" not in about
    assert "A model proposes one of" in about and "retinopathy" not in about
    assert "<strong>No quality check.</strong>" in ben.get("/upload").text
    details = database.execute("SELECT details FROM audit WHERE action = 'upload'").fetchone()["details"]
    assert (json.loads(details)["gate"], json.loads(details)["quality"]) == ("none", [])
    assert find_changes(database, folder) == []


def test_the_export_does_not_call_it_gradable(ungated_case, ben):
    rows = list(csv.DictReader(io.StringIO(ben.get("/cases.csv").text)))
    assert [row["gradable"] for row in rows] == ["not checked"] and rows[0]["state"] == "graded"


def test_a_case_keeps_its_gate_when_the_server_starts_with_another(
    ungated_case, ben, grader, photograph, monkeypatch
):
    monkeypatch.setattr(grader, "gate", "fundus")
    checked = ben.upload(photograph).location.rsplit("/", 1)[1]
    assert "No quality check was made" in ben.get(f"/cases/{ungated_case}/report").text
    assert "Quality gate: passed" in ben.get(f"/cases/{checked}/report").text
    assert ben.get("/drift").status_code == 200


def test_the_drift_page_has_no_quality_of_unchecked_photographs(ungated_case, ben):
    answer = ben.get("/drift")
    assert answer.status_code == 200 and 'data-label="Not gradable">–</td>' in answer.text


def test_the_api_says_which_gate_it_used(
    ungated, app, token, blurred, photograph, grader, database, monkeypatch
):
    def send(data):
        headers = {"Authorization": f"Bearer {token}"}
        return app.test_client().post("/api/v1/predict", data=data, content_type="image/png", headers=headers)

    answer = send(blurred)
    assert (answer.status_code, answer.json["gate"], answer.json["quality"]) == (200, "none", [])
    details = database.execute("SELECT details FROM audit WHERE action = 'prediction'").fetchone()["details"]
    assert json.loads(details)["gate"] == "none"
    monkeypatch.setattr(grader, "gate", "fundus")
    assert send(photograph).json["gate"] == "fundus" and send(blurred).status_code == 422


@pytest.fixture
def validation(tmp_path):
    """Twelve images, of which so many are eyes and the others grey squares."""

    def validation(num_eyes):
        images = [
            draw(seed, 96) if seed < num_eyes else np.full((96, 96, 3), 128, np.uint8) for seed in range(12)
        ]
        paths = [tmp_path / f"{number}.png" for number in range(12)]
        for path, image in zip(paths, images, strict=True):
            path.write_bytes(encode(image))
        return SimpleNamespace(paths=paths)

    return validation


def test_the_start_says_how_many_validation_images_pass(validation):
    deployed = SimpleNamespace(gate="fundus", preparation=PLAIN)
    assert describe_gate(deployed, validation(9)).endswith("retina: 9 of 12 validation images pass it")
    hint = "1 of 12 validation images pass it; almost none, so a model of other images is served with --gate none"
    assert describe_gate(deployed, validation(1)).endswith(hint)
    assert describe_gate(deployed) == "Quality gate for photographs of the retina"
    assert (
        describe_gate(SimpleNamespace(gate="none")) == "No quality check of photographs is made (--gate none)"
    )


@pytest.mark.parametrize("change", [{"crop": "centre"}, {"filter": "ben_graham"}, {"clahe": True}])
def test_images_that_look_other_than_photographs_are_not_counted(validation, change):
    told = describe_gate(SimpleNamespace(gate="fundus", preparation=PLAIN | change), validation(1))
    assert "not tried on the validation images" in told and "--gate none" not in told
