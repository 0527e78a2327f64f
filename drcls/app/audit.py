"""The audit log: append-only, each entry chained to the one before it by its hash."""

import hashlib
import json

from drcls.app.db import now

START = "0" * 64
FIELDS = ("id", "at", "actor", "action", "case_id", "details", "previous")


def append(connection, actor, action, case_id=None, at=None, **details):
    """Append an entry; call it inside the transaction that does what it records.

    Args:
        connection: open database, inside a transaction.
        actor: str, name of the account, or "command line", or "server".
        action: str, what was done: "prediction", "decision", ...
        case_id: str or None.
        at: str, from `now`, where the same moment is stored elsewhere too; None: now.
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
        "at": at or now(),
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
    return hashlib.sha256(json.dumps([entry[key] for key in FIELDS]).encode()).hexdigest()


def head(connection):
    """Return what to note elsewhere: dict of `entries`, the number of them, `head`, the last hash, and `at`."""
    last = connection.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    return {"entries": last["id"] if last else 0, "head": last["hash"] if last else START, "at": now()}
