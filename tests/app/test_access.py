"""Who gets in, and what a foreign page cannot do."""

import re

import pytest

from drcls.app import create_app
from drcls.app.access import MAX_BYTES_OF_STRANGERS
from drcls.app.accounts import FAILURES_ALLOWED, log_in
from tests.app.conftest import PASSWORD, Visitor

PAGES = ["/", "/cases.csv", "/upload", "/cases/ab", "/cases/ab/report", "/cases/ab/image.png", "/drift", "/about",
         "/quality-assurance", "/audit", "/cases/ab/explanations"]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_nothing_without_an_account(visitor, path):
    answer = visitor.get(path)
    assert (answer.status_code, answer.location) == (302, "/login")


def test_every_route_is_guarded_or_named_here(app):
    open_to_all = {"static", "login.login_form", "login.login", "login.logout", "api.openapi", "api.predict"}
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        assert rule.endpoint in open_to_all or hasattr(view, "__wrapped__"), rule


def test_the_audit_log_is_for_admins(ben, anna):
    assert ben.get("/audit").status_code == 403
    assert "Audit log" not in ben.get("/").text
    assert anna.get("/audit").status_code == 200


@pytest.mark.parametrize("path", ["/login", "/logout", "/upload", "/cases/ab/decision", "/cases/ab/grade"])
@pytest.mark.parametrize("token", ["", "wrong", "wröng"])
def test_a_form_from_elsewhere_changes_nothing(ben, path, token):
    ben.token = token
    answer = ben.post(path, name="anna", password=PASSWORD)
    assert answer.status_code == 400 and "Nothing was recorded" in answer.text
    assert ben.get("/").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "FOO", "POST"])
@pytest.mark.parametrize(
    "path", ["/", "/login", "/upload", "/cases/ab", "/static/case.js", "/api/v1/predict", "/none"]
)
def test_a_method_that_a_page_does_not_have_is_405(ben, path, method):
    if method == "POST" and path in ("/login", "/upload", "/api/v1/predict"):
        return
    answer = ben.client.open(path, method=method)
    assert answer.status_code == (404 if path == "/none" else 405)
    assert path == "/none" or "GET" in answer.headers["Allow"] or path == "/api/v1/predict"


def test_logging_in_changes_the_session(visitor, accounts):
    visitor.get("/login")
    before = visitor.token
    visitor.log_in("ben")
    assert visitor.token != before
    assert visitor.get("/login").location == "/"
    cookie = visitor.client.get_cookie("screening")
    visitor.post("/logout")
    assert visitor.get("/").location == "/login"
    visitor.client.set_cookie("screening", cookie.value)  # a stolen cookie is worth nothing now
    assert visitor.get("/").location == "/login"


def test_guessing_is_stopped(visitor):
    visitor.get("/login")
    for _ in range(FAILURES_ALLOWED):
        assert visitor.post("/login", name="ben", password="guess").status_code == 401
    answer = visitor.post("/login", name="ben", password=PASSWORD)
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "300"


def test_headers_bind_the_browser(visitor):
    answer = visitor.get("/login")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie


def test_behind_https_cookies_are_sent_by_https_alone(folder, grader, explainer, accounts):
    app = create_app(folder, grader, explainer, tls=True, hosts=["clinic.example"])
    answer = app.test_client().get("/login", base_url="https://clinic.example")
    assert "Secure" in answer.headers["Set-Cookie"] and "__Host-screening" in answer.headers["Set-Cookie"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_another_host_name_is_refused(visitor):
    """A foreign name that is made to point to this machine must not reach the pages."""
    assert visitor.get("/login", base_url="http://evil.example").status_code == 400
    for name in ("127.0.0.1:8000", "localhost:8000"):
        assert visitor.get("/login", base_url=f"http://{name}").status_code == 200


def test_no_page_holds_inline_script_or_style_or_anything_from_elsewhere(anna, case_id):
    for path in ["/login", "/", "/upload", "/drift", "/quality-assurance", "/about", "/audit", f"/cases/{case_id}",
                 f"/cases/{case_id}/report"]:  # fmt: skip
        page = anna.get(path).text
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?://|javascript:", page), (
            path
        )


def test_the_key_is_for_its_owner_alone(folder):
    assert (folder / "secret_key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "screening.sqlite").stat().st_mode & 0o777 == 0o600


def test_too_large_a_request_is_refused(app, ben):
    app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = ben.upload(b"x" * 2000)
    assert answer.status_code == 413 and "Nothing of this request was recorded" in answer.text


def test_a_stranger_uploads_nothing_large(visitor, ben):
    visitor.get("/login")
    for someone, status in ((visitor, 413), (ben, 422)):
        assert someone.upload(b"x" * MAX_BYTES_OF_STRANGERS).status_code == status


def test_a_decision_after_the_session_ended_is_told(ben, case_id, accounts):
    accounts.execute("DELETE FROM sessions")
    assert ben.post(f"/cases/{case_id}/decision", version="2", kind="confirmed").location == "/login"
    assert "Your session has ended. Nothing was recorded" in ben.get("/login").text


def test_sessions_are_not_made_of_the_cookies_signature_alone(app, ben, accounts):
    accounts.execute("DELETE FROM sessions")
    assert ben.get("/").location == "/login"
    assert log_in(accounts, "ben", PASSWORD, "::1")
    assert Visitor(app).get("/").location == "/login"
