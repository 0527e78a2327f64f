"""What stands before every page: the session, the CSRF token, and the headers that bind the browser."""

import functools
import hmac
import secrets

from flask import abort, current_app, flash, g, redirect, request, session, url_for

from drcls.app.accounts import session_account
from drcls.app.db import connect

MAX_BYTES_OF_STRANGERS = 2**20
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def guard(app):
    """Put the session, the CSRF check and the headers before every page of an application."""
    app.before_request(_check_csrf)
    app.after_request(_add_headers)
    app.teardown_request(_close_database)
    app.jinja_env.globals.update(csrf_token=csrf_token, account=account)


def get_db():
    """Return this request's connection to the database."""
    if "database" not in g:
        g.database = connect(current_app.extensions["drcls"].folder)
    return g.database


def account():
    """Return the account that is logged in (row with `name` and `role`), or None."""
    if "account" not in g:
        secret = session.get("secret")
        g.account = session_account(get_db(), secret) if secret else None
    return g.account


def login_required(view):
    """Send a visitor who is not logged in to the login page."""

    @functools.wraps(view)
    def guarded(*args, **kwargs):
        if account() is None:
            if request.method == "POST":
                flash("Your session has ended. Nothing was recorded: log in and do it again.", "warning")
            return redirect(url_for("login.login_form"))
        return view(*args, **kwargs)

    return guarded


def admin_required(view):
    """Let admins pass and nobody else."""

    @functools.wraps(view)
    @login_required
    def guarded(*args, **kwargs):
        if account()["role"] != "admin":
            abort(403, "This page is for accounts with the role admin.")
        return view(*args, **kwargs)

    return guarded


def csrf_token():
    """Return the token that every form of this session must send back."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    return session["csrf"]


def _check_csrf():
    # The API knows no cookies: a token in the header is no proof a foreign page could make a browser send.
    if request.method in ("GET", "HEAD", "OPTIONS") or request.blueprint == "api":
        return
    if request.routing_exception is not None:  # no page, or not with this method: 404 or 405 follows
        return
    if "secret" not in session:
        request.max_content_length = MAX_BYTES_OF_STRANGERS
    expected, received = session.get("csrf", ""), request.form.get("csrf_token", "")
    if not expected or not hmac.compare_digest(expected.encode(), received.encode()):
        abort(400, "The form is too old or comes from elsewhere. Nothing was recorded; load the page again.")


def _add_headers(response):
    response.headers.update(HEADERS)
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _close_database(_):
    if "database" in g:
        g.pop("database").close()
