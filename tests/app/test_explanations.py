"""Heat maps in the background: made once, taken up again, and a failure told."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from drcls.app import explanations
from drcls.app.explanations import NUM_EVALUATIONS, Explainer
from drcls.data.image_ops import read_image


@pytest.fixture(autouse=True)
def few_evaluations(monkeypatch):
    for method in ("lime", "shap"):
        monkeypatch.setitem(NUM_EVALUATIONS, method, 64)


def make_all(explainer):
    with ThreadPoolExecutor(1) as pool:
        while explainer._work_off(pool):
            pass


def test_every_method_makes_a_picture(ben, case_id, explainer, folder, database):
    for method in ("lime", "shap"):
        assert ben.post(f"/cases/{case_id}/explanations", method=method).status_code == 302
    states = ben.get(f"/cases/{case_id}/explanations").json
    assert {method: state["state"] for method, state in states.items()} == dict.fromkeys(
        NUM_EVALUATIONS, "queued"
    )
    seen = []
    advance = explainer._advance
    explainer._advance = lambda *args: (advance(*args), seen.append(dict(explainer.progress)))
    make_all(explainer)
    states = explainer.states(database, case_id)
    assert {state["state"] for state in states.values()} == {"done"}, states
    for method in NUM_EVALUATIONS:
        assert read_image(folder / "cases" / case_id / f"{method}.png").shape == (512, 512, 3)
        assert ben.get(f"/cases/{case_id}/{method}.png").status_code == 200
    assert {key[1] for progress in seen for key in progress} == {"lime", "shap"}
    assert all(0 < share < 1 for progress in seen for share in progress.values())
    assert 'type="range"' in ben.get(f"/cases/{case_id}").text


def test_what_a_killed_server_left_is_taken_up(case_id, database, folder, grader):
    database.execute("UPDATE explanations SET state = 'running'")
    successor = Explainer(folder, grader)
    successor.start()
    for _ in range(600):
        if successor.states(database, case_id)["grad_cam"]["state"] == "done":
            break
        successor._end.wait(0.1)
    successor.stop()
    assert (folder / "cases" / case_id / "grad_cam.png").is_file()
    assert not list(folder.rglob("*.partial"))


def test_what_ends_two_servers_is_not_tried_by_a_third(ben, case_id, database, folder, grader, monkeypatch):
    monkeypatch.setattr(Explainer, "_run", lambda self: None)
    monkeypatch.setattr(Explainer, "_finish", lambda *job: None)  # its server ended before it could

    def succeed():
        successor = Explainer(folder, grader)
        with ThreadPoolExecutor(1) as pool:
            assert successor._work_off(pool)
        successor.start()
        return successor.states(database, case_id)["grad_cam"]

    assert succeed() == {"state": "queued", "progress": 0.0, "error": None}
    assert succeed() == {"state": "failed", "progress": 0.0, "error": explanations.INTERRUPTED}
    assert explanations.INTERRUPTED in ben.get(f"/cases/{case_id}").text
    Explainer(folder, grader).request(database, "ben", case_id, "grad_cam")
    assert succeed()["state"] == "queued"


def test_a_failure_is_told_and_can_be_tried_again(ben, case_id, explainer, database, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("out of memory, as it were")

    monkeypatch.setattr(explanations, "lime", fail)
    ben.post(f"/cases/{case_id}/explanations", method="lime")
    make_all(explainer)
    state = explainer.states(database, case_id)["lime"]
    assert (state["state"], state["error"]) == ("failed", "out of memory, as it were")
    assert explainer.states(database, case_id)["grad_cam"]["state"] == "done"
    assert "out of memory, as it were" in ben.get(f"/cases/{case_id}").text
    ben.post(f"/cases/{case_id}/explanations", method="lime")
    assert explainer.states(database, case_id)["lime"]["state"] == "queued"
    make_all(explainer)
    ben.post(f"/cases/{case_id}/explanations", method="grad_cam")
    assert explainer.states(database, case_id)["grad_cam"]["state"] == "done"  # not made twice


def test_an_error_without_words_is_told_by_its_name(case_id, explainer, database, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(explainer, "_heat_map", fail)
    make_all(explainer)
    assert explainer.states(database, case_id)["grad_cam"]["error"] == "MemoryError"


def test_another_model_does_not_explain(case_id, explainer, database):
    database.execute("UPDATE cases SET prediction = json_set(prediction, '$.model_sha256', 'ab12')")
    make_all(explainer)
    assert "graded by the model ab12" in explainer.states(database, case_id)["grad_cam"]["error"]


def test_a_photograph_that_was_prepared_otherwise_is_not_explained(case_id, explainer, database):
    database.execute("UPDATE cases SET prediction = json_set(prediction, '$.preparation.crop', 'centre')")
    make_all(explainer)
    state = explainer.states(database, case_id)["grad_cam"]
    assert state["state"] == "failed"
    assert "graded with the preparation {'crop': 'centre'" in state["error"]
    assert "now prepares by {'crop': 'border'" in state["error"]


def test_an_unknown_method_is_refused(ben, case_id):
    assert ben.post(f"/cases/{case_id}/explanations", method="tea_leaves").status_code == 422


def test_the_predicted_class_is_explained(ben, case_id, explainer, database, grader, monkeypatch):
    seen = []
    monkeypatch.setattr(
        explainer, "_grad_cam", lambda images, index: seen.append(index) or images[..., 0] / 255
    )
    make_all(explainer)
    grade = database.execute("SELECT grade FROM cases").fetchone()[0]
    assert seen == [grader.class_names.index(grade)]
