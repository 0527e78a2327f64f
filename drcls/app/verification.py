"""Has anything been changed behind the application's back? The log, the database, and the files, held together.

Each fault is one line, and none hides the others: whoever changed one row may have filled another with garbage.
Whoever can write the whole database can write the whole chain anew. Against that, and against a database that was
put back, helps a head of the log that is kept elsewhere (`audit.head`).
"""

import contextlib
import hashlib
import json
import sqlite3
import time
from collections import Counter

from drcls.app import audit
from drcls.app.accounts import CLOCK_SECONDS, FAILURE_SECONDS
from drcls.app.db import case_folder, expected_schema, schema
from drcls.app.replay import Replay, password_sha256

# What wrong content of a row can raise on its way.
GARBAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
JSON_COLUMNS = ("quality", "prediction", "record")


def find_changes(connection, folder, heads=()):
    """Look for any change of the log, of the rows that pages and rights depend on, and of the stored files.

    Args:
        connection: open database.
        folder: Path of the data folder.
        heads: as for `verify`.

    Returns:
        list of str, one for each change; empty where there is none.
    """
    with _snapshot(connection):
        replay, problems = _follow(connection, heads)
        return problems + _compare(connection, replay) + _compare_files(folder, replay)


def verify(connection, heads=()):
    """Look for any change of the log, and of the database that it describes.

    A log that was cut at its end is a valid chain, so the number of entries ever written, which SQLite keeps, is
    held against it too.

    Args:
        connection: open database.
        heads: what `audit.head` returned earlier, kept elsewhere: dict of `entries` and `head`, or of `head` alone.

    Returns:
        list of str, as `find_changes`.
    """
    with _snapshot(connection):
        replay, problems = _follow(connection, heads)
        return problems + _compare(connection, replay)


@contextlib.contextmanager
def _snapshot(connection):
    """Read one state of the database, text that is none included."""
    factory, connection.text_factory = (
        connection.text_factory,
        lambda text: text.decode(errors="surrogateescape"),
    )
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.text_factory = factory


def _follow(connection, heads):
    """Return the `Replay` of the log, and what is wrong with the chain."""
    replay, problems, previous, hashes = Replay(), _compare_schema(connection), audit.START, {}
    number = 0
    try:
        for number, row in enumerate(connection.execute("SELECT * FROM audit ORDER BY id"), start=1):
            entry = dict(row)
            if entry["id"] != number:
                problems.append(f"entry {number} is missing; entry {entry['id']} stands in its place")
                break
            problems += _check_entry(replay, entry, previous)
            previous = entry["hash"]
            hashes[number] = previous
        written = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
        if len(hashes) == number and number != (written["seq"] if written else 0):
            problems.append(f"{written['seq'] if written else 0} entries were written, {number} are there")
    except sqlite3.DatabaseError as error:
        problems.append(f"the log cannot be read after entry {number}: {error}")
    return replay, problems + [problem for head in heads for problem in _check_head(head, hashes)]


def _check_entry(replay, entry, previous):
    problems = []
    if entry["previous"] != previous:
        problems.append(f"entry {entry['id']} is not chained to the entry before it")
    try:
        if entry["hash"] != audit.entry_hash(entry):
            return [*problems, f"entry {entry['id']} was changed: its hash is not that of its content"]
        replay.follow(entry)
    except GARBAGE:
        problems.append(
            f"entry {entry['id']} does not tell what an entry {str(entry['action'])[:40]!r} tells"
        )
    return problems


def _check_head(head, hashes):
    number, noted = head.get("entries"), head["head"]
    if number == 0 or (noted in hashes.values() if number is None else hashes.get(number) == noted):
        return []
    when = f" noted at {head['at']}" if "at" in head else ""
    if number is not None and number > len(hashes):
        return [
            f"{number} entries were there when the head {noted[:16]} was{when}, and now {len(hashes)} are: the "
            "database is older, or entries were removed"
        ]
    return [f"no entry has the hash {noted}{when}: the log was written anew, or is another one"]


def _compare_schema(connection):
    found, expected = schema(connection), expected_schema()
    changed = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    return [
        f"the {kind} {_named(name)} of the database is "
        f"{'not the one it was made with' if (kind, name) in found else 'missing'}"
        for kind, name in changed
    ]


def _compare(connection, replay):
    """Hold each table against the log."""
    compared = (
        ("case", "SELECT * FROM cases", lambda row: row["id"], replay.cases),
        ("explanation", "SELECT * FROM explanations", lambda row: (row["case_id"], row["method"]), replay.explanations),
        ("account", "SELECT * FROM accounts", lambda row: row["name"], replay.accounts),
        ("token", "SELECT * FROM tokens", lambda row: row["digest"], replay.tokens),
        ("fact", "SELECT * FROM facts", lambda row: row["name"], {n: {"value": v} for n, v in replay.facts.items()}),
        ("check", "SELECT *, row_number() OVER (ORDER BY id) AS number FROM checks", lambda row: row["number"],
         dict(enumerate(replay.checks, start=1))),
    )  # fmt: skip
    problems = []
    for kind, query, key_of, logged in compared:
        problems += _compare_table(connection, kind, query, key_of, dict(logged))
    problems += _compare_sessions(connection, replay) + _compare_decisions(connection, replay)
    return problems + _compare_failed_logins(connection, replay)


