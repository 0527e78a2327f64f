"""Accounts, sessions and tokens."""

import json
import time
from datetime import UTC, datetime

import pytest

from drcls.app import accounts as module
from drcls.app.accounts import (
    TooManyFailuresError,
    add_account,
    add_token,
    deactivate,
    log_in,
    log_out,
    revoke_tokens,
    session_account,
    set_password,
    token_account,
)
from drcls.app.verification import verify
from tests.app.conftest import PASSWORD


def test_a_password_is_stored_as_scrypt(database):
    add_account(database, "carla", PASSWORD, "clinician")
    stored = database.execute("SELECT password FROM accounts").fetchone()[0]
    assert stored.startswith("scrypt:") and PASSWORD not in stored
    assert log_in(database, "carla", PASSWORD, "::1")
    assert log_in(database, "carla", PASSWORD + "!", "::1") is None


@pytest.mark.parametrize(
    "name, password, role, message",
    [
        ("a b", PASSWORD, "admin", "'a b' received"),
        ("x", PASSWORD, "admin", "'x' received"),
        ("carla", "short", "admin", "5 characters"),
        ("carla", "x" * 1025, "admin", "expected 12 to 1024"),
        ("carla.clinician", "carla.clinician", "admin", "not the name"),
        ("carla", PASSWORD, "root", "'root' received"),
        ("anna", PASSWORD, "admin", "exists already"),
    ],
)
def test_what_is_no_account(accounts, name, password, role, message):
    with pytest.raises(ValueError, match=message):
        add_account(accounts, name, password, role)


def test_a_session_begins_and_ends(accounts, monkeypatch):
    secret = log_in(accounts, "ben", PASSWORD, "::1")
    assert session_account(accounts, secret)["role"] == "clinician"
    assert session_account(accounts, secret + "x") is None
    assert secret not in str([tuple(row) for row in accounts.execute("SELECT * FROM sessions")])
    log_out(accounts, secret)
    assert session_account(accounts, secret) is None
    secret = log_in(accounts, "ben", PASSWORD, "::1")
    late = time.time() + module.IDLE_SECONDS + 1
    monkeypatch.setattr(module.time, "time", lambda: late)
    assert session_account(accounts, secret) is None


def test_guessing_is_stopped_for_a_name_and_from_an_address(accounts, monkeypatch):
    for _ in range(module.FAILURES_ALLOWED):
        assert log_in(accounts, "ben", "wrong", "10.0.0.1") is None
    for name, address in (("ben", "10.0.0.2"), ("anna", "10.0.0.1")):
        with pytest.raises(TooManyFailuresError):
            log_in(accounts, name, PASSWORD, address)
    assert log_in(accounts, "anna", PASSWORD, "10.0.0.2")
    late = time.time() + module.FAILURE_SECONDS + 1
    monkeypatch.setattr(module.time, "time", lambda: late)
    assert log_in(accounts, "ben", PASSWORD, "10.0.0.1")


def at_time(monkeypatch, moment):
    """Set the clock that accounts, log and verification read."""
    monkeypatch.setattr(module.time, "time", lambda: moment)
    shown = datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    monkeypatch.setattr("drcls.app.audit.now", lambda: shown)


def test_a_clock_that_was_ahead_locks_nobody_out(accounts, monkeypatch):
    right = time.time()
    at_time(monkeypatch, right + 3600)
    for _ in range(module.FAILURES_ALLOWED):
        assert log_in(accounts, "ben", "wrong", "10.0.0.1") is None
    at_time(monkeypatch, right)
    assert log_in(accounts, "ben", PASSWORD, "10.0.0.1")
    assert accounts.execute("SELECT count(*) FROM failed_logins").fetchone()[0] == 0
    assert verify(accounts) == []
    # The wrong time comes, and what was deleted then is not missed.
    at_time(monkeypatch, right + 3600)
    assert verify(accounts) == []


def test_a_clock_that_is_a_little_ahead_forgets_no_guess(accounts, monkeypatch):
    right = time.time()
    at_time(monkeypatch, right + module.CLOCK_SECONDS - 1)
    for _ in range(module.FAILURES_ALLOWED):
        assert log_in(accounts, "ben", "wrong", "10.0.0.1") is None
    at_time(monkeypatch, right)
    with pytest.raises(TooManyFailuresError):
        log_in(accounts, "ben", PASSWORD, "10.0.0.1")


