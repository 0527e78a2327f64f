"""What goes wrong, told plainly: nothing was recorded, and what to do now."""

import errno
import sqlite3

from flask import current_app, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, SecurityError

from drcls.app.cases import ConflictError
from drcls.app.inference import TooBusyError

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
FULL = "The disk of the server is full. Nothing of this request was recorded; tell the person who runs the server."
LOCKED = "The database is busy. Nothing of this request was recorded; try again in a few seconds."
BUSY = "Too many photographs are waiting. Nothing of this one was recorded; try again in a few seconds."
BROKEN = (
    "Something went wrong in the server. Nothing of this request was recorded; the server's output says more."
)


def tell(app):
    """Register an answer for every fault, as a page or, under /api/, as JSON."""
    app.register_error_handler(HTTPException, lambda error: answer(error.code, error.description))
    # No page can be drawn where the host is unknown: it has no addresses to link to.
    app.register_error_handler(SecurityError, lambda error: (f"{error.description}\n", 400, PLAIN))
    app.register_error_handler(ConflictError, lambda error: answer(409, str(error)))
    app.register_error_handler(TooBusyError, lambda error: answer(503, BUSY))
    app.register_error_handler(sqlite3.OperationalError, _database_fault)
    app.register_error_handler(OSError, _disk_fault)
    app.register_error_handler(Exception, _unexpected)


def answer(status, message):
    """Return the response to a request that failed."""
    if request.path.startswith("/api/"):
        response = jsonify(error={"status": status, "message": message})
    else:
        g.setdefault("account", None)  # the page must not ask a database that just failed
        response = current_app.make_response(render_template("fault.html", status=status, message=message))
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        response.headers["Retry-After"] = "300" if status == 429 else "5"
    return response


def _database_fault(error):
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return answer(503, LOCKED)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return answer(507, FULL)
    return _unexpected(error)


def _disk_fault(error):
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return answer(507, FULL)
    return _unexpected(error)


def _unexpected(error):
    current_app.logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return answer(500, BROKEN)
