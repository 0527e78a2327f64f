"""The pages of the daily work: upload, the list of cases, one case, the decision, the report."""

import hashlib

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from markupsafe import Markup

from drcls.app import audit
from drcls.app.access import account, get_db, login_required
from drcls.app.cases import (
    EYES,
    STATES,
    cases_csv,
    check_fields,
    create_case,
    decide,
    find_cases,
    grade_anyway,
    last_page,
    load_case,
)
from drcls.app.db import case_folder, transaction
from drcls.app.explanations import TITLES
from drcls.app.image_decoding import RefusedImageError, opened_image, recorded_eye
from drcls.data.image_ops import read_image

MAX_FILES = 20

pages = Blueprint("cases", __name__)


def parts():
    """Return what the application is made of: `folder`, `grader`, `explainer`."""
    return current_app.extensions["drcls"]


@pages.get("/")
@login_required
def case_list():
    search = _search()
    page = max(1, request.args.get("page", 1, type=int))
    rows, total = find_cases(get_db(), **search, page=page)
    last = last_page(total)
    query = {name: value for name, value in search.items() if value}
    return render_template(
        "cases.html",
        rows=rows,
        total=total,
        page=min(page, last),
        last=last,
        search=search,
        query=query,
        states=STATES,
    )


@pages.get("/cases.csv")
@login_required
def export():
    search = _search()
    rows, total = find_cases(get_db(), **search, page=None)
    with transaction(get_db()):
        audit.append(get_db(), account()["name"], "export", num_cases=total, search=search)
    disposition = {"Content-Disposition": "attachment; filename=cases.csv"}
    return Response(cases_csv(rows), mimetype="text/csv", headers=disposition)


@pages.get("/upload")
@login_required
def upload_form():
    return _upload_page([], {})


@pages.post("/upload")
@login_required
def upload():
    files = [file for file in request.files.getlist("photographs") if file.filename or file.content_length]
    fields = {
        "reference": request.form.get("reference", "").strip(),
        "eye": request.form.get("eye", "unknown"),
    }
    if not files:
        return _upload_page(["No photograph was chosen."], fields), 422
    if len(files) > MAX_FILES:
        return _upload_page(
            [f"{len(files)} files were sent; at most {MAX_FILES} are taken at once."], fields
        ), 422
    try:
        check_fields(**fields)
    except ValueError as error:
        return _upload_page([f"Nothing was stored: {error}."], fields), 422
    stored, refused = [], []
    for number, file in enumerate(files, start=1):
        name = (file.filename or "")[-40:]
        if stored:
            message = f"{len(stored)} of {len(files)} photographs were stored"
            g.recorded = f"{message}; file {number} and later ones were not."
        try:
            stored.append(_store(file.read(), fields))
        except RefusedImageError as error:
            refused.append(f"File {number} ({name}): {error}")
    if not stored:
        return _upload_page(refused, fields), 422
    for message in refused:
        flash(message, "warning")
    if len(files) == 1:
        return redirect(url_for(".case", case_id=stored[0]))
    flash(f"{len(stored)} of {len(files)} photographs were stored; the newest cases stand first.")
    _warn_of_ungraded(stored)
    return redirect(url_for(".case_list"))


def _warn_of_ungraded(stored):
    """Say how many cases have no grade: in a long list nobody looks for what is missing."""
    number = sum(load_case(get_db(), case_id)["prediction"] is None for case_id in stored)
    if number:
        message = Markup('{} did not pass the quality gate and have no grade: <a href="{}">show them</a>')
        flash(message.format(number, url_for(".case_list", state="ungradable")), "warning")


def _store(data, fields):
    name, image_sha256 = account()["name"], hashlib.sha256(data).hexdigest()
    with opened_image(data) as image:
        eye = _eye(data, fields["eye"])
        case_id = create_case(
            get_db(), parts().folder, parts().grader, name, image, image_sha256, fields["reference"], eye
        )
    parts().explainer.notify()
    return case_id


def _eye(data, chosen):
    """Return the eye of a photograph: as chosen, or as its file records it where none was.

    Raises:
        RefusedImageError: where the two differ: a grade would be filed under the wrong eye.
    """
    recorded = recorded_eye(data)
    if recorded and chosen not in ("unknown", recorded):
        raise RefusedImageError(
            f"The file is refused: its DICOM header says that it shows the {recorded} eye, and {chosen} was chosen; "
            "choose the other eye, or unknown to take it from the file."
        )
    return recorded or chosen


def _upload_page(errors, fields):
    return render_template("upload.html", errors=errors, fields=fields, eyes=EYES, max_files=MAX_FILES)


@pages.get("/cases/<case_id>")
@login_required
def case(case_id):
    found = _need_case(case_id)
    states = parts().explainer.states(get_db(), case_id)
    return render_template("case.html", case=found, explanations=states, titles=TITLES)


@pages.get("/cases/<case_id>/report")
@login_required
def report(case_id):
    found = _need_case(case_id)
    entries = get_db().execute(
        "SELECT id, at, actor, action, hash FROM audit WHERE case_id = ? ORDER BY id", (case_id,)
    )
    states = parts().explainer.states(get_db(), case_id)
    return render_template(
        "report.html", case=found, entries=entries.fetchall(), explanations=states, titles=TITLES
    )


@pages.get("/cases/<case_id>/<any(view, image, grad_cam, lime, shap):name>.png")
@login_required
def stored_image(case_id, name):
    _need_case(case_id)
    path = case_folder(parts().folder, case_id) / f"{name}.png"
    if not path.is_file():
        abort(404, "This picture has not been made.")
    return send_file(path, mimetype="image/png")


@pages.get("/cases/<case_id>/explanations")
@login_required
def explanation_states(case_id):
    _need_case(case_id)
    return jsonify(parts().explainer.states(get_db(), case_id))


@pages.post("/cases/<case_id>/explanations")
@login_required
def explain(case_id):
    if _need_case(case_id)["prediction"] is None:
        abort(409, "The case has no grade to explain.")
    try:
        parts().explainer.request(get_db(), account()["name"], case_id, request.form.get("method", ""))
    except ValueError as error:
        abort(422, str(error))
    return redirect(url_for(".case", case_id=case_id, _anchor="picture"))


@pages.post("/cases/<case_id>/grade")
@login_required
def grade(case_id):
    found, reason = _need_case(case_id), request.form.get("reason", "")
    image = read_image(case_folder(parts().folder, case_id) / "image.png")
    try:
        grade_anyway(
            get_db(), parts().grader, account()["name"], found["id"], _version(), image, reason.strip()
        )
    except ValueError as error:
        abort(422, f"Not graded: {error}.")
    parts().explainer.notify()
    return redirect(url_for(".case", case_id=case_id))


@pages.post("/cases/<case_id>/decision")
@login_required
def decision(case_id):
    _need_case(case_id)
    kind, chosen, reason = (request.form.get(name, "") for name in ("kind", "grade", "reason"))
    try:
        decide(get_db(), account()["name"], case_id, _version(), kind, chosen, reason.strip())
    except ValueError as error:
        abort(422, f"No decision was recorded: {error}.")
    flash("The decision was recorded.")
    return redirect(url_for(".case", case_id=case_id))


def _search():
    state = request.args.get("state", "")
    return {
        "text": request.args.get("text", "").strip()[:100],
        "state": state if state in STATES else "",
        "refer": "1" if request.args.get("refer") == "1" else "",
    }


def _need_case(case_id):
    found = load_case(get_db(), case_id)
    if found is None:
        abort(404, "There is no such case.")
    return found


def _version():
    return request.form.get("version", -1, type=int)