def _compare_table(connection, kind, query, key_of, logged):
    problems = []
    try:
        for row in connection.execute(query):
            key = key_of(row)
            columns, name = logged.pop(key, None), f"{kind} {_named(key)}"
            if columns is None:
                problems.append(f"{name} is in the database and not in the log")
                continue
            problems += [
                f"{name}: its {'password' if column == 'password_sha256' else column.replace('_', ' ')} "
                "is not the one in the log"
                for column, value in columns.items()
                if not _is_as_logged(row, column, value)
            ]
    except sqlite3.DatabaseError as error:
        problems.append(f"the {kind}s cannot be read: {error}")
    return problems + [f"{kind} {_named(key)} is in the log and not in the database" for key in logged]


def _is_as_logged(row, column, logged):
    try:
        if column == "password_sha256":
            return password_sha256(row["password"]) == logged
        if column == "state" and logged == "queued":  # it runs, or an earlier server ended over it
            return row["state"] in ("queued", "running")
        if column in JSON_COLUMNS and row[column] is not None:
            return json.loads(row[column]) == logged
        return row[column] == logged
    except GARBAGE:
        return False


def _named(key):
    """Name a row in ASCII: a terminal would obey what else may stand there."""
    text = ascii(" ".join(map(str, key)) if isinstance(key, tuple) else str(key))[1:-1]
    return text[:16] if len(text) == 64 else text[:80]


def _compare_sessions(connection, replay):
    """Every session must have been begun by a login; that some have ended is no change."""
    try:
        rows = connection.execute("SELECT digest, account, started FROM sessions").fetchall()
    except sqlite3.DatabaseError as error:
        return [f"the sessions cannot be read: {error}"]
    return [
        f"session {_named(row['digest'])} of {_named(row['account'])} was not begun by a login"
        for row in rows
        if replay.sessions.get(row["digest"]) != {"account": row["account"], "started": row["started"]}
    ]


def _compare_failed_logins(connection, replay):
    """The failed logins of the last minutes must still count: who deletes them may go on guessing passwords.

    A row is written before the password is looked at and its log entry after, so the oldest minute is left out. So
    are those in the future, from a clock that was wrong: the next login deletes them.
    """
    moment = time.time()
    since, until = moment - FAILURE_SECONDS + 60, moment + CLOCK_SECONDS
    logged = Counter(failure["address"] for failure in replay.failed_logins if since < failure["at"] <= until)
    try:
        counted = Counter(row["address"] for row in connection.execute("SELECT address FROM failed_logins"))
    except sqlite3.DatabaseError as error:
        return [f"the failed logins cannot be read: {error}"]
    return [
        f"failed logins from {_named(address)}: {number} in the log of the last minutes, {counted[address]} counted"
        for address, number in logged.items()
        if counted[address] < number
    ]


def _compare_decisions(connection, replay):
    found = {case_id: [] for case_id in replay.decisions}
    try:
        for row in connection.execute("SELECT * FROM decisions ORDER BY id"):
            columns = {name: row[name] for name in ("at", "author", "kind", "grade", "reason")}
            found.setdefault(row["case_id"], []).append(columns)
    except sqlite3.DatabaseError as error:
        return [f"the decisions cannot be read: {error}"]
    return [
        f"case {_named(case_id)}: its decisions are not those in the log"
        for case_id in found
        if found[case_id] != replay.decisions.get(case_id)
    ]


def _compare_files(folder, replay):
    problems = []
    for case_id, files in replay.files.items():
        for name, logged in files.items():
            what = {"image.png": "photograph", "view.png": "view"}.get(
                name, f"{name.removesuffix('.png')} heat map"
            )
            problems += _compare_file(
                case_folder(folder, case_id) / name, logged, f"case {case_id}: its {what}"
            )
        queued = {f"{method}.png" for case, method in replay.explanations if case == case_id}
        problems += _find_foreign(case_folder(folder, case_id), {*files, *queued}, case_id)
    settings = [(folder / "acceptance.json", replay.criteria, "the acceptance criteria")]
    settings += [
        (
            folder / "models" / model[:16] / "calibration.json",
            logged,
            f"the calibration of the model {model[:16]}",
        )
        for model, logged in replay.calibrations.items()
    ]
    problems += [problem for setting in settings for problem in _compare_setting(*setting)]
    return problems + _find_foreign_calibrations(folder, replay)


def _compare_file(path, logged, name):
    try:
        if not path.is_file():
            return [f"{name} is missing"]
        if hashlib.sha256(path.read_bytes()).hexdigest() != logged:
            return [f"{name} is not the one that was stored"]
    except (OSError, ValueError) as error:
        return [f"{name} cannot be read: {error}"]
    return []


def _find_foreign(folder, known, case_id):
    try:
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    except (OSError, ValueError):
        return []
    return [
        f"case {case_id}: the log does not know its file {_named(name)}"
        for name in found
        if name.endswith(".png") and name not in known
    ]


def _find_foreign_calibrations(folder, replay):
    """Name each calibration that no entry of the log tells of: it would change what a model answers."""
    known = {model[:16] for model in replay.calibrations}
    return [
        f"the log does not know the calibration of the model {_named(path.parent.name)}, {path.name}"
        for path in sorted((folder / "models").glob("*/calibration.json"))
        if path.parent.name not in known
    ]


def _compare_setting(path, logged, name):
    try:
        content = json.loads(path.read_text()) if path.is_file() else None
    except (OSError, ValueError, RecursionError) as error:
        return [f"{name}, {path.name}, cannot be read: {error}"]
    if content == logged:
        return []
    return [f"{name}, {path.name}, {'are not' if name.endswith('s') else 'is not'} what the log says"]
