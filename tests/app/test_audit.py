"""The audit log: chained, append-only, and any change is found."""

import hashlib
import json
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drcls.app import audit
from drcls.app.db import case_folder, expected_schema, transaction
from drcls.app.verification import find_changes, verify


def write(database, number):
    with transaction(database):
        return [audit.append(database, "ben", "export", None, number=i) for i in range(number)]


def tamper(database, statement, *values):
    """Change the log as somebody with the database file could: without the triggers, which are put back."""
    triggers = {name: sql for (kind, name), sql in expected_schema().items() if kind == "trigger"}
    for name in triggers:
        database.execute(f"DROP TRIGGER {name}")
    database.execute(statement, values)
    for sql in triggers.values():
        database.execute(sql)


def test_the_hash_by_hand(database):
    with transaction(database):
        first = audit.append(database, "ben", "prediction", "c1", grade="Mild")
    row = database.execute("SELECT * FROM audit").fetchone()
    text = json.dumps([1, row["at"], "ben", "prediction", "c1", '{"grade": "Mild"}', "0" * 64])
    assert first == {"id": 1, "hash": hashlib.sha256(text.encode()).hexdigest()}
    with transaction(database):
        audit.append(database, "ben", "login")
    assert database.execute("SELECT previous FROM audit WHERE id = 2").fetchone()[0] == first["hash"]


def test_an_untouched_log_is_clean(database):
    assert verify(database) == []
    entries = write(database, 3)
    assert verify(database, [{"head": entries[1]["hash"]}]) == []
    assert "no entry has the hash abc" in verify(database, [{"head": "abc"}])[0]


def test_sqlite_itself_refuses_changes(database):
    write(database, 2)
    for statement in ("UPDATE audit SET actor = 'eve'", "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)


def test_an_entry_needs_a_transaction(database):
    with pytest.raises(RuntimeError, match="'login' outside a transaction"):
        audit.append(database, "ben", "login")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    number=st.integers(1, 4),
    column=st.sampled_from(["at", "actor", "action", "case_id", "details", "previous", "hash"]),
    value=st.one_of(st.text(max_size=8), st.just("{}")),
)
def test_any_changed_field_is_found(database, number, column, value):
    if not database.execute("SELECT 1 FROM audit").fetchone():
        database.execute("PRAGMA synchronous = OFF")  # many small changes, and nothing that must last
        write(database, 4)
    before = database.execute(f"SELECT {column} FROM audit WHERE id = ?", (number,)).fetchone()[0]
    try:
        tamper(database, f"UPDATE audit SET {column} = ? WHERE id = ?", value, number)
        assert bool(verify(database)) == (value != before)
    finally:
        tamper(database, f"UPDATE audit SET {column} = ? WHERE id = ?", before, number)
    assert verify(database) == []


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_missing_entry_is_found(database, number):
    write(database, 4)
    tamper(database, "DELETE FROM audit WHERE id = ?", number)
    assert verify(database)


def test_exchanged_entries_are_found(database):
    write(database, 4)
    tamper(database, "UPDATE audit SET id = -id WHERE id IN (2, 3)")
    tamper(database, "UPDATE audit SET id = 5 + id WHERE id < 0")
    assert "entry 2 is not chained to the entry before it" in verify(database)


def test_an_entry_that_tells_nothing_is_named(database):
    with transaction(database):
        audit.append(database, "ben", "decision", "c1", kind="confirmed")
        audit.append(database, "ben", "upload", "c1")
    problems = verify(database)
    assert problems == [
        "entry 1 does not tell what an entry 'decision' tells",
        "entry 2 does not tell what an entry 'upload' tells",
    ]


@pytest.mark.parametrize(
    "column, value",
    [
        ("image_sha256", "ab"), ("author", "anna"), ("reference", "visit 8"), ("eye", "right"), ("quality", "[]"),
        ("quality_override", "none"), ("grade", "none"), ("confidence", 1), ("refer", 2), ("state", "confirmed"),
        ("final_grade", "Mild"), ("prediction", None),
    ],
)  # fmt: skip
def test_any_changed_column_of_a_case_is_found(case_id, database, column, value):
    assert verify(database) == []
    database.execute(f"UPDATE cases SET {column} = ?", (value,))
    assert verify(database) == [f"case {case_id}: its {column.replace('_', ' ')} is not the one in the log"]


def test_a_smuggled_case_is_found(accounts):
    accounts.execute(
        "INSERT INTO cases (id, created, author, reference, eye, image_sha256, width, height, quality, gradable, "
        "state) VALUES ('c1', '', 'ben', '', 'left', '', 1, 1, '[]', 0, 'ungradable')"
    )
    assert verify(accounts) == ["case c1 is in the database and not in the log"]


def test_a_changed_case_is_found(ben, case_id, database):
    ben.get(f"/cases/{case_id}")
    assert ben.post(f"/cases/{case_id}/decision", version="2", kind="confirmed").status_code == 302
    assert verify(database) == []
    database.execute("UPDATE decisions SET kind = 'retake'")
    assert verify(database) == [f"case {case_id}: its decisions are not those in the log"]
    database.execute("UPDATE cases SET prediction = json_set(prediction, '$.confidence', 1)")
    assert f"case {case_id}: its prediction is not the one in the log" in verify(database)
    database.execute("DELETE FROM explanations")
    database.execute("DELETE FROM decisions")
    database.execute("DELETE FROM cases")
    assert f"case {case_id} is in the log and not in the database" in verify(database)


def test_a_swapped_or_missing_photograph_is_found(case_id, database, folder):
    assert find_changes(database, folder) == []
    photograph = case_folder(folder, case_id) / "image.png"
    photograph.write_bytes(photograph.read_bytes() + b"more")
    assert find_changes(database, folder) == [
        f"case {case_id}: its photograph is not the one that was stored"
    ]
    photograph.unlink()
    assert find_changes(database, folder) == [f"case {case_id}: its photograph is missing"]
