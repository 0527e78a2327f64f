"""The screening application from the command line.

    python -m drcls.app --model MODEL.keras                       serve it on http://127.0.0.1:8000
    python -m drcls.app add-account anna --role admin             asks for the password
    python -m drcls.app add-token anna                            for the JSON API
    python -m drcls.app calibrate --model MODEL.keras             temperature and threshold, on the validation part
    python -m drcls.app check --criteria acceptance.json          the fixed set against the acceptance criteria
    python -m drcls.app verify-log                                any change of the audit log

Without --model it is the network that `make reproduce-chexnet-cbam` trains on synthetic images: a demonstration.
"""

import argparse
import contextlib
import fcntl
import getpass
import logging
import os
import sqlite3
import sys
from pathlib import Path

DEMONSTRATION = Path("runs/chexnet_cbam/fundus_phantom-clean-quick-s0/CheXNet_CBAM/model.keras")
MAX_THREADS = 40
LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
            f"{error.name} is not installed; the application needs: pip install 'drcls[app]'"
        ) from error
    from drcls.app.store import create_folder

    try:
        create_folder(options.folder)
        return options.run(options)
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        raise SystemExit(f"error: {error}") from error
    except (OSError, sqlite3.OperationalError) as error:
        raise SystemExit(f"error: {options.folder}: {error}") from error


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m drcls.app",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument(
        "--folder", type=Path, default=Path("screening"), help="data folder (default: screening)"
    )
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--model", type=Path, help="a .keras file (default: the demonstration)")
    model.add_argument(
        "--trained-on",
        type=Path,
        help="prepared data set of the model (default: data/NAME, from its run folder)",
    )

    def command(name, run, text, *parents):
        subparser = commands.add_parser(name, help=text, description=text, parents=[folder, *parents])
        subparser.set_defaults(run=run)
        return subparser

    server = command("serve", serve, "serve the pages and the API (without a command, too)", model)
    server.add_argument("--host", default="127.0.0.1", help="address to listen on")
    server.add_argument("--port", type=int, default=8000)
    server.add_argument("--tls", action="store_true", help="a proxy in front of it speaks HTTPS")
    server.add_argument("--name", action="append", help="name browsers call it by; may be repeated")
    server.add_argument("--num-threads", type=int, default=0, help="cores for the network; 0: all")
    account = command("add-account", add_account, "create an account")
    account.add_argument("account")
    account.add_argument("--role", default="clinician", choices=["clinician", "admin"])
    password = command("set-password", set_password, "give an account a new password")
    password.add_argument("account")
    for subparser in (account, password):
        subparser.add_argument("--password-stdin", action="store_true", help="read it from standard input")
    command("deactivate", deactivate, "close an account").add_argument("account")
    command("add-token", add_token, "create a token for the JSON API").add_argument("account")
    calibration = command("calibrate", calibrate, "fit the temperature on the validation part", model)
    calibration.add_argument(
        "--refer-below",
        type=float,
        default=0.5,
        help="confidence below which a case is flagged (default: 0.5)",
    )
    checks = command("check", check, "run a fixed set against the acceptance criteria", model)
    checks.add_argument("--data-set", type=Path, help="prepared data set (default: the validation part)")
    checks.add_argument("--criteria", type=Path, help="JSON file of criteria; kept for the next time")
    log = command("verify-log", verify_log, "look for any change of the audit log")
    log.add_argument("--head", help="hash of an entry, noted earlier, that must be in the log")
    return parser.parse_args(arguments)


