"""Faults: nothing half done, nothing lost, and a message that says so."""

import contextlib
import errno
import json
import os
import sqlite3
import threading

import pytest

from drcls.app import cases, db
from drcls.app.cases import quarantine_unknown_files
from drcls.app.db import connect, create_folder
from drcls.app.inference import TooBusyError
from drcls.app.server import report_unknown_files
from drcls.app.verification import verify


def nothing_was_recorded(database, folder):
    counts = [
        database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("cases", "decisions")
    ]
    return counts == [0, 0] and not list((folder / "cases").iterdir()) and verify(database) == []


def test_a_full_disk_under_the_pictures(ben, photograph, database, folder, monkeypatch):
    def full(path, content):
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cases, "write_durably", full)
    answer = ben.upload(photograph)
    assert answer.status_code == 507 and "The disk of the server is full" in answer.text
    assert nothing_was_recorded(database, folder)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_disk_that_fills_at_any_file_of_an_upload(ben, photograph, database, folder, monkeypatch, number):
    """The last one is the folder, when the photograph is in its place already."""
    calls, fsync = [], os.fsync

    def full_at(handle):
        calls.append(handle)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full_at)
    assert ben.upload(photograph).status_code == 507
    assert nothing_was_recorded(database, folder)


@pytest.fixture
def full_disk(database, monkeypatch):
    """Let no database grow any more: SQLite itself answers "database or disk is full"."""
    pages = database.execute("PRAGMA page_count").fetchone()[0]

    def small(folder):
        connection = connect(folder)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr("drcls.app.access.connect", small)


def test_a_full_disk_under_the_database(ben, photograph, database, folder, full_disk):
    answer = ben.upload(photograph, reference="x" * 64)
    for _ in range(20):  # until the last free bytes of the last page are used
        if answer.status_code != 302:
            break
        answer = ben.upload(photograph, reference="x" * 64)
    assert answer.status_code == 507 and "The disk of the server is full" in answer.text
    stored = {row["id"] for row in database.execute("SELECT id FROM cases")}
    assert {path.name for path in (folder / "cases").iterdir()} == stored
    assert verify(database) == []


def test_a_locked_database(ben, case_id, photograph, database, folder, monkeypatch):
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.05)
    with contextlib.closing(connect(folder)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = [
            ben.upload(photograph),
            ben.post(f"/cases/{case_id}/decision", version="2", kind="confirmed"),
        ]
        other.execute("ROLLBACK")
    for answer in answers:
        assert answer.status_code == 503 and "The database is busy" in answer.text
        assert answer.headers["Retry-After"] == "5"
    assert {path.name for path in (folder / "cases").iterdir()} == {case_id}
    assert ben.post(f"/cases/{case_id}/decision", version="2", kind="confirmed").status_code == 302
    assert verify(database) == []


def test_who_queues_behind_a_locked_database_is_answered(ben, case_id, database, monkeypatch):
    """The others in the queue wait at the same time, not one after the other."""
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.05)
    with db.WRITER:
        answer = ben.post(f"/cases/{case_id}/decision", version="2", kind="confirmed")
        with pytest.raises(db.LockedError), db.transaction(database):
            pass
    assert answer.status_code == 503 and "The database is busy" in answer.text
    assert ben.post(f"/cases/{case_id}/decision", version="2", kind="confirmed").status_code == 302


def test_what_is_left_of_the_time_is_what_sqlite_waits(database, folder, monkeypatch):
    waits = []
    database.set_trace_callback(
        lambda statement: waits.append(statement) if "busy_timeout" in statement else None
    )
    times = [100.0, 103.5]
    monkeypatch.setattr(db.time, "monotonic", lambda: times.pop(0) if len(times) > 1 else times[0])
    with db.transaction(database):
        pass
    assert waits == ["PRAGMA busy_timeout = 1500", "PRAGMA busy_timeout = 5000"]


def test_a_full_disk_under_decisions(ben, case_id, database, full_disk):
    statuses = []
    for version in range(2, 60):
        reason = "x" * 500
        answer = ben.post(f"/cases/{case_id}/decision", version=str(version), kind="retake", reason=reason)
        statuses.append(answer.status_code)
        if answer.status_code != 302:
            break
    assert statuses[-1] == 507 and "Nothing of this request was recorded" in answer.text
    recorded = statuses.count(302)
    assert database.execute("SELECT count(*) FROM decisions").fetchone()[0] == recorded
    assert database.execute("SELECT version FROM cases").fetchone()[0] == 2 + recorded
    assert verify(database) == []


def test_a_full_disk_under_the_api(app, token, photograph, database, full_disk):
    headers, statuses = {"Authorization": f"Bearer {token}"}, []
    for _ in range(60):
        answer = app.test_client().post(
            "/api/v1/predict", data=photograph, content_type="image/png", headers=headers
        )
        statuses.append(answer.status_code)
        if answer.status_code != 200:
            break
    assert statuses[-1] == 507 and "Nothing of this request was recorded" in answer.json["error"]["message"]
    logged = database.execute("SELECT count(*) FROM audit WHERE action = 'prediction'").fetchone()[0]
    assert logged == statuses.count(200)
    assert verify(database) == []


