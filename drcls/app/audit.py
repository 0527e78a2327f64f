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
            _retell(told, entry)
        previous = entry["hash"]
        hashes.add(previous)
    written = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
    if number != (written["seq"] if written else 0):
        problems.append(f"{written['seq'] if written else 0} entries were written, {number} are there")
    if head is not None and head not in hashes:
        problems.append(f"no entry has the hash {head}")
    return problems + _compare(connection, told)


def _retell(told, entry):
    """Follow what the log says of each case: its image, latest prediction and decisions."""
    case = told.setdefault(entry["case_id"], {"decisions": []})
    details = json.loads(entry["details"])
    if entry["action"] == "upload":
        case["image_sha256"] = details["image_sha256"]
    elif entry["action"] == "prediction":
        case["prediction"] = details["prediction"]
    elif entry["action"] == "decision":
        case["decisions"].append((entry["actor"], details["kind"], details["grade"], details["reason"]))


def _compare(connection, told):
    problems = []
    for row in connection.execute("SELECT id, image_sha256, prediction FROM cases"):
        case = told.pop(row["id"], {"decisions": []})
        decisions = connection.execute(
            "SELECT author, kind, grade, reason FROM decisions WHERE case_id = ? ORDER BY id", (row["id"],)
        )
        if case.get("image_sha256") != row["image_sha256"]:
            problems.append(f"case {row['id']}: its image is not the one in the log")
        if case.get("prediction") != (json.loads(row["prediction"]) if row["prediction"] else None):
            problems.append(f"case {row['id']}: its prediction is not the one in the log")
        if case["decisions"] != [tuple(decision) for decision in decisions]:
            problems.append(f"case {row['id']}: its decisions are not those in the log")
    missing = [case_id for case_id, case in told.items() if case_id and "image_sha256" in case]
    return problems + [f"case {case_id} is in the log and not in the database" for case_id in missing]
