"""Accounts, sessions and tokens: who may do what. Passwords are stored as scrypt hashes, secrets as SHA-256."""

import hashlib
import ipaddress
import re
import secrets
import time

from werkzeug.security import check_password_hash, generate_password_hash

from drcls.app import audit
from drcls.app.db import now, transaction, write_unless_busy
from drcls.app.replay import password_sha256

ROLES = ("clinician", "admin")
MIN_PASSWORD, MAX_PASSWORD = 12, 1024
IDLE_SECONDS, SESSION_SECONDS = 30 * 60, 10 * 3600
FAILURES_ALLOWED, FAILURE_SECONDS = 5, 5 * 60
# What lies further in the future was written while the clock was wrong.
CLOCK_SECONDS = 60
# Compared with where a name is unknown, so that the answer takes as long as for a known one.
NOBODY = generate_password_hash(secrets.token_hex(16))


class TooManyFailuresError(Exception):
    """Logging in failed too often, from one address or for one name; try again in some minutes."""


def add_account(connection, name, password, role, actor="command line"):
    """Create an account.

    Args:
        connection: open database.
        name: str, 2 to 64 letters, digits, dots, hyphens or underscores.
        password: str of 12 to 1024 characters.
        role: "clinician" or "admin".
        actor: str, who does it, for the audit log.

    Raises:
        ValueError: on another name, password or role, or where the name is taken.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]{2,64}", name):
        raise ValueError(
            f"account name {name!r} received; expected 2 to 64 letters, digits, dots, hyphens or underscores"
        )
    if role not in ROLES:
        raise ValueError(f"role {role!r} received; expected one of {ROLES}")
    _check_password(password, name)
    hashed = generate_password_hash(password)
    with transaction(connection):
        if connection.execute("SELECT 1 FROM accounts WHERE name = ?", (name,)).fetchone():
            raise ValueError(f"the account {name!r} exists already")
        moment = now()
        connection.execute(
            "INSERT INTO accounts (name, role, password, created) VALUES (?, ?, ?, ?)",
            (name, role, hashed, moment),
        )
        recorded = {"name": name, "role": role, "password_sha256": password_sha256(hashed)}
        audit.append(connection, actor, "account_created", at=moment, **recorded)


def set_password(connection, name, password, actor="command line"):
    """Give an account a new password and end its sessions, not its tokens; errors as for `add_account`."""
    _check_password(password, name)
    hashed = generate_password_hash(password)
    with transaction(connection):
        _need_account(connection, name)
        connection.execute("UPDATE accounts SET password = ? WHERE name = ?", (hashed, name))
        connection.execute("DELETE FROM sessions WHERE account = ?", (name,))
        audit.append(
            connection, actor, "password_changed", name=name, password_sha256=password_sha256(hashed)
        )


def deactivate(connection, name, actor="command line"):
    """Close an account: nobody logs in, its sessions and tokens end; its records stay."""
    with transaction(connection):
        _need_account(connection, name)
        connection.execute("UPDATE accounts SET active = 0 WHERE name = ?", (name,))
        connection.execute("DELETE FROM sessions WHERE account = ?", (name,))
        connection.execute("DELETE FROM tokens WHERE account = ?", (name,))
        audit.append(connection, actor, "account_deactivated", name=name)


def log_in(connection, name, password, address):
    """Check a password and start a session.

    Args:
        connection: open database.
        name, password: str, as typed.
        address: str, where the request comes from; all of an IPv6 /64 count as one.

    Returns:
        str, the secret of the session, for the cookie; None where name and password do not fit.

    Raises:
        TooManyFailuresError: after five failures within five minutes for the name or from the address.
    """
    moment, network = time.time(), _network(address)
    # Counted before the password is looked at, so that many attempts at once cannot all pass the count.
    with transaction(connection):
        connection.execute(
            "DELETE FROM failed_logins WHERE at NOT BETWEEN ? AND ?",
            (moment - FAILURE_SECONDS, moment + CLOCK_SECONDS),
        )
        for column, value in (("name", name), ("address", network)):
            count = f"SELECT count(*) FROM failed_logins WHERE {column} = ?"
            if connection.execute(count, (value,)).fetchone()[0] >= FAILURES_ALLOWED:
                raise TooManyFailuresError
        attempt = connection.execute("INSERT INTO failed_logins VALUES (?, ?, ?)", (moment, name, network))
    account = connection.execute(
        "SELECT password FROM accounts WHERE name = ? AND active = 1", (name,)
    ).fetchone()
    fits = check_password_hash(account["password"] if account else NOBODY, password)
    secret = None
    if account and fits:
        secret = _open_session(connection, name, account["password"], attempt.lastrowid, moment)
    if secret is None:
        _log_failure(connection, name, network)
    return secret


def _open_session(connection, name, hashed, attempt, moment):
    """Start a session and return its secret; None where the account has been closed or has another password by now."""
    secret = secrets.token_urlsafe(32)
    with transaction(connection):
        unchanged = "SELECT 1 FROM accounts WHERE name = ? AND active = 1 AND password = ?"
        if not connection.execute(unchanged, (name, hashed)).fetchone():
            return None
        connection.execute("DELETE FROM failed_logins WHERE rowid = ?", (attempt,))
        connection.execute(
            "DELETE FROM sessions WHERE seen NOT BETWEEN ? AND ?",
            (moment - SESSION_SECONDS, moment + CLOCK_SECONDS),
        )
        connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (digest(secret), name, moment, moment))
        audit.append(connection, name, "login", session=digest(secret), started=moment)
    return secret


def _network(address):
    """Return what one attacker has of addresses: an IPv4 address, the /64 of an IPv6 address; else the text itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 6 and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def _log_failure(connection, name, network):
    """Log a failed attempt; a name that nobody has may be a password that was typed into the wrong field."""
    with transaction(connection):
        known = connection.execute("SELECT 1 FROM accounts WHERE name = ?", (name,)).fetchone()
        audit.append(connection, name if known else "unknown account", "login_failed", address=network)