@pytest.mark.parametrize("column", ["seen", "started"])
def test_a_session_of_the_future_has_ended(accounts, column):
    secret = log_in(accounts, "ben", PASSWORD, "::1")
    for ahead, valid in ((30, True), (module.CLOCK_SECONDS + 30, False)):
        accounts.execute(f"UPDATE sessions SET {column} = ?", (time.time() + ahead,))
        assert (session_account(accounts, secret) is not None) is valid


@pytest.mark.parametrize(
    "addresses, network",
    [
        ([f"2001:db8:0:1::{n:x}" for n in range(9)], "2001:db8:0:1::/64"),
        (["::ffff:10.0.0.7", "10.0.0.7"] * 5, "10.0.0.7"),
        ([f"fe80::{n:x}%eth0" for n in range(9)], "fe80::/64"),
    ],
)
def test_all_addresses_of_one_attacker_count_as_one(accounts, addresses, network):
    for number, address in enumerate(addresses[: module.FAILURES_ALLOWED]):
        assert log_in(accounts, f"name{number}", "wrong", address) is None
    with pytest.raises(TooManyFailuresError):
        log_in(accounts, "ben", PASSWORD, addresses[-1])
    assert log_in(accounts, "ben", PASSWORD, "2001:db8:0:2::1")
    logged = [
        json.loads(row[0])
        for row in accounts.execute("SELECT details FROM audit WHERE action = 'login_failed'")
    ]
    assert logged == [{"address": network}] * module.FAILURES_ALLOWED


def test_a_failed_login_is_logged_without_what_was_typed(accounts):
    log_in(accounts, "ben", "a wrong password", "10.0.0.1")
    log_in(accounts, "my password", "", "10.0.0.1")
    rows = accounts.execute("SELECT actor, details FROM audit WHERE action = 'login_failed'").fetchall()
    assert [row["actor"] for row in rows] == ["ben", "unknown account"]
    assert "password" not in rows[1]["details"] and "wrong" not in rows[0]["details"]


def test_a_closed_account_and_a_new_password_end_everything(accounts):
    secret, token = log_in(accounts, "ben", PASSWORD, "::1"), add_token(accounts, "ben")
    assert token_account(accounts, token)["name"] == "ben"
    assert token_account(accounts, token[:-1]) is None
    assert token not in str([tuple(row) for row in accounts.execute("SELECT * FROM tokens")])
    set_password(accounts, "ben", "another long password")
    assert session_account(accounts, secret) is None
    secret = log_in(accounts, "ben", PASSWORD, "::1")  # the fixture gives every password one hash
    deactivate(accounts, "ben")
    assert session_account(accounts, secret) is None and token_account(accounts, token) is None
    assert log_in(accounts, "ben", PASSWORD, "::1") is None
    with pytest.raises(ValueError, match="no active account 'ben'"):
        add_token(accounts, "ben")


def test_revoked_tokens_end_and_others_do_not(accounts):
    tokens = [add_token(accounts, "ben"), add_token(accounts, "ben"), add_token(accounts, "anna")]
    assert revoke_tokens(accounts, "ben") == 2
    assert [token_account(accounts, token) is None for token in tokens] == [True, True, False]
    with pytest.raises(ValueError, match="no active account 'carla'"):
        revoke_tokens(accounts, "carla")


@pytest.mark.parametrize("change", [set_password, deactivate])
def test_what_changes_while_a_password_is_looked_at_opens_no_session(database, monkeypatch, change):
    add_account(database, "ben", PASSWORD, "clinician")
    compare = module.check_password_hash

    def compare_slowly(*args):
        fits = compare(*args)
        change(database, "ben", *(["another long password"] if change is set_password else []))
        return fits

    monkeypatch.setattr(module, "check_password_hash", compare_slowly)
    assert log_in(database, "ben", PASSWORD, "::1") is None
    assert database.execute("SELECT count(*) FROM sessions").fetchone()[0] == 0
    actions = [row[0] for row in database.execute("SELECT action FROM audit ORDER BY id")]
    assert actions[-1] == "login_failed" and "login" not in actions
    assert database.execute("SELECT count(*) FROM failed_logins").fetchone()[0] == 1
