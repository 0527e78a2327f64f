"""The pages to log in and out."""

from flask import Blueprint, redirect, render_template, request, session, url_for

from drcls.app.access import account, database
from drcls.app.accounts import MAX_PASSWORD, TooManyFailuresError, log_in, log_out
from drcls.app.faults import answer

pages = Blueprint("login", __name__)


@pages.get("/login")
def form():
    if account():
        return redirect(url_for("casework.case_list"))
    return render_template("login.html")


@pages.post("/login")
def enter():
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        secret = log_in(database(), name[:64], password[: MAX_PASSWORD + 1], request.remote_addr or "")
    except TooManyFailuresError:
        return answer(429, "Too many failed attempts. Try again in five minutes.")
    if secret is None:
        return render_template("login.html", error="Name and password do not fit.", name=name[:64]), 401
    session.clear()  # nothing of the visitor's session may pass into that of the account
    session["secret"] = secret
    return redirect(url_for("casework.case_list"))


@pages.post("/logout")
def leave():
    log_out(database(), session.get("secret", ""))
    session.clear()
    return redirect(url_for("login.form"))
