"""What somebody with the files of a server could change behind its back: one change each, triggers put back."""

import contextlib
import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drcls.app.acceptance import check, store_criteria
from drcls.app.accounts import add_account, add_token, log_in, log_out, set_password
from drcls.app.audit import entry_hash
from drcls.app.cases import create_case, decide, grade_anyway
from drcls.app.db import connect, create_folder, expected_schema
from drcls.app.deployment import deploy_calibration, keep_grades
from drcls.app.explanations import Explainer
from drcls.app.inference import Grader


def build_folder(folder, grader, data_set, draw, password):
    """Fill a data folder with everything that the pages show: built through the application's own functions."""
    create_folder(folder)
    shutil.copytree(grader.folder, folder / "models" / grader.folder.name, dirs_exist_ok=True)
    deployed = Grader(grader.file, folder, grader.preparation, num_threads=1)
    with contextlib.closing(connect(folder)) as connection:
        keep_grades(connection, deployed, folder)
        add_account(connection, "anna", password, "admin")
        add_account(connection, "ben", password, "clinician")
        set_password(connection, "ben", password + "!")
        add_token(connection, "ben")
        log_in(connection, "ben", "wrong", "10.0.0.1")
        log_out(connection, log_in(connection, "anna", password, "10.0.0.1"))
        log_in(connection, "anna", password, "10.0.0.1")
        cases = [create_case(connection, folder, deployed, "ben", draw(seed, 96), "ab" * 32, f"visit {seed}")
                 for seed in (1, 2)]  # fmt: skip
        dark = (draw(3, 96) * 0.2).astype("uint8")
        cases.append(create_case(connection, folder, deployed, "ben", dark, "cd" * 32))
        grade_anyway(connection, deployed, "ben", cases[2], 1, dark, "the only photograph")
        decide(connection, "ben", cases[0], 2, "confirmed")
        decide(connection, "anna", cases[0], 3, "retake")
        explainer = Explainer(folder, deployed)
        with ThreadPoolExecutor(1) as pool:
            while explainer._work_off(pool):
                pass
        criteria = folder.with_name("criteria.json")
        criteria.write_text(json.dumps({"accuracy": {"min": 0}}))
        store_criteria(connection, folder, criteria)
        check(connection, folder, deployed, data_set)
        deploy_calibration(connection, deployed, data_set)
    return folder


def in_database(*statements):
    """Return a tampering by SQL; the triggers are taken away before and put back after."""

    def tamper(folder):
        with contextlib.closing(connect(folder)) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            triggers = {name: sql for (kind, name), sql in expected_schema().items() if kind == "trigger"}
            for name in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            for sql in triggers.values():
                connection.execute(sql)

    return tamper


def forget_failed_logins(folder):
    """A guesser takes away what would lock it out."""
    with contextlib.closing(connect(folder)) as connection:
        log_in(connection, "ben", "guessed", "10.0.0.9")
    in_database("DELETE FROM failed_logins")(folder)


def rehashed(statement):
    """Return a tampering of one entry of the log that mends its own hash, and not those of the later ones."""

    def tamper(folder):
        in_database(statement)(folder)
        with contextlib.closing(connect(folder)) as connection:
            row = dict(connection.execute("SELECT * FROM audit WHERE id = 6").fetchone())
        in_database(f"UPDATE audit SET hash = '{entry_hash(row)}' WHERE id = 6")(folder)

    return tamper


def in_file(pattern, change):
    """Return a tampering of the first file that fits a pattern."""

    def tamper(folder):
        path = min(Path(folder).glob(pattern))
        change(path)

    return tamper


def append_byte(path):
    path.write_bytes(path.read_bytes() + b"x")


def swap_photographs(folder):
    one, two = sorted(Path(folder).glob("cases/*/image.png"))[:2]
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


