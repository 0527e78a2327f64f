"""The server: waitress in front of the application, one to a data folder."""

import contextlib
import fcntl
import logging
import re
import sys

import waitress

from drcls.app import LOOPBACK, create_app
from drcls.app.cases import quarantine_unknown_files
from drcls.app.db import DATABASE, connect
from drcls.app.deployment import calibrate_once, describe, describe_gate, find_validation, keep_grades
from drcls.app.explanations import Explainer

# More than the network takes in one batch, so that a batch can fill while another runs.
NUM_WORKERS = 40
MAX_CONNECTIONS = 500
MAX_HEADER_BYTES = 2**15
IDLE_SECONDS = 20


def check_address(host, port, tls, names):
    """Refuse a port that does not exist, to send passwords over a network in clear, and to answer nobody.

    Raises:
        ValueError: where there is no such port, the address is not this machine's own and nothing in front speaks
            HTTPS, or browsers reach the server by a proxy's name that is not given or is none.
    """
    # The sockets would take the remainder of a larger number, and any free port for 0.
    if not 1 <= port <= 65535:
        raise ValueError(f"--port {port} received; expected a port from 1 to 65535, such as 8000")
    if host not in LOOPBACK and not tls:
        raise ValueError(
            f"--host {host} without --tls: passwords and photographs would cross the network unencrypted; expected "
            f"one of {LOOPBACK}, or a proxy in front that speaks HTTPS, and --tls"
        )
    for name in names or ():
        if not re.fullmatch(r"[A-Za-z0-9.-]+", name):
            raise ValueError(
                f"--name {name!r} received; expected the host's name alone, without https:// or a port, such as "
                "clinic.example"
            )
    if tls and not names:
        raise ValueError(
            "--tls without --name: requests that name another host than this machine are refused; give the name by "
            "which browsers call the proxy, such as --name clinic.example"
        )


def serve(folder, grader, host="127.0.0.1", port=8000, tls=False, names=(), trained_on=None):
    """Serve until interrupted.

    Args:
        folder: Path of the data folder, locked by `only_server`.
        grader: `Grader`.
        host, port: where to listen.
        tls: bool, whether a proxy on this machine speaks HTTPS in front of it.
        names: names that browsers may call the server, besides those of this machine.
        trained_on: Path of the model's data set, for the calibration at its first use; None: from its run folder.

    Raises:
        ValueError: where the model has other classes than the folder was begun with.
        RuntimeError: where the port is taken.
    """
    with contextlib.closing(connect(folder)) as connection:
        keep_grades(connection, grader, folder)
        report_unknown_files(folder, quarantine_unknown_files(connection, folder))
        calibrate_once(connection, grader, trained_on)
        if not connection.execute("SELECT 1 FROM accounts").fetchone():
            print(f"No account yet: {sys.executable} -m drcls.app add-account NAME --folder {folder}")
    explainer = Explainer(folder, grader)
    app = create_app(folder, grader, explainer, tls, [*LOOPBACK, *map(str.lower, names)])
    logging.getLogger("waitress").setLevel(logging.ERROR)
    server = make_server(app, host, port, tls)
    explainer.start()
    print(describe(grader))
    print(describe_gate(grader, find_validation(grader, trained_on) if trained_on else None))
    print(f"Decision support, never a diagnosis. http://{host}:{port} (Ctrl-C ends it)", flush=True)
    server.run()


def make_server(app, host, port, tls=False):
    """Return waitress in front of the application, bound to its port.

    A connection costs little while nothing is sent on it, so that slow ones do not keep the others out. Whoever
    opens more than `MAX_CONNECTIONS` does: the proxy in front bounds them for each address (docs/screening.md).

    Raises:
        RuntimeError: where the port is taken.
    """
    proxy = {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": "x-forwarded-for"} if tls else {}
    try:
        return waitress.create_server(
            app,
            host=host,
            port=port,
            threads=NUM_WORKERS,
            url_scheme="https" if tls else "http",
            max_request_body_size=app.config["MAX_CONTENT_LENGTH"] + 2**20,
            max_request_header_size=MAX_HEADER_BYTES,
            connection_limit=MAX_CONNECTIONS,
            asyncore_use_poll=True,  # select() knows no more than 1,024 files
            backlog=MAX_CONNECTIONS,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=5,
            clear_untrusted_proxy_headers=True,
            ident=None,
            **proxy,
        )
    except OSError as error:
        raise RuntimeError(f"--host {host} --port {port}: {error.strerror}") from error


def report_unknown_files(folder, moved):
    """Say which photographs were moved aside, and what to do with them."""
    if moved:
        print(
            f"{len(moved)} photographs of cases that {folder / DATABASE} does not know were moved to {moved[0].parent}."
            " A server that was killed leaves a few behind; many mean that the database is older than they are: end "
            f"the server, restore the database that belongs to them, and move them back to {folder / 'cases'}.",
            flush=True,
        )


@contextlib.contextmanager
def only_server(folder):
    """Hold the folder's lock; it ends with the process, however that ends.

    Raises:
        RuntimeError: where another server holds it.
    """
    with (folder / "server.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"{folder} is in use by another server") from error
        yield
