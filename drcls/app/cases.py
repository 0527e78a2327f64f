"""Cases: one photograph, what the model says of it, and what the clinician decides."""

import csv
import hashlib
import io
import json
import re
import secrets
import shutil
import time
import unicodedata
from dataclasses import asdict
from datetime import UTC, datetime

from drcls.app import audit
from drcls.app.db import case_folder, folded, now, sync_folder, transaction, write_durably
from drcls.app.image_decoding import encode_png, view
from drcls.app.quality import assess, is_gradable

EYES = ("unknown", "left", "right")
KINDS = ("confirmed", "overridden", "retake")
STATES = ("ungradable", "graded", *KINDS)
MAX_REFERENCE, MAX_REASON = 64, 500
PER_PAGE = 50
# A spreadsheet may take any of these for the end of a cell, and the wide forms for the narrow ones.
FORMULA = re.compile(r"(^|[;,\t\r\n|])([^\S\t\r\n]*[=+\-@＝＋－＠])")
# They change the order in which text is shown, or hide characters: what is read is not what is there.
DECEIVING = frozenset("\u061c\u200b\u200e\u200f\u2028\u2029\u2060\ufeff") | {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
COLUMNS = [
    "id",
    "created",
    "author",
    "reference",
    "eye",
    "state",
    "grade",
    "confidence",
    "refer",
    "final_grade",
    "gradable",
    "quality_override",
    "image_sha256",
    "width",
    "height",
    "model_sha256",
    "demonstration",
    "calibrated",
]
# Columns that a list has besides those of its table: what a grade is worth depends on the model that gave it.
FROM_PREDICTION = ", ".join(
    f"CASE WHEN json_valid(prediction) THEN json_extract(prediction, '$.{name}') END AS {name}"
    for name in ("model_sha256", "demonstration", "calibrated")
)


class ConflictError(Exception):
    """Somebody else changed the case in the meantime; the message says who and how."""


def create_case(connection, folder, grader, author, image, image_sha256, reference="", eye="unknown"):
    """Store a photograph as a case: assessed, graded where it can be, and logged, or not stored at all.

    The files are complete before the case is in the database; files without a case, which a killed server
    leaves behind, are moved aside by `quarantine_unknown_files` at the next start.

    Args:
        connection: open database.
        folder: Path of the data folder.
        grader: `Grader`.
        author: str, name of the account.
        image: uint8 (H, W, 3), from `read_image`.
        image_sha256: str, of the bytes as sent.
        reference: str, what the clinic calls the patient or visit.
        eye: "unknown", "left" or "right".

    Returns:
        str, the id of the case.

    Raises:
        ValueError: on another eye or too long a reference.
        OSError, sqlite3.OperationalError: where it cannot be stored; then nothing is.
    """
    check_fields(reference, eye)
    criteria = assess(image, grader.gate)
    gradable = is_gradable(criteria)
    prediction = asdict(grader.grade(image)) if gradable else None
    case_id = secrets.token_hex(6)
    moment, (height, width) = now(), image.shape[:2]
    try:
        hashes = _write_files(folder, case_id, image, grader.preparation)
        with transaction(connection):
            connection.execute(
                "INSERT INTO cases (id, created, author, reference, eye, image_sha256, width, height, quality, "
                "gradable, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'ungradable')",
                (
                    case_id,
                    moment,
                    author,
                    reference,
                    eye,
                    image_sha256,
                    width,
                    height,
                    json.dumps(criteria),
                    gradable,
                ),
            )
            audit.append(
                connection,
                author,
                "upload",
                case_id,
                moment,
                image_sha256=image_sha256,
                gate=grader.gate,
                quality=criteria,
                gradable=gradable,
                eye=eye,
                reference=reference,
                width=width,
                height=height,
                **hashes,
            )
            if prediction:
                _record_prediction(connection, grader, author, case_id, image_sha256, prediction)
    except BaseException:
        shutil.rmtree(case_folder(folder, case_id), ignore_errors=True)
        raise
    return case_id


def check_fields(reference, eye):
    """Raise a ValueError where the reference is too long or deceives, or the eye is not one of `EYES`."""
    if eye not in EYES:
        raise ValueError(f"eye {eye!r} received; expected one of {EYES}")
    if len(reference) > MAX_REFERENCE:
        raise ValueError(
            f"reference of {len(reference)} characters received; at most {MAX_REFERENCE} expected"
        )
    check_text("reference", reference)


def check_text(name, text, allowed=""):
    """Raise a ValueError where text holds control characters, bidirectional or invisible ones.

    Args:
        name: str, what the text is, for the message.
        text: str.
        allowed: control characters that may stand in it.
    """
    for character in text:
        if character in allowed:
            continue
        if character in DECEIVING or unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(
                f"a {name} with the character U+{ord(character):04X} received; expected text without control, "
                "bidirectional or invisible characters"
            )


def grade_anyway(connection, grader, author, case_id, version, image, reason):
    """Grade a case that the quality gate stopped, and record who wanted that and why.

    Raises:
        ValueError: without a reason.
        ConflictError: where the case has changed since the page was drawn.
    """
    _check_reason(reason, needed=True)
    prediction = asdict(grader.grade(image))
    with transaction(connection):
        case = _need_unchanged(connection, case_id, version, ("ungradable",))
        connection.execute("UPDATE cases SET quality_override = ? WHERE id = ?", (reason, case_id))
        audit.append(connection, author, "quality_override", case_id, reason=reason)
        _record_prediction(connection, grader, author, case_id, case["image_sha256"], prediction)


def decide(connection, author, case_id, version, kind, grade="", reason=""):
    """Record what the clinician decides. A later decision is added to the earlier ones and counts.

    Args:
        connection: open database.
        author: str, name of the account.
        case_id: str.
        version: int, of the case as the clinician saw it.
        kind: "confirmed", "overridden" or "retake".
        grade: str, for an override: one of the model's class names, other than its own grade; else "".
        reason: str, needed for an override.

    Raises:
        ValueError: on another kind or grade, a grade that the decision does not give, or without a reason.
        ConflictError: where the case has changed since the page was drawn.
    """
    if kind not in KINDS:
        raise ValueError(f"decision {kind!r} received; expected one of {KINDS}")
    _check_reason(reason, needed=kind == "overridden")
    with transaction(connection):
        states = STATES if kind == "retake" else [state for state in STATES if state != "ungradable"]
        case = _need_unchanged(connection, case_id, version, states)
        final, moment = _final_grade(case, kind, grade), now()
        connection.execute(
            "INSERT INTO decisions (case_id, at, author, kind, grade, reason) VALUES (?, ?, ?, ?, ?, ?)",
            (case_id, moment, author, kind, final, reason),
        )
        connection.execute(
            "UPDATE cases SET state = ?, final_grade = ?, version = version + 1 WHERE id = ?",
            (kind, final, case_id),
        )
        audit.append(connection, author, "decision", case_id, moment, kind=kind, grade=final, reason=reason)


def load_case(connection, case_id):
    """Return a case as dict, or None; `quality` and `prediction` are decoded.

    `decisions` are added, the latest first, and `same_image`: up to five other cases of the very same file.
    """
    row = connection.execute("SELECT * FROM cases WHERE id = ?", (case_id,)).fetchone()
    if row is None:
        return None
    case = dict(row)
    case["quality"] = json.loads(case["quality"])
    case["prediction"] = json.loads(case["prediction"]) if case["prediction"] else None
    decisions = connection.execute("SELECT * FROM decisions WHERE case_id = ? ORDER BY id DESC", (case_id,))
    case["decisions"] = [dict(decision) for decision in decisions]
    same = connection.execute(
        "SELECT id FROM cases WHERE image_sha256 = ? AND id != ? ORDER BY created LIMIT 5",
        (case["image_sha256"], case_id),
    )
    case["same_image"] = [row["id"] for row in same]
    return case


def find_cases(connection, text="", state="", refer=False, page=1):
    """Search the cases, the newest first.

    Args:
        connection: open database.
        text: str, part of the reference, id, grade (as it is shown or as the model writes it) or author.
        state: one of `STATES`, or "" for all.
        refer: bool, only those flagged "refer".
        page: int from 1, beyond the last page the last; None: all of them.

    Returns:
        list of rows, with `model_sha256`, `demonstration` and `calibrated` of the prediction; int, how many there are
        in all.
    """
    where, values = ["1"], []
    if text:
        columns = ("reference", "id", "author", "replace(coalesce(final_grade, grade, ''), '_', ' ')")
        where.append("(" + " OR ".join(f"instr(folded({column}), ?)" for column in columns) + ")")
        values += [folded(text)] * 3 + [folded(text).replace("_", " ")]
    if state:
        where.append("state = ?")
        values.append(state)
    if refer:
        where.append("refer = 1")
    condition = " AND ".join(where)
    total = connection.execute(f"SELECT count(*) FROM cases WHERE {condition}", values).fetchone()[0]
    limit = "" if page is None else f" LIMIT {PER_PAGE} OFFSET {PER_PAGE * (min(page, last_page(total)) - 1)}"
    rows = connection.execute(
        f"SELECT *, {FROM_PREDICTION} FROM cases WHERE {condition} ORDER BY created DESC, rowid DESC{limit}",
        values,
    )
    return rows.fetchall(), total


def last_page(total):
    """Return the number of the last page of a list of so many cases."""
    return max(1, -(-total // PER_PAGE))


def cases_csv(rows):
    """Return cases as CSV text; what a spreadsheet would run as a formula is led by an apostrophe.

    That goes for what follows a semicolon too: in many countries it separates the cells of a CSV file.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        unchecked = {"gradable": "not checked"} if not json.loads(row["quality"]) else {}
        writer.writerow([_harmless(unchecked.get(name, row[name])) for name in COLUMNS])
    return text.getvalue()


def quarantine_unknown_files(connection, folder):
    """Move photographs of cases that the database does not know out of sight; call it before the server takes requests.

    A killed server leaves such photographs behind, and so does an older database that was put in place of the
    current one. They are photographs of patients in either case: they are moved to `quarantine/`, and the log says
    so. Only what was never whole, `.ID.partial`, is removed. Files that are no folders are somebody else's.

    Args:
        connection: open database.
        folder: Path of the data folder.

    Returns:
        list of Path, where they are now.
    """
    known = {row["id"] for row in connection.execute("SELECT id FROM cases")}
    found = sorted(path for path in (folder / "cases").iterdir() if path.is_dir() and path.name not in known)
    for path in found:
        if path.name.startswith(".") and path.name.endswith(".partial"):
            shutil.rmtree(path)
    unknown = [path for path in found if not path.name.startswith(".")]
    if not unknown:
        return []
    quarantine = folder / "quarantine" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    quarantine.mkdir(parents=True, mode=0o700)
    with transaction(connection):
        audit.append(
            connection,
            "command line",
            "quarantine",
            cases=[path.name for path in unknown],
            folder=f"quarantine/{quarantine.name}",
        )
        for path in unknown:
            shutil.move(path, quarantine / path.name)  # `cases` may lie on another disk
    return [quarantine / path.name for path in unknown]


def _write_files(folder, case_id, image, preparation):
    """Store photograph and view, both or none; return dict of their SHA-256, `stored_sha256` and `view_sha256`."""
    target = case_folder(folder, case_id)
    partial = target.with_name(f".{case_id}.partial")
    try:
        partial.mkdir(mode=0o700)
        picture, shown = encode_png(image), encode_png(view(image, preparation))
        write_durably(partial / "image.png", picture)
        write_durably(partial / "view.png", shown)
        sync_folder(partial)
        partial.replace(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {
        "stored_sha256": hashlib.sha256(picture).hexdigest(),
        "view_sha256": hashlib.sha256(shown).hexdigest(),
    }


def _record_prediction(connection, grader, author, case_id, image_sha256, prediction):
    record = prediction | grader.description()
    connection.execute(
        "UPDATE cases SET prediction = ?, grade = ?, confidence = ?, refer = ?, state = 'graded', "
        "version = version + 1 WHERE id = ?",
        (json.dumps(record), record["grade"], record["confidence"], record["refer"], case_id),
    )
    connection.execute(
        "INSERT OR REPLACE INTO explanations (case_id, method, state, queued) VALUES (?, 'grad_cam', 'queued', ?)",
        (case_id, time.time()),
    )
    audit.append(connection, author, "prediction", case_id, image_sha256=image_sha256, prediction=record)


def _need_unchanged(connection, case_id, version, states):
    case = connection.execute("SELECT * FROM cases WHERE id = ?", (case_id,)).fetchone()
    if case is None:
        raise ConflictError(f"The case {case_id} does not exist.")
    if case["version"] != version or case["state"] not in states:
        last = connection.execute(
            "SELECT author, kind, at FROM decisions WHERE case_id = ? ORDER BY id DESC LIMIT 1", (case_id,)
        ).fetchone()
        who = f"{last['author']} recorded “{last['kind']}” at {last['at']}. " if last else ""
        raise ConflictError(
            f"The case has changed since you opened it. {who}Nothing of yours was recorded; look at the case "
            "again and decide then."
        )
    return case


def _final_grade(case, kind, grade):
    if kind != "retake" and case["prediction"] is None:
        raise ConflictError(
            "The case has no grade: a photograph that does not pass the gate is graded first."
        )
    if kind != "overridden":
        final = case["grade"] if kind == "confirmed" else None
        if grade and grade != final:  # which of the two was meant, only the clinician can say
            raise ValueError(
                f"a grade was chosen, but the decision is not an override: {grade!r} with {kind!r} received; choose "
                "to override the grade, or choose no grade"
            )
        return final
    names = list(json.loads(case["prediction"])["probabilities"])
    if grade not in names or grade == case["grade"]:
        others = [name for name in names if name != case["grade"]]
        raise ValueError(f"grade {grade!r} received; an override expects one of {others}")
    return grade


def _check_reason(reason, needed):
    if needed and not reason.strip():
        raise ValueError("a reason is expected, and none was given")
    if len(reason) > MAX_REASON:
        raise ValueError(f"a reason of {len(reason)} characters received; at most {MAX_REASON} expected")
    check_text("reason", reason, allowed="\r\n\t")


def _harmless(value):
    text = "" if value is None else str(value)
    shown = "".join("\ufffd" if c in DECEIVING or (c < " " and c not in "\t\r\n") else c for c in text)
    return FORMULA.sub(r"\1'\2", shown)