CASE = "WHERE id = (SELECT min(id) FROM cases WHERE state = 'retake')"
COLUMNS = {
    "created": "'2001-01-01T00:00:00+00:00'", "author": "'anna'", "reference": "'visit 9'", "eye": "'left'",
    "image_sha256": "'ef'", "width": "5000", "height": "5000", "quality": "'[]'", "gradable": "0",
    "quality_override": "'none'", "prediction": "json_set(prediction, '$.confidence', 1)", "grade": "'none'",
    "confidence": "0.99", "refer": "1 - refer", "state": "'confirmed'", "final_grade": "'Mild'", "version": "9",
}  # fmt: skip
SHA256 = hashlib.sha256(b"x").hexdigest()
GARBAGE = ("x'ff00fe'", "'[[[['", "NULL", "-1e300", "'\x1b[2J'")
TAMPERINGS = {
    "failed login: forgotten": forget_failed_logins,
    **{f"case: {name}": in_database(f"UPDATE cases SET {name} = {value} {CASE}") for name, value in COLUMNS.items()},
    **{f"decision: {name}": in_database(f"UPDATE decisions SET {name} = {value} WHERE id = 1")
       for name, value in {"at": "'2001-01-01T00:00:00+00:00'", "author": "'anna'", "kind": "'overridden'",
                           "grade": "'Severe'", "reason": "'because'", "case_id": "'0123456789ab'"}.items()},
    "decision: removed": in_database("DELETE FROM decisions WHERE id = 2"),
    "decision: order": in_database("UPDATE decisions SET id = id + 10 WHERE id = 1"),
    "decision: smuggled": in_database(
        "INSERT INTO decisions (case_id, at, author, kind, reason) "
        "SELECT id, created, 'anna', 'confirmed', '' FROM cases"
    ),
    "case: removed": in_database(f"DELETE FROM cases {CASE}"),
    "case: smuggled": in_database(
        "INSERT INTO cases SELECT '0123456789ab', created, author, reference, eye, image_sha256, width, height, "
        "quality, gradable, quality_override, prediction, grade, confidence, refer, state, final_grade, version "
        f"FROM cases {CASE}"
    ),
    "account: role": in_database("UPDATE accounts SET role = 'admin' WHERE name = 'ben'"),
    "account: password": in_database(f"UPDATE accounts SET password = 'scrypt:32768:8:1$a${SHA256}'"),
    "account: active": in_database("UPDATE accounts SET active = 0 WHERE name = 'anna'"),
    "account: created": in_database("UPDATE accounts SET created = '2001' WHERE name = 'anna'"),
    "account: smuggled": in_database("INSERT INTO accounts VALUES ('eve', 'admin', 'x', 1, '')"),
    "account: removed": in_database("DELETE FROM accounts WHERE name = 'ben'"),
    "token: of another account": in_database("UPDATE tokens SET account = 'anna'"),
    "token: digest": in_database(f"UPDATE tokens SET digest = '{SHA256}'"),
    "token: smuggled": in_database(f"INSERT INTO tokens VALUES ('{SHA256}', 'anna', '')"),
    "token: removed": in_database("DELETE FROM tokens"),
    "session: of another account": in_database("UPDATE sessions SET account = 'ben'"),
    "session: started": in_database("UPDATE sessions SET started = started + 36000"),
    "session: smuggled": in_database(f"INSERT INTO sessions VALUES ('{SHA256}', 'anna', 2e9, 2e9)"),
    "check: passed": in_database("UPDATE checks SET passed = 0"),
    "check: at": in_database("UPDATE checks SET at = '2001'"),
    "check: record": in_database("UPDATE checks SET record = json_set(record, '$.metrics.accuracy', 1)"),
    "check: removed": in_database("DELETE FROM checks"),
    "check: smuggled": in_database("INSERT INTO checks (at, passed, record) SELECT at, passed, record FROM checks"),
    "fact: grades": in_database("UPDATE facts SET value = '[\"a\", \"b\"]'"),
    "fact: smuggled": in_database("INSERT INTO facts VALUES ('grade', '')"),
    "explanation: state": in_database("UPDATE explanations SET state = 'failed'"),
    "explanation: error": in_database("UPDATE explanations SET error = 'none'"),
    "explanation: removed": in_database("DELETE FROM explanations"),
    "explanation: smuggled": in_database("INSERT INTO explanations SELECT id, 'lime', 'done', 0, NULL FROM cases"),
    **{f"log: {name}": in_database(f"UPDATE audit SET {name} = 'x' WHERE id = 6")
       for name in ("at", "actor", "action", "case_id", "details", "previous", "hash")},
    "log: an entry with its hash": rehashed("UPDATE audit SET actor = 'eve' WHERE id = 6"),
    "log: first entry removed": in_database("DELETE FROM audit WHERE id = 1"),
    "log: an entry removed": in_database("DELETE FROM audit WHERE id = 6"),
    "log: last entry removed": in_database("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)"),
    "log: emptied": in_database("DELETE FROM audit"),
    "log: emptied, and its count": in_database("DELETE FROM audit", "DELETE FROM sqlite_sequence"),
    "log: exchanged": in_database(
        "UPDATE audit SET id = -id WHERE id IN (6, 7)", "UPDATE audit SET id = 13 + id WHERE id < 0"
    ),
    "log: appended without a hash": in_database(
        "INSERT INTO audit SELECT id + 1, at, actor, action, case_id, details, hash, hash FROM audit "
        "ORDER BY id DESC LIMIT 1"
    ),
    "log: a longer count": in_database("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'audit'"),
    "schema: a trigger fewer": lambda folder: _run(folder, "DROP TRIGGER audit_is_only_appended"),
    "schema: a trigger more": lambda folder: _run(
        folder, "CREATE TRIGGER t AFTER INSERT ON decisions BEGIN UPDATE accounts SET role = 'admin'; END"
    ),
    **{f"garbage in {table}.{column}: {value!r}": in_database(f"UPDATE OR IGNORE {table} SET {column} = {value}")
       for table, column in (("cases", "quality"), ("checks", "record"), ("audit", "details"), ("accounts", "password"))
       for value in GARBAGE if value != "NULL"},
    "file: photograph changed": in_file("cases/*/image.png", append_byte),
    "file: photograph removed": in_file("cases/*/image.png", Path.unlink),
    "file: photographs exchanged": swap_photographs,
    "file: view changed": in_file("cases/*/view.png", append_byte),
    "file: view removed": in_file("cases/*/view.png", Path.unlink),
    "file: heat map changed": in_file("cases/*/grad_cam.png", append_byte),
    "file: heat map removed": in_file("cases/*/grad_cam.png", Path.unlink),
    "file: heat map smuggled": in_file("cases/*", lambda path: shutil.copy(path / "view.png", path / "lime.png")),
    "file: photograph a folder": in_file("cases/*/image.png", lambda path: (path.unlink(), path.mkdir())),
    "file: criteria changed": in_file("acceptance.json", lambda path: path.write_text('{"accuracy": {"min": -1}}')),
    "file: criteria removed": in_file("acceptance.json", Path.unlink),
    "file: calibration changed": in_file(
        "models/*/calibration.json",
        lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"temperature": 9.0})),
    ),
    "file: calibration smuggled": in_file(
        "models/*/calibration.json",
        lambda path: shutil.copytree(path.parent, path.parent.with_name("0123456789abcdef")),
    ),
    "file: calibration removed": in_file("models/*/calibration.json", Path.unlink),
    "file: calibration garbage": in_file("models/*/calibration.json", lambda path: path.write_bytes(b"\xff{")),
}  # fmt: skip


def _run(folder, statement):
    with contextlib.closing(connect(folder)) as connection:
        connection.execute(statement)
