"""The pages to log in and out."""

from flask import Blueprint, redirect, render_template, request, session, url_for

from drcls.app.access import account, get_db
from drcls.app.accounts import MAX_PASSWORD, TooManyFailuresError, log_in, log_out
from drcls.app.errors import error_response

pages = Blueprint("login", __name__)


@pages.get("/login")
def login_form():
    if account():
        return redirect(url_for("cases.case_list"))
    return render_template("login.html")


@pages.post("/login")
def login():
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        secret = log_in(get_db(), name[:64], password[: MAX_PASSWORD + 1], request.remote_addr or "")
    except TooManyFailuresError:
        return error_response(429, "Too many failed attempts. Try again in five minutes.")
    if secret is None:
        return render_template("login.html", error="Name and password do not fit.", name=name[:64]), 401
    session.clear()  # nothing of the visitor's session may pass into that of the account
    session["secret"] = secret
    return redirect(url_for("cases.case_list"))


@pages.post("/logout")
def logout():
    log_out(get_db(), session.get("secret", ""))
    session.clear()
    return redirect(url_for("login.login_form"))
