"""The flow through the pages, without a browser."""

import csv
import io
import re

import cv2
import numpy as np

from drcls.app import create_app
from drcls.app.verification import verify
from drcls.data.image_ops import decode_image, prepare_image
from tests.app.conftest import PREPARATION, Visitor, draw, encode

NOTICE = "Decision support, never a diagnosis"


def test_from_upload_to_report(ben, photograph, explainer, database, folder):
    answer = ben.upload(photograph, reference="visit 7", eye="left")
    assert answer.status_code == 302
    case_id = answer.location.rsplit("/", 1)[1]
    explainer.start()
    explainer.stop()  # ends after what is in hand
    page = ben.get(f"/cases/{case_id}").text
    assert "visit 7" in page and "left eye" in page and NOTICE in page
    assert len(re.findall(r"<meter", page)) == 5
    shown = decode_image(ben.get(f"/cases/{case_id}/image.png").data)
    assert np.array_equal(shown, decode_image(photograph))
    assert ben.get(f"/cases/{case_id}/lime.png").status_code == 404
    answer = ben.post(f"/cases/{case_id}/decision", version="2", kind="confirmed")
    assert answer.status_code == 302
    assert "The decision was recorded." in ben.get(f"/cases/{case_id}").text
    report = ben.get(f"/cases/{case_id}/report").text
    assert "confirmed" in report and "visit 7" in report and NOTICE in report
    actions = [
        row["action"] for row in database.execute("SELECT action FROM audit WHERE case_id = ?", (case_id,))
    ]
    assert actions == ["upload", "prediction", "decision"]
    assert verify(database) == []


def test_every_page_says_what_it_is_not(anna, case_id):
    paths = ["/", "/upload", "/drift", "/quality-assurance", "/about", "/audit", "/audit?verify=1"]
    for path in [*paths, f"/cases/{case_id}", f"/cases/{case_id}/report", "/nowhere"]:
        answer = anna.get(path)
        assert NOTICE in answer.text, path
        assert answer.status_code == (404 if path == "/nowhere" else 200)


def test_the_gate_stops_and_can_be_overruled(ben, blurred, database):
    case_id = ben.upload(blurred).location.rsplit("/", 1)[1]
    page = ben.get(f"/cases/{case_id}").text
    assert "out of focus" in page and "Not graded yet" in page and "The model's grade" not in page
    assert ben.post(f"/cases/{case_id}/grade", version="1", reason="").status_code == 422
    assert ben.post(f"/cases/{case_id}/grade", version="1", reason="cataract").status_code == 302
    page = ben.get(f"/cases/{case_id}").text
    assert "cataract" in page and "Your decision" in page
    entry = database.execute("SELECT actor, details FROM audit WHERE action = 'quality_override'").fetchone()
    assert tuple(entry) == ("ben", '{"reason": "cataract"}')


def test_many_at_once_each_for_itself(ben, photograph, blurred, database):
    answer = ben.upload(photograph, b"not a photograph", blurred)
    assert answer.status_code == 302
    page = ben.get("/").text
    assert "2 of 3 photographs were stored" in page and re.search(
        r'class="warning" role="status">File 2 \(eye1.png\)', page
    )
    assert (
        '<p class="warning" role="status">1 did not pass the quality gate and have no grade: '
        '<a href="/?state=ungradable">show them</a></p>'
    ) in page
    assert database.execute("SELECT count(*) FROM cases").fetchone()[0] == 2
    ben.upload(photograph, photograph)
    assert "did not pass the quality gate" not in ben.get("/").text
    assert ben.upload(b"no", b"no").status_code == 422
    assert ben.upload(*[b"x"] * 21).status_code == 422
    assert "No photograph was chosen" in ben.post("/upload").text


def test_wrong_fields_store_nothing(ben, photograph, database):
    assert "eye &#39;third&#39; received" in ben.upload(photograph, eye="third").text
    assert ben.upload(photograph, reference="x" * 65).status_code == 422
    assert database.execute("SELECT count(*) FROM cases").fetchone()[0] == 0


def test_the_same_file_again_is_told(ben, case_id, photograph):
    again = ben.upload(photograph).location.rsplit("/", 1)[1]
    assert f'The very same file is case <a href="/cases/{case_id}">' in ben.get(f"/cases/{again}").text


def test_the_export_is_the_search(ben, case_id):
    rows = list(csv.DictReader(io.StringIO(ben.get("/cases.csv?text=visit").text)))
    assert [row["id"] for row in rows] == [case_id]
    assert ben.get("/cases.csv?text=nobody").text.count("\n") == 1


def graded_by_the_demonstration(database, case_id):
    """Make a case one that a demonstration graded before this model was served."""
    changes = "'$.demonstration', json('true'), '$.model_sha256', 'ab12', '$.model_version', 'older, run-s0'"
    database.execute(
        f"UPDATE cases SET prediction = json_set(prediction, {changes}) WHERE id = ?", (case_id,)
    )


