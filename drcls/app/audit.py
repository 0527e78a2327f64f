"""The audit log: append-only, each entry chained to the one before it by its hash."""

import hashlib
import json

from drcls.app.store import now

START = "0" * 64


def append(connection, actor, action, case_id=None, **details):
    """Append an entry; call it inside the transaction that does what it records.

    Args:
        connection: open database, inside a transaction.
        actor: str, name of the account, or "command line".
        action: str, what was done: "prediction", "decision", ...
        case_id: str or None.
        **details: what JSON can hold.

    Returns:
        dict with `id` and `hash` of the entry.

    Raises:
        RuntimeError: outside a transaction, where two entries could be chained to one.
    """
    if not connection.in_transaction:
        raise RuntimeError(f"audit entry {action!r} outside a transaction")
    last = connection.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    entry = {
        "id": last["id"] + 1 if last else 1,
        "at": now(),
        "actor": actor,
        "action": action,
        "case_id": case_id,
        "details": json.dumps(details, sort_keys=True, allow_nan=False),
        "previous": last["hash"] if last else START,
    }
    entry["hash"] = entry_hash(entry)
    connection.execute(
        "INSERT INTO audit VALUES (:id, :at, :actor, :action, :case_id, :details, :previous, :hash)", entry
    )
    return {"id": entry["id"], "hash": entry["hash"]}


def entry_hash(entry):
    """Return the SHA-256 of an entry, the hash of the one before it included, as hexadecimal text."""
    fields = [entry[key] for key in ("id", "at", "actor", "action", "case_id", "details", "previous")]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def verify(connection, head=None):
    """Look for any change of the log, and of the cases that it describes.

    A log cut at its end is a valid chain, so the number of entries ever written (kept by SQLite) and the
    cases and decisions are held against it too. Whoever can rewrite the whole database can rewrite the chain:
    note the head elsewhere from time to time and pass it here.

    Args:
        connection: open database.
        head: str, a hash noted earlier that must be in the log; None for none.

    Returns:
        list of str, what is wrong; empty for a log without change.
    """
    problems, previous, hashes, told = [], START, set(), {}
    number = 0
    for number, row in enumerate(connection.execute("SELECT * FROM audit ORDER BY id"), start=1):
        entry = dict(row)
        if entry["id"] != number:
            problems.append(f"entry {number} is missing; entry {entry['id']} stands in its place")
            return problems
        if entry["previous"] != previous:
            problems.append(f"entry {number} is not chained to the entry before it")
        if entry["hash"] != entry_hash(entry):
            problems.append(f"entry {number} was changed: its hash is not that of its content")
        else:
            try:
                _retell(told, entry)
            except (ValueError, LookupError, TypeError):
                problems.append(f"entry {number} does not tell what an entry {entry['action']!r} tells")
        previous = entry["hash"]
        hashes.add(previous)
    written = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
    if number != (written["seq"] if written else 0):
        problems.append(f"{written['seq'] if written else 0} entries were written, {number} are there")
    if head is not None and head not in hashes:
        problems.append(f"no entry has the hash {head}")
    return problems + _compare(connection, told)


def _retell(told, entry):
    """Follow what the log says of each case: the columns of its row, and its decisions."""
    details = json.loads(entry["details"])
    if entry["action"] == "upload":
        columns = {name: details[name] for name in ("image_sha256", "quality", "eye", "reference")}
        told[entry["case_id"]] = {
            **columns,
            "author": entry["actor"],
            "state": "ungradable",
            **dict.fromkeys(
                ("quality_override", "prediction", "grade", "confidence", "refer", "final_grade")
            ),
            "decisions": [],
        }
    elif entry["action"] == "quality_override":
        told[entry["case_id"]]["quality_override"] = details["reason"]
    elif entry["action"] == "prediction" and entry["case_id"]:
        prediction = details["prediction"]
        columns = {name: prediction[name] for name in ("grade", "confidence", "refer")}
        told[entry["case_id"]].update(columns, prediction=prediction, state="graded")
    elif entry["action"] == "decision":
        kind, grade, reason = details["kind"], details["grade"], details["reason"]
        told[entry["case_id"]].update(state=kind, final_grade=grade)
        told[entry["case_id"]]["decisions"].append((entry["actor"], kind, grade, reason))


def _compare(connection, told):
    problems = []
    for row in connection.execute("SELECT * FROM cases"):
        case = told.pop(row["id"], None)
        if case is None:
            problems.append(f"case {row['id']} is in the database and not in the log")
            continue
        decisions = connection.execute(
            "SELECT author, kind, grade, reason FROM decisions WHERE case_id = ? ORDER BY id", (row["id"],)
        )
        if case.pop("decisions") != [tuple(decision) for decision in decisions]:
            problems.append(f"case {row['id']}: its decisions are not those in the log")
        for name, value in case.items():
            is_text = name in ("quality", "prediction") and row[name]
            if value != (json.loads(row[name]) if is_text else row[name]):
                problems.append(f"case {row['id']}: its {name.replace('_', ' ')} is not the one in the log")
    return problems + [f"case {case_id} is in the log and not in the database" for case_id in told]
