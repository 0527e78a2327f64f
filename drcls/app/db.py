"""The data folder: one SQLite database, the images, and the secret key.

Every change is one transaction that also writes its line of the audit log, or nothing at all.
"""

import contextlib
import os
import secrets
import sqlite3
import threading
import time
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

DATABASE = "screening.sqlite"
BUSY_SECONDS = 5
SECRET_BYTES = 32
WRITER = threading.Lock()


class LockedError(sqlite3.OperationalError):
    """Other threads hold the database; try again in some seconds."""


SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('clinician', 'admin')),
    password TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created TEXT NOT NULL
);
CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (name),
    started REAL NOT NULL,
    seen REAL NOT NULL
);
CREATE TABLE tokens (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (name),
    created TEXT NOT NULL
);
CREATE TABLE failed_logins (at REAL NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL);

CREATE TABLE cases (
    id TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    author TEXT NOT NULL REFERENCES accounts (name),
    reference TEXT NOT NULL,
    eye TEXT NOT NULL CHECK (eye IN ('left', 'right', 'unknown')),
    image_sha256 TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    quality TEXT NOT NULL,
    gradable INTEGER NOT NULL CHECK (gradable IN (0, 1)),
    quality_override TEXT,
    prediction TEXT,
    grade TEXT,
    confidence REAL,
    refer INTEGER,
    state TEXT NOT NULL CHECK (state IN ('ungradable', 'graded', 'confirmed', 'overridden', 'retake')),
    final_grade TEXT,
    version INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX cases_created ON cases (created);
CREATE INDEX cases_image ON cases (image_sha256);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id TEXT NOT NULL REFERENCES cases (id),
    at TEXT NOT NULL,
    author TEXT NOT NULL REFERENCES accounts (name),
    kind TEXT NOT NULL CHECK (kind IN ('confirmed', 'overridden', 'retake')),
    grade TEXT,
    reason TEXT NOT NULL
);
CREATE TABLE explanations (
    case_id TEXT NOT NULL REFERENCES cases (id),
    method TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    queued REAL NOT NULL,
    error TEXT,
    PRIMARY KEY (case_id, method)
);
CREATE TABLE checks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
    record TEXT NOT NULL
);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    case_id TEXT,
    details TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_case ON audit (case_id);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_only_appended BEFORE INSERT ON audit
    WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM audit)
        OR NEW.previous IS NOT coalesce((SELECT hash FROM audit ORDER BY id DESC LIMIT 1), '%s')
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
""" % ("0" * 64)


def create_folder(folder):
    """Create the data folder with its database and secret key where they are missing.

    The folder is readable by its owner alone: it holds photographs of patients.

    Args:
        folder: path.

    Returns:
        Path of the folder.

    Raises:
        OSError: where it cannot be made.
        RuntimeError: where the database of photographs that are there is missing.
    """
    folder = Path(folder)
    for path in (folder, folder / "cases", folder / "models"):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    _create_secret(folder / "secret_key")
    (folder / DATABASE).touch(mode=0o600)  # SQLite gives its other files the same mode
    with contextlib.closing(connect(folder)) as connection, transaction(connection):
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit'").fetchone():
            if any(path.is_dir() for path in (folder / "cases").iterdir()):
                raise RuntimeError(
                    f"{folder} holds cases, and {DATABASE} none of them: restore it from its backup"
                )
            for statement in _statements(SCHEMA):
                connection.execute(statement)
    return folder


def schema(connection):
    """Return what a database is made of: dict, (kind, name) -> the statement that made it."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    return {(row[0], row[1]): row[2] for row in rows}


def expected_schema():
    """Return what `schema` returns for a database that nobody has changed."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        return schema(connection)


def need_folder(folder):
    """Return the Path of a data folder.

    Raises:
        FileNotFoundError: where there is none.
    """
    folder = Path(folder)
    if not (folder / DATABASE).is_file():
        raise FileNotFoundError(
            f"--folder {folder}: no {DATABASE} there; expected the data folder of a server"
        )
    return folder


def connect(folder):
    """Open the database of a data folder: durable on commit, waiting some seconds for other writers."""
    connection = sqlite3.connect(Path(folder) / DATABASE, timeout=BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.create_function("folded", 1, folded, deterministic=True)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def folded(text):
    """Return text as a search compares it: letters of any alphabet alike whatever their case and however composed.

    SQLite's own LIKE ignores the case of ASCII letters alone.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(text)).casefold())


@contextlib.contextmanager
def transaction(connection):
    """Write all of a block or nothing; the lock is taken first, so what the block reads stays true.

    The threads of one process queue for it here, one after the other: SQLite lets them sleep and try again, and
    under load some never get their turn. Nobody waits longer than BUSY_SECONDS in all, however many wait before him.

    Raises:
        LockedError: where other writers hold the database for so long.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    if not WRITER.acquire(timeout=BUSY_SECONDS):
        raise LockedError(f"others have written for {BUSY_SECONDS} seconds")
    try:
        _begin(connection, deadline)
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    finally:
        WRITER.release()


def _begin(connection, deadline):
    """Take SQLite's own lock, which other processes may hold, within what is left of the time."""
    left = max(0, round(1000 * (deadline - time.monotonic())))
    connection.execute(f"PRAGMA busy_timeout = {left}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")


def write_unless_busy(connection, statement, values):
    """Write what may as well be written by the next request; where the database is locked, do not wait."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute(statement, values)
    except sqlite3.OperationalError:
        pass
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")


def case_folder(folder, case_id):
    """Return the Path of a case's files."""
    return folder / "cases" / case_id


def now():
    """Return the time in UTC, to the second, as ISO 8601 text."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_durably(path, content):
    """Write a file under a temporary name, down to the disk, and rename it."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(folder):
    """Bring the names in a folder down to the disk, as `write_durably` does with the content of a file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def secret_key(folder):
    """Return the key that signs the session cookies, bytes.

    Raises:
        ValueError: where the file is damaged.
    """
    path = Path(folder) / "secret_key"
    key = path.read_bytes()
    if len(key) < SECRET_BYTES:
        raise ValueError(
            f"{path} holds {len(key)} bytes, expected {SECRET_BYTES} or more; remove it, and the next start makes "
            "a new one (everybody logs in again)"
        )
    return key


def _create_secret(path):
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _statements(script):
    """Yield the statements of a script one by one: `executescript` would commit between them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