def test_a_case_tells_of_the_model_that_graded_it(ben, case_id, database, grader):
    own = ben.get(f"/cases/{case_id}").text
    assert f"Graded by {grader.version}, not calibrated." in own and "Demonstration." not in own
    assert ">demonstration</span>" not in ben.get("/").text
    graded_by_the_demonstration(database, case_id)
    for path in (f"/cases/{case_id}", f"/cases/{case_id}/report"):
        assert (
            "<strong>Demonstration.</strong> The model that graded this case was trained"
            in ben.get(path).text
        )
    told = (
        "Graded by older, run-s0, another model than the one served now, a demonstration trained on synthetic"
    )
    assert told in ben.get(f"/cases/{case_id}").text
    listed = ben.get("/").text
    assert listed.count('<span class="flag">demonstration</span>') == 1 and "Demonstration." not in listed
    row = next(csv.DictReader(io.StringIO(ben.get("/cases.csv").text)))
    assert (row["model_sha256"], row["demonstration"], row["calibrated"]) == ("ab12", "1", "0")


def test_a_case_of_a_real_model_is_no_demonstration_while_one_is_served(ben, case_id, grader, monkeypatch):
    monkeypatch.setattr(grader, "phantom", True)
    assert "<strong>Demonstration.</strong> This model" in ben.get("/").text
    for path in (f"/cases/{case_id}", f"/cases/{case_id}/report"):
        assert "Demonstration." not in ben.get(path).text


def test_a_name_is_no_path_and_no_markup(ben, photograph, folder):
    files = [
        (io.BytesIO(photograph), "../../etc/<b>passwd.png"),
        (io.BytesIO(b"x"), "<script>alert(1)</script>.png"),
    ]
    ben.post("/upload", photographs=files, reference="<script>alert(2)</script>")
    page = ben.get("/").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(2)" in page
    for path in folder.rglob("*"):
        assert "passwd" not in path.name
    assert ben.get("/cases/..%2f..%2fsecret_key/image.png").status_code == 404


def test_the_view_is_the_networks_crop(ben, case_id, photograph):
    shown = decode_image(ben.get(f"/cases/{case_id}/view.png").data)
    expected = prepare_image(decode_image(photograph), PREPARATION | {"size": 512, "filter": "none"})
    assert np.array_equal(shown, expected)


def test_a_folder_may_be_named_from_where_one_stands(
    folder, grader, explainer, accounts, photograph, monkeypatch
):
    monkeypatch.chdir(folder.parent)
    visitor = Visitor(create_app(folder.name, grader, explainer)).log_in("ben")
    case = visitor.upload(photograph).location
    assert visitor.get(f"{case}/view.png").status_code == 200


def test_a_contradictory_decision_is_told_and_not_recorded(ben, case_id, database, grader):
    own = database.execute("SELECT grade FROM cases").fetchone()[0]
    other = next(name for name in grader.class_names if name != own)
    fields = {"version": "2", "grade": other, "reason": "clearly worse than the model says"}
    for kind in ("confirmed", "retake"):
        answer = ben.post(f"/cases/{case_id}/decision", kind=kind, **fields)
        assert answer.status_code == 422
        assert (
            "No decision was recorded: a grade was chosen, but the decision is not an override" in answer.text
        )
    assert database.execute("SELECT count(*) FROM decisions").fetchone()[0] == 0
    # The form sends an empty grade with what is not an override.
    answer = ben.post(f"/cases/{case_id}/decision", version="2", kind="confirmed", grade="", reason="")
    assert answer.status_code == 302


def test_a_second_decision_on_an_old_page_is_told(ben, anna, case_id):
    anna.get(f"/cases/{case_id}")
    assert anna.post(f"/cases/{case_id}/decision", version="2", kind="confirmed").status_code == 302
    answer = ben.post(f"/cases/{case_id}/decision", version="2", kind="retake")
    assert answer.status_code == 409 and "anna recorded" in answer.text


def test_paging(ben, app, grader, accounts):
    from drcls.app import cases

    for number in range(cases.PER_PAGE + 1):
        accounts.execute(
            "INSERT INTO cases (id, created, author, reference, eye, image_sha256, width, height, quality, gradable, "
            "state) VALUES (?, '2026-01-01T00:00:00+00:00', 'ben', 'same', 'left', '', 1, 1, '[]', 0, 'ungradable')",
            (f"{number:03d}",),
        )
    first = ben.get("/?text=same").text
    assert "page 1 of 2" in first and 'href="/?text=same&amp;page=2"' in first
    assert ben.get("/?text=same&page=2").text.count('<th scope="row"') == 1
    beyond = ben.get("/?text=same&page=99999999999999999999")
    assert beyond.status_code == 200 and "page 2 of 2" in beyond.text
    assert beyond.text.count('<th scope="row"') == 1


def test_a_large_photograph_of_a_phone(ben):
    enlarged = cv2.resize(draw(2, 300), (3000, 2400), interpolation=cv2.INTER_CUBIC)
    answer = ben.upload(encode(enlarged, ".jpg"))
    assert answer.status_code == 302
