"""Error handlers: say what happened, whether anything was recorded (usually not), and what to do next."""

import errno
import sqlite3

from flask import current_app, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, SecurityError

from drcls.app.cases import ConflictError
from drcls.app.db import LockedError
from drcls.app.inference import TooBusyError

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
FULL = "The disk of the server is full or failing; tell the person who runs the server."
LOCKED = "The database is busy; try again in a few seconds."
BUSY = "Too many photographs are waiting; try again in a few seconds."
BROKEN = "Something went wrong in the server; its output says more."
NOTHING = "Nothing of this request was recorded."


def register_error_handlers(app):
    """Register a response for every error, as a page or, under /api/, as JSON."""
    app.register_error_handler(HTTPException, _http_error)
    # No page can be drawn where the host is unknown: it has no addresses to link to.
    app.register_error_handler(SecurityError, lambda error: (f"{error.description}\n", 400, PLAIN))
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(ConflictError, lambda error: error_response(409, str(error)))
    app.register_error_handler(TooBusyError, lambda error: _error(503, BUSY))
    app.register_error_handler(sqlite3.OperationalError, _database_error)
    app.register_error_handler(OSError, _disk_error)
    app.register_error_handler(Exception, _unexpected)


def error_response(status, message):
    """Return the response to a request that failed."""
    if request.path.startswith("/api/"):
        response = jsonify(error={"status": status, "message": message})
    else:
        g.setdefault("account", None)  # the page must not ask a database that just failed
        response = current_app.make_response(render_template("error.html", status=status, message=message))
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        response.headers["Retry-After"] = "300" if status == 429 else "5"
    return response


def _http_error(error):
    response = error_response(error.code, error.description)
    if getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _error(status, message):
    # A view that records more than one thing says in `g.recorded` what was done before the error.
    return error_response(status, f"{message} {g.get('recorded', NOTHING)}")


def _too_large(_):
    return _error(
        413, f"Too much was sent; at most {request.max_content_length // 2**20} MiB are taken at once."
    )


def _database_error(error):
    name = getattr(error, "sqlite_errorname", "") or ""
    if isinstance(error, LockedError) or name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return _error(503, LOCKED)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return _error(507, FULL)
    return _unexpected(error)


def _disk_error(error):
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _error(507, FULL)
    return _unexpected(error)


def _unexpected(error):
    current_app.logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return _error(500, BROKEN)
