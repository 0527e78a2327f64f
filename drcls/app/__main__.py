"""The screening application from the command line.

    python -m drcls.app --model MODEL.keras                       serve it on http://127.0.0.1:8000
    python -m drcls.app add-account anna --role admin             asks for the password
    python -m drcls.app add-token anna                            for the JSON API
    python -m drcls.app revoke-tokens anna                        ends them all
    python -m drcls.app calibrate --model MODEL.keras             temperature and threshold, on the validation part
    python -m drcls.app check --criteria acceptance.json          the fixed set against the acceptance criteria
    python -m drcls.app verify-log                                any change of the log and of what it describes
    python -m drcls.app export-head --to /elsewhere/heads.jsonl   so that verify-log --heads finds an older database

Without --model it is the network that `make reproduce-chexnet-cbam` trains on synthetic images: a demonstration.
"""

import argparse
import contextlib
import getpass
import json
import os
import sqlite3
import sys
from pathlib import Path


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["serve", *arguments]
    options = parse(arguments)
    try:
        import flask  # noqa: F401
        import waitress  # noqa: F401
    except ImportError as error:
        raise SystemExit(
            f"{error.name} is not installed; the application needs: pip install '.[app]' in the checkout"
        ) from error
    from drcls.app.db import create_folder, need_folder

    try:
        (create_folder if options.begins else need_folder)(options.folder)
        return options.run(options)
    except (KeyboardInterrupt, EOFError):
        print("interrupted; nothing that was not reported as done has changed", file=sys.stderr)
        return 130
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        raise SystemExit(f"error: {error}") from error
    except (OSError, sqlite3.DatabaseError) as error:
        raise SystemExit(f"error: {options.folder}: {error}") from error


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m drcls.app",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _add_serve,
        _add_add_account,
        _add_set_password,
        _add_deactivate,
        _add_add_token,
        _add_revoke_tokens,
        _add_calibrate,
        _add_check,
        _add_verify_log,
        _add_export_head,
    ):
        add(commands)
    return parser.parse_args(arguments)


def _add_command(commands, name, run, text, begins=False):
    """Add a command with the argument that all have; `begins` says whether it may create the data folder."""
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument(
        "--folder", type=Path, default=Path("screening"), help="data folder (default: screening)"
    )
    command.set_defaults(run=run, begins=begins)
    return command


def _add_model(command):
    command.add_argument("--model", type=Path, help="a .keras file (default: the demonstration)")
    command.add_argument(
        "--trained-on",
        type=Path,
        help="prepared data set of the model (default: what the model card or run folder beside it records)",
    )


def _add_serve(commands):
    text = "serve the pages and the API (without a command, too)"
    command = _add_command(commands, "serve", serve, text, begins=True)
    _add_model(command)
    command.add_argument("--host", default="127.0.0.1", help="address to listen on")
    command.add_argument("--port", type=int, default=8000)
    command.add_argument("--tls", action="store_true", help="a proxy in front of it speaks HTTPS")
    command.add_argument("--name", action="append", help="name browsers call it by; may be repeated")
    command.add_argument("--num-threads", type=int, default=0, help="cores for the network; 0: all")
    command.add_argument(
        "--gate",
        choices=["fundus", "none"],
        default="fundus",
        help="quality check of photographs before they are graded; none: for images other than the retina's "
        "(default: fundus)",
    )


def _add_add_account(commands):
    command = _add_command(commands, "add-account", add_account, "create an account", begins=True)
    command.add_argument("account")
    command.add_argument("--role", default="clinician", choices=["clinician", "admin"])
    command.add_argument("--password-stdin", action="store_true", help="read it from standard input")


def _add_set_password(commands):
    command = _add_command(commands, "set-password", set_password, "give an account a new password")
    command.add_argument("account")
    command.add_argument("--password-stdin", action="store_true", help="read it from standard input")


def _add_deactivate(commands):
    _add_command(commands, "deactivate", deactivate, "close an account").add_argument("account")


def _add_add_token(commands):
    command = _add_command(commands, "add-token", add_token, "create a token for the JSON API")
    command.add_argument("account")


def _add_revoke_tokens(commands):
    _add_command(commands, "revoke-tokens", revoke_tokens, "end all its tokens").add_argument("account")


def _add_calibrate(commands):
    text = "fit the temperature on the validation part"
    command = _add_command(commands, "calibrate", calibrate, text, begins=True)
    _add_model(command)
    command.add_argument(
        "--refer-below",
        type=float,
        default=0.5,
        help="confidence below which a case is flagged (default: 0.5)",
    )


def _add_check(commands):
    text = "run a fixed set against the acceptance criteria"
    command = _add_command(commands, "check", check, text, begins=True)
    _add_model(command)
    command.add_argument("--data-set", type=Path, help="prepared data set (default: the validation part)")
    command.add_argument("--criteria", type=Path, help="JSON file of criteria; kept for the next time")


def _add_verify_log(commands):
    command = _add_command(commands, "verify-log", verify_log, "look for any change of the audit log")
    command.add_argument(
        "--head",
        action="append",
        help="hash of an entry, noted earlier, that must be in the log; may be repeated",
    )
    command.add_argument(
        "--heads",
        type=Path,
        action="append",
        help="file of export-head, kept elsewhere; all must be in the log",
    )


