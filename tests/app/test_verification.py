"""Whatever somebody changes behind the server's back is named, one line for each change, and hides nothing else."""

import contextlib
import shutil
import sqlite3

import pytest

from drcls.app import audit
from drcls.app.db import connect, create_folder, transaction
from drcls.app.verification import find_changes, verify
from tests.app.conftest import PASSWORD, draw
from tests.app.tamperings import TAMPERINGS, build_folder, in_database


@pytest.fixture(scope="module")
def full(tmp_path_factory, grader, unseen, hashed):
    """A folder with cases, decisions, explanations, checks, accounts, sessions and tokens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drcls.app.accounts.generate_password_hash", lambda _: hashed)
        patch.setattr("drcls.app.accounts.check_password_hash", lambda _, password: password != "wrong")
        return build_folder(tmp_path_factory.mktemp("full") / "screening", grader, unseen, draw, PASSWORD)


@pytest.fixture
def copy(full, tmp_path):
    return shutil.copytree(full, tmp_path / "screening")


def changes(folder, heads=()):
    with contextlib.closing(connect(folder)) as connection:
        return find_changes(connection, folder, heads)


def test_what_nobody_changed_is_clean(copy):
    assert changes(copy) == []
    with contextlib.closing(connect(copy)) as connection:
        assert len(audit.head(connection)["head"]) == 64
        entries = {row["action"] for row in connection.execute("SELECT action FROM audit")}
    assert {"login_failed", "logout", "explanation", "grades", "calibration"} <= entries


@pytest.mark.parametrize("name", TAMPERINGS)
def test_every_tampering_is_named(copy, name):
    TAMPERINGS[name](copy)
    problems = changes(copy)
    assert problems and all(isinstance(problem, str) and problem.isprintable() for problem in problems)
    kind = name.partition(":")[0]
    word = {"log": "in the log" if "emptied" in name else "entr", "file": "", "schema": "trigger"}.get(
        kind, "" if kind.startswith("garbage") else kind
    )
    assert any(word in problem for problem in problems), problems


@pytest.mark.parametrize("name", [name for name in TAMPERINGS if name.startswith("garbage")])
def test_garbage_in_one_row_hides_no_other_change(copy, name):
    TAMPERINGS[name](copy)
    TAMPERINGS["file: photograph changed"](copy)
    in_database("UPDATE accounts SET role = 'admin' WHERE name = 'ben'")(copy)
    problems = changes(copy)
    if ".details" not in name:  # where every entry of the log is garbage, it tells nothing more
        assert any("photograph is not the one" in problem for problem in problems)
        assert "account ben: its role is not the one in the log" in problems
    else:
        assert "account ben is in the database and not in the log" in problems


def test_replacing_an_entry_does_not_pass_the_triggers(copy):
    with contextlib.closing(connect(copy)) as connection:
        for statement in (
            "INSERT OR REPLACE INTO audit SELECT id, at, 'eve', action, case_id, details, previous, hash FROM audit",
            "REPLACE INTO audit SELECT id, at, 'eve', action, case_id, details, previous, hash FROM audit WHERE id = 3",
            "INSERT INTO audit SELECT id + 100, at, 'eve', action, case_id, details, hash, hash FROM audit",
            "INSERT INTO audit SELECT max(id) + 1, at, 'eve', action, case_id, details, 'x', hash FROM audit",
            "INSERT INTO audit SELECT 0, at, 'eve', action, case_id, details, previous, hash FROM audit WHERE id = 1",
            "UPDATE OR REPLACE audit SET id = 4 WHERE id = 3",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
        with transaction(connection):
            audit.append(connection, "anna", "export")
    assert changes(copy) == []


def test_an_older_database_is_found_by_a_head_that_is_kept_elsewhere(full, copy):
    with contextlib.closing(connect(copy)) as connection:
        before = audit.head(connection)
        with transaction(connection):
            audit.append(connection, "anna", "export")
        after = audit.head(connection)
    assert changes(copy, [before, after]) == []
    older = changes(full, [before, after])  # itself without fault: only the head tells
    assert len(older) == 1 and f"{after['entries']} entries were there" in older[0]
    assert "the database is older" in older[0]


def test_a_log_that_is_written_anew_is_found_by_a_head(copy):
    with contextlib.closing(connect(copy)) as connection:
        head = audit.head(connection)
    in_database("DELETE FROM audit", "DELETE FROM sqlite_sequence WHERE name = 'audit'")(copy)
    with contextlib.closing(connect(copy)) as connection, transaction(connection):
        for _ in range(head["entries"]):
            audit.append(connection, "eve", "export")
    assert any("was written anew" in problem for problem in changes(copy, [head]))
    with contextlib.closing(connect(copy)) as connection:
        assert verify(connection, [head | {"entries": 3, "head": audit.head(connection)["head"]}])


def test_a_start_does_not_put_a_dropped_trigger_back(copy):
    TAMPERINGS["schema: a trigger fewer"](copy)
    create_folder(copy)
    assert changes(copy) == ["the trigger audit_is_only_appended of the database is missing"]