def session_account(connection, secret):
    """Return the account (row with `name` and `role`) of a session, or None where it has ended.

    One that began or was seen in the future has ended too: else it would outlast its time by the clock's error.
    """
    moment = time.time()
    latest = moment + CLOCK_SECONDS
    row = connection.execute(
        "SELECT name, role, seen FROM sessions JOIN accounts ON account = name "
        "WHERE digest = ? AND active = 1 AND seen > ? AND started > ? AND seen <= ? AND started <= ?",
        (digest(secret), moment - IDLE_SECONDS, moment - SESSION_SECONDS, latest, latest),
    ).fetchone()
    if row and moment - row["seen"] > 60:
        write_unless_busy(
            connection, "UPDATE sessions SET seen = ? WHERE digest = ?", (moment, digest(secret))
        )
    return row


def log_out(connection, secret):
    """End a session."""
    with transaction(connection):
        row = connection.execute(
            "SELECT account FROM sessions WHERE digest = ?", (digest(secret),)
        ).fetchone()
        if row:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (digest(secret),))
            audit.append(connection, row["account"], "logout", session=digest(secret))


def add_token(connection, name, actor="command line"):
    """Create a token for the JSON API and return it; only its hash is stored.

    Raises:
        ValueError: where there is no such active account.
    """
    token = secrets.token_urlsafe(32)
    with transaction(connection):
        _need_account(connection, name)
        moment = now()
        connection.execute("INSERT INTO tokens VALUES (?, ?, ?)", (digest(token), name, moment))
        audit.append(connection, actor, "token_created", at=moment, name=name, digest=digest(token))
    return token


def revoke_tokens(connection, name, actor="command line"):
    """End all tokens of an account and return how many there were.

    Raises:
        ValueError: where there is no such active account.
    """
    with transaction(connection):
        _need_account(connection, name)
        number = connection.execute("DELETE FROM tokens WHERE account = ?", (name,)).rowcount
        audit.append(connection, actor, "tokens_revoked", name=name, number=number)
    return number


def token_account(connection, token):
    """Return the account (row with `name` and `role`) of a token, or None for an unknown one."""
    return connection.execute(
        "SELECT name, role FROM tokens JOIN accounts ON account = name WHERE digest = ? AND active = 1",
        (digest(token),),
    ).fetchone()


def digest(secret):
    """Return the SHA-256 of a random secret: it is long enough that no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_password(password, name):
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD or password == name:
        raise ValueError(
            f"a password of {len(password)} characters received; expected {MIN_PASSWORD} to {MAX_PASSWORD}, and "
            "not the name of the account"
        )


def _need_account(connection, name):
    if not connection.execute("SELECT 1 FROM accounts WHERE name = ? AND active = 1", (name,)).fetchone():
        raise ValueError(f"there is no active account {name!r}")