@pytest.mark.parametrize("place", ["_write_files", "_record_prediction", "assess"])
def test_a_server_killed_in_the_middle_of_an_upload(ben, photograph, database, folder, monkeypatch, place):
    """What is on the disk when it dies at any of these places is what the next server finds."""

    class Killed(BaseException):
        pass

    original = getattr(cases, place)

    def die(*args, **kwargs):
        original(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(cases, place, die)
    monkeypatch.setattr(cases.shutil, "rmtree", lambda *args, **kwargs: None)  # the dead tidy nothing up
    with pytest.raises(Killed):
        ben.upload(photograph)
    monkeypatch.undo()
    assert len(quarantine_unknown_files(database, folder)) == (place != "assess")
    assert nothing_was_recorded(database, folder)


def test_photographs_that_an_older_database_does_not_know_are_moved_aside(
    ben, photograph, database, folder, capsys
):
    """Nothing that holds a person's data is deleted at start, however many and however old."""
    kept = ben.upload(photograph).location.rsplit("/", 1)[1]
    older = {path: path.read_bytes() for path in folder.glob(f"{db.DATABASE}*")}
    later = [ben.upload(photograph).location.rsplit("/", 1)[1] for _ in range(3)]
    photographs = {name: (folder / "cases" / name / "image.png").read_bytes() for name in later}
    database.close()
    for path, content in older.items():
        path.write_bytes(content)
    (folder / "cases" / ".DS_Store").write_bytes(b"a Mac was here")
    (folder / "cases" / ".abc.partial").mkdir()
    with contextlib.closing(connect(folder)) as connection:
        moved = quarantine_unknown_files(connection, folder)
        assert {path.name: (path / "image.png").read_bytes() for path in moved} == photographs
        assert {path.name for path in (folder / "cases").iterdir()} == {kept, ".DS_Store"}
        assert verify(connection) == []
        entry = connection.execute("SELECT details FROM audit WHERE action = 'quarantine'").fetchone()
        assert sorted(json.loads(entry["details"])["cases"]) == sorted(later)
        assert quarantine_unknown_files(connection, folder) == []
    report_unknown_files(folder, moved)
    assert "3 photographs" in capsys.readouterr().out


def test_a_folder_without_its_database_is_not_begun_anew(database, folder):
    (folder / "cases" / ".DS_Store").touch()
    database.close()
    for file in folder.glob(f"{db.DATABASE}*"):
        file.unlink()
    create_folder(folder)
    for file in folder.glob(f"{db.DATABASE}*"):
        file.unlink()
    (folder / "cases" / "c1").mkdir()
    with pytest.raises(RuntimeError, match="restore it from its backup"):
        create_folder(folder)


def test_of_decisions_at_once_exactly_one_is_recorded(ben, case_id, app, database, folder):
    token, client = ben.token, ben.client
    cookie = client.get_cookie("screening").value
    statuses, ready = [], threading.Barrier(6)

    def decide(kind):
        other = app.test_client()
        other.set_cookie("screening", cookie)
        ready.wait()
        fields = {"csrf_token": token, "version": "2", "kind": kind}
        statuses.append(other.post(f"/cases/{case_id}/decision", data=fields).status_code)

    threads = [threading.Thread(target=decide, args=(kind,)) for kind in ("confirmed", "retake") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [302, 409, 409, 409, 409, 409]
    assert database.execute("SELECT count(*) FROM decisions").fetchone()[0] == 1
    assert verify(database) == []


def test_too_many_at_once(ben, photograph, grader, database, folder, monkeypatch):
    def busy(image):
        raise TooBusyError

    monkeypatch.setattr(grader, "_in_batches", busy)
    answer = ben.upload(photograph)
    assert answer.status_code == 503 and "Too many photographs are waiting" in answer.text
    assert nothing_was_recorded(database, folder)


def test_a_fault_after_some_photographs_says_how_many_are_stored(
    ben, photograph, grader, database, monkeypatch
):
    """Who is told that nothing was stored uploads all of them again."""
    grade, calls = grader.grade, []

    def busy_at_the_third(image):
        calls.append(image)
        if len(calls) == 3:
            raise TooBusyError
        return grade(image)

    monkeypatch.setattr(grader, "grade", busy_at_the_third)
    answer = ben.upload(*[photograph] * 4)
    assert answer.status_code == 503
    assert "2 of 4 photographs were stored; file 3 and later ones were not." in answer.text
    assert "Nothing" not in answer.text
    assert database.execute("SELECT count(*) FROM cases").fetchone()[0] == 2
    assert verify(database) == []


def test_an_unexpected_fault_is_a_page_too(
    ben, app, photograph, grader, database, folder, monkeypatch, caplog
):
    def fail(image):
        raise RuntimeError("something in the network")

    monkeypatch.setattr(grader, "_in_batches", fail)
    answer = ben.upload(photograph)
    assert answer.status_code == 500 and "Something went wrong in the server" in answer.text
    assert "something in the network" not in answer.text and "something in the network" in caplog.text
    assert nothing_was_recorded(database, folder)


def test_a_broken_database_is_a_page_too(ben, app, folder, monkeypatch):
    def broken(folder):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("drcls.app.access.connect", broken)
    assert ben.get("/").status_code == 500


def test_many_start_one_folder_at_once(tmp_path):
    threads = [threading.Thread(target=create_folder, args=(tmp_path / "screening",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(db.secret_key(tmp_path / "screening")) == 32
    (tmp_path / "screening" / "secret_key").write_bytes(b"")
    with pytest.raises(ValueError, match="secret_key holds 0 bytes, expected 32 or more; remove it"):
        db.secret_key(tmp_path / "screening")
    assert not list((tmp_path / "screening").glob("*.partial"))
    with contextlib.closing(connect(tmp_path / "screening")) as connection:
        assert verify(connection) == []
