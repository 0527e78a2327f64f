"""The pages that watch over the work: drift, quality assurance, the audit log, and what the system is for."""

import json

from flask import Blueprint, render_template, request

from drcls.app.access import admin_required, get_db, login_required
from drcls.app.case_views import parts
from drcls.app.drift import weekly
from drcls.app.quality import LIMITS
from drcls.app.verification import find_changes
from drcls.files import read_json

ENTRIES_PER_PAGE = 100

pages = Blueprint("admin", __name__)


@pages.get("/about")
@login_required
def about():
    return render_template("about.html", limits=LIMITS)


@pages.get("/drift")
@login_required
def drift():
    grader = parts().grader
    reference = (grader.calibration or {}).get("predicted_counts")
    weeks = weekly(get_db(), reference, model_sha256=grader.sha256)
    return render_template("drift.html", weeks=weeks, names=grader.class_names, limits=LIMITS)


@pages.get("/quality-assurance")
@login_required
def quality_assurance():
    rows = get_db().execute("SELECT at, record FROM checks ORDER BY id DESC LIMIT 50")
    checks = [json.loads(row["record"]) | {"at": row["at"]} for row in rows]
    path = parts().folder / "acceptance.json"
    criteria = read_json(path) if path.is_file() else None
    return render_template("quality_assurance.html", checks=checks, criteria=criteria)


@pages.get("/audit")
@admin_required
def audit_log():
    page = max(1, min(request.args.get("page", 1, type=int), 10**6))
    rows = get_db().execute(
        "SELECT * FROM audit ORDER BY id DESC LIMIT ? OFFSET ?",
        (ENTRIES_PER_PAGE, ENTRIES_PER_PAGE * (page - 1)),
    )
    total = get_db().execute("SELECT count(*) FROM audit").fetchone()[0]
    last = max(1, -(-total // ENTRIES_PER_PAGE))
    return render_template(
        "audit.html",
        entries=rows.fetchall(),
        total=total,
        page=page,
        last=last,
        problems=find_changes(get_db(), parts().folder) if request.args.get("verify") else None,
    )