def serve(options):
    """Serve until interrupted. Only one server works on a data folder."""
    import waitress

    from drcls.app import create_app
    from drcls.app.cases import remove_orphans
    from drcls.app.explanations import Explainer

    if options.host not in LOOPBACK and not options.tls:
        raise ValueError(
            f"--host {options.host} without --tls: passwords and photographs would cross the network unencrypted; "
            "put a proxy that speaks HTTPS in front and say --tls"
        )
    with only_server(options.folder):
        grader = load_grader(options)
        with database(options) as connection:
            remove_orphans(connection, options.folder)
            keep_grades(connection, grader, options.folder)
            if not connection.execute("SELECT 1 FROM accounts").fetchone():
                print(
                    f"No account yet: {sys.executable} -m drcls.app add-account NAME --folder {options.folder}"
                )
        explainer = Explainer(options.folder, grader)
        explainer.start()
        hosts = [*LOOPBACK[:2], "[::1]", *(options.name or [])]
        app = create_app(options.folder, grader, explainer, options.tls, hosts)
        print(describe(grader))
        print(f"Decision support, never a diagnosis. http://{options.host}:{options.port}", flush=True)
        logging.getLogger("waitress").setLevel(logging.ERROR)
        proxy = (
            {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": "x-forwarded-for"} if options.tls else {}
        )
        waitress.serve(
            app,
            host=options.host,
            port=options.port,
            threads=MAX_THREADS,
            url_scheme="https" if options.tls else "http",
            max_request_body_size=app.config["MAX_CONTENT_LENGTH"] + 2**20,
            ident=None,
            **proxy,
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


def calibrate(options):
    from drcls.app import audit, calibration
    from drcls.app.store import transaction

    grader = load_grader(options, calibrating=True)
    validation = calibration.validation_part(trained_on(options), grader.file)
    fitted = calibration.calibrate(grader, validation, options.refer_below)
    with database(options) as connection, transaction(connection):
        audit.append(connection, "command line", "calibration", **fitted)
        calibration.save_calibration(grader.folder / "calibration.json", fitted)
    before, after = fitted["before"], fitted["after"]
    print(f"{fitted['num_images']} validation images of {fitted['data']}")
    print(f"temperature {fitted['temperature']:.3f}")
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
    from drcls.app.calibration import validation_part
    from drcls.data import load_manifest

    grader = load_grader(options)
    cases = (
        load_manifest(options.data_set)
        if options.data_set
        else validation_part(trained_on(options), grader.file)
    )
    with database(options) as connection:
        if options.criteria:
            acceptance.store_criteria(connection, options.folder, options.criteria)
        record = acceptance.check(connection, options.folder, grader, cases)
    for outcome in record["outcomes"]:
        limits = ", ".join(f"{name} {outcome[name]}" for name in ("min", "max") if name in outcome)
        verdict = "passed" if outcome["passed"] else "FAILED"
        print(f"{outcome['metric']} {outcome['value']:.4f} ({limits}): {verdict}")
    return 0 if record["passed"] else 1


def verify_log(options):
    from drcls.app import audit

    with database(options) as connection:
        problems = audit.verify(connection, options.head)
        last = connection.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    for problem in problems:
        print(problem)
    if problems:
        print(f"{options.folder}: the audit log was changed")
        return 1
    number, head = (last["id"], last["hash"]) if last else (0, audit.START)
    print(f"{number} entries, unchanged; head {head}: note it elsewhere")
    return 0


def load_grader(options, calibrating=False):
    """Load the model; a model with a run folder beside it is calibrated at its first use."""
    from drcls.app.calibration import preparation_of
    from drcls.app.inference import Grader

    options.model = options.model or DEMONSTRATION
    if not options.model.is_file() and options.model == DEMONSTRATION:
        raise FileNotFoundError(
            f"{DEMONSTRATION} does not exist: `make reproduce-chexnet-cbam` makes this demonstration model; or name "
            "another with --model"
        )
    if not options.model.is_file():
        raise FileNotFoundError(f"--model {options.model}: no such file; expected a saved .keras model")
    num_threads = getattr(options, "num_threads", 0)
    grader = Grader(options.model, options.folder, preparation_of(trained_on(options)), num_threads)
    can_calibrate = options.model.with_name("split.csv").is_file()
    if grader.calibration is None and can_calibrate and not calibrating:
        calibrate(argparse.Namespace(**vars(options) | {"refer_below": 0.5}))
        grader.reload_calibration()
    return grader


def trained_on(options):
    """Return the folder of the data set that the model was trained on: named, or found by its run folder."""
    from drcls.runs import read_json

    if options.trained_on:
        return options.trained_on
    path = options.model.with_name("config.json")
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist, so how the model's images were prepared is not known; name its prepared data "
            "set with --trained-on"
        )
    return Path("data") / read_json(path)["data"]


def keep_grades(connection, grader, folder):
    """Hold the model's classes against those the data folder was begun with.

    Raises:
        ValueError: where they differ: cases of two scales in one list would be misread.
    """
    import json

    names = json.dumps(grader.class_names)
    connection.execute("INSERT OR IGNORE INTO facts VALUES ('grades', ?)", (names,))
    begun = connection.execute("SELECT value FROM facts WHERE name = 'grades'").fetchone()["value"]
    if begun != names:
        raise ValueError(
            f"{grader.file} has the {len(grader.class_names)} classes {grader.class_names}; {folder} was begun with "
            f"{json.loads(begun)}: use that model, or another --folder"
        )


def describe(grader):
    """Say in a line which model is served."""
    kind = "demonstration trained on synthetic images" if grader.phantom else "model"
    state = f"temperature {grader.temperature:.3f}" if grader.calibration else "NOT CALIBRATED"
    return f"{kind}: {grader.version} ({grader.sha256[:12]}), {state}, refer below {grader.refer_below}"


@contextlib.contextmanager
def database(options):
    from drcls.app.store import connect

    with contextlib.closing(connect(options.folder)) as connection:
        yield connection


@contextlib.contextmanager
def only_server(folder):
    """Hold the folder's lock; it ends with the process, however that ends."""
    with (folder / "server.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"{folder} is in use by another server") from error
        yield


def ask_password(options):
    if options.password_stdin:
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"password for {options.account}: ")
    if getpass.getpass("again: ") != password:
        raise ValueError("the two passwords differ")
    return password


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