def _add_export_head(commands):
    text = "print the head of the audit log, to be kept elsewhere"
    command = _add_command(commands, "export-head", export_head, text)
    command.add_argument("--to", type=Path, help="append it to this file instead, on another machine's disk")


def serve(options):
    from drcls.app import server
    from drcls.app.deployment import load_grader

    server.check_address(options.host, options.port, options.tls, options.name)
    with server.only_server(options.folder):
        grader = load_grader(
            options.folder, options.model, options.trained_on, options.num_threads, options.gate
        )
        server.serve(
            options.folder,
            grader,
            options.host,
            options.port,
            options.tls,
            options.name or [],
            options.trained_on,
        )
    return 0


def add_account(options):
    from drcls.app import accounts

    with database(options) as connection:
        accounts.add_account(connection, options.account, ask_password(options), options.role)
    print(f"{options.account} may log in as {options.role}")
    return 0


def set_password(options):
    from drcls.app import accounts

    with database(options) as connection:
        accounts.set_password(connection, options.account, ask_password(options))
    print(f"{options.account} has a new password")
    return 0


def deactivate(options):
    from drcls.app import accounts

    with database(options) as connection:
        accounts.deactivate(connection, options.account)
    print(f"{options.account} is closed; its records stay")
    return 0


def add_token(options):
    from drcls.app import accounts

    with database(options) as connection:
        print(accounts.add_token(connection, options.account))
    return 0


def revoke_tokens(options):
    from drcls.app import accounts

    with database(options) as connection:
        print(f"{accounts.revoke_tokens(connection, options.account)} tokens of {options.account} ended")
    return 0


def calibrate(options):
    from drcls.app.deployment import deploy_calibration, load_grader, load_validation

    grader = load_grader(options.folder, options.model, options.trained_on)
    validation = load_validation(grader, options.trained_on)
    with database(options) as connection:
        fitted = deploy_calibration(connection, grader, validation, options.refer_below)
    before, after = fitted["before"], fitted["after"]
    print(f"{fitted['num_images']} validation images of {fitted['data']}")
    print(f"temperature {grader.temperature:.3f}")
    if grader.why_not_calibrated:
        print(f"NOT CALIBRATED, probabilities stay as they are: {grader.why_not_calibrated}")
    for name in before:
        print(f"{name.replace('_', ' ')} {before[name]:.4f} -> {after[name]:.4f}")
    for row in fitted["thresholds"]:
        right = "none" if row["accuracy_of_others"] is None else f"{row['accuracy_of_others']:.1%}"
        print(
            f"--refer-below {row['refer_below']}: {row['referred']:.1%} referred, of the others {right} right"
        )
    print(f"flagged below {fitted['refer_below']}; a running server takes it up when it starts again")
    return 0


def check(options):
    from drcls.app import acceptance
    from drcls.app.deployment import load_grader, load_validation
    from drcls.data import load_manifest

    grader = load_grader(options.folder, options.model, options.trained_on)
    if options.data_set:
        cases = load_manifest(options.data_set)
    else:
        cases = load_validation(grader, options.trained_on)
    with database(options) as connection:
        if options.criteria:
            acceptance.store_criteria(connection, options.folder, options.criteria)
        record = acceptance.check(connection, options.folder, grader, cases)
    parts = ", ".join(f"{number} {part}" for part, number in (record["parts"] or {}).items())
    print(f"{record['num_images']} images of {record['set']} ({parts or 'trained on or not: unknown'})")
    for outcome in record["outcomes"]:
        limits = ", ".join(f"{name} {outcome[name]}" for name in ("min", "max") if name in outcome)
        verdict = "passed" if outcome["passed"] else "FAILED"
        print(f"{outcome['metric']} {outcome['value']:.4f} ({limits}): {verdict}")
    return 0 if record["passed"] else 1


def verify_log(options):
    from drcls.app import audit
    from drcls.app.verification import find_changes

    heads = [{"head": head} for head in options.head or []]
    for file in options.heads or []:
        heads += read_heads(file)
    with database(options) as connection:
        problems = find_changes(connection, options.folder, heads)
        head = audit.head(connection)
    for problem in problems:
        print(problem)
    if problems:
        print(f"{options.folder}: the audit log, or what it describes, was changed")
        return 1
    print(
        f"{head['entries']} entries, unchanged; head {head['head']}: note it elsewhere, for example by export-head"
    )
    return 0


def export_head(options):
    from drcls.app import audit

    with database(options) as connection:
        line = json.dumps(audit.head(connection))
    if options.to is None:
        print(line)
        return 0
    with options.to.open("a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    print(f"{options.to}: one more head of {options.folder}; check it by verify-log --heads {options.to}")
    return 0


def read_heads(file):
    """Read the lines that `export-head` wrote."""
    heads = []
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            head = json.loads(line)
            heads.append({"entries": int(head["entries"]), "head": str(head["head"]), "at": str(head["at"])})
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{file}, line {number}: {line[:80]!r}; expected a line that export-head wrote"
            ) from error
    return heads


@contextlib.contextmanager
def database(options):
    from drcls.app.db import connect

    with contextlib.closing(connect(options.folder)) as connection:
        yield connection


def ask_password(options):
    if options.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"password for {options.account}: ")
    if getpass.getpass("again: ") != password:
        raise ValueError("the two passwords differ")
    return password


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
