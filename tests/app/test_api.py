"""The JSON API: by hand, and fuzzed from its own description."""

import json

import pytest

from drcls.app import api
from drcls.app.openapi import description
from drcls.app.verification import verify


def send(app, data, token, kind="image/png", query=""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return app.test_client().post(f"/api/v1/predict{query}", data=data, content_type=kind, headers=headers)


def test_a_grade_and_its_entry_in_the_log(app, token, photograph, grader, database):
    answer = send(app, photograph, token)
    assert answer.status_code == 200
    prediction = answer.json["prediction"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert prediction["grade"] in grader.class_names and prediction["model_sha256"] == grader.sha256
    assert "never a diagnosis" in answer.json["notice"]
    entry = database.execute("SELECT * FROM audit WHERE id = ?", (answer.json["audit"]["id"],)).fetchone()
    assert entry["hash"] == answer.json["audit"]["hash"] and entry["actor"] == "ben"
    assert json.loads(entry["details"])["prediction"] == prediction
    assert verify(database) == []


def test_what_does_not_pass_the_gate(app, token, blurred, database):
    answer = send(app, blurred, token)
    assert answer.status_code == 422
    assert [c["name"] for c in answer.json["quality"] if not c["passed"]] == ["detail"]
    assert "prediction" not in answer.json
    assert send(app, blurred, token, query="?override_quality=true").status_code == 200
    actions = [row["action"] for row in database.execute("SELECT action FROM audit ORDER BY id DESC LIMIT 2")]
    assert actions == ["prediction", "not_gradable"]


@pytest.mark.parametrize("token_of", [lambda token: "", lambda token: token[:-1], lambda token: "ü"])
def test_no_token_no_grade(app, token, photograph, token_of):
    answer = send(app, photograph, token_of(token))
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_of_the_pages_is_no_token(ben, photograph):
    answer = ben.client.post("/api/v1/predict", data=photograph, content_type="image/png")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "kind, query, data, status",
    [
        ("image/gif", "", b"GIF89a", 415),
        ("image/png", "?override_quality=maybe", b"", 400),
        ("image/png", "?override_quality=false&override_quality=true", b"", 400),
        ("image/png", "", b"", 422),
        ("image/png", "", b"text", 422),
    ],
)
def test_bad_requests(app, token, kind, query, data, status):
    answer = send(app, data, token, kind, query)
    assert (answer.status_code, answer.json["error"]["status"]) == (status, status)


def test_too_many_bytes(app, token, monkeypatch):
    monkeypatch.setattr(api, "MAX_BYTES", 1000)
    answer = send(app, b"x" * 1001, token)
    assert (answer.status_code, answer.json["error"]["status"]) == (413, 413)


def test_only_post(app):
    answer = app.test_client().get("/api/v1/predict")
    assert answer.status_code == 405 and answer.json["error"]["status"] == 405


def test_fuzzed_from_its_own_description(app, token, photograph, blurred, database):
    """Every answer to generated requests is one that the description allows, and none is a fault of the server."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    contents = st.binary(max_size=200) | st.sampled_from([photograph, blurred])
    for kind in ("image/png", "image/jpeg", "application/dicom"):
        schemathesis.openapi.media_type(kind, contents)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    seen = set()

    def fuzz(case):
        headers = {"Authorization": f"Bearer {token}"}
        # No schema of bytes can say what a photograph is: refusing one is right.
        answer = case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])
        seen.add(answer.status_code)

    for operation in schema.get_all_operations():
        limits = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        limits(given(operation.ok().as_strategy())(fuzz))()
    assert {200, 422} <= seen and not any(status >= 500 for status in seen)
    assert verify(database) == []


def test_the_description_is_served_and_names_the_classes(app, grader):
    served = app.test_client().get("/api/v1/openapi.json").json
    assert served == json.loads(json.dumps(description(grader.class_names)))
    grade = served["components"]["schemas"]["Graded"]["properties"]["prediction"]["properties"]["grade"]
    assert grade["enum"] == grader.class_names
