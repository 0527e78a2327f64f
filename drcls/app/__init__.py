"""The screening application: upload, quality gate, grade, heat map, clinician's decision, audit log.

The poster "Classification of Diabetic Retinopathy using Residual Learning with a Custom Balanced Softmax Loss" (Li
Tong, Oxford Brookes University) deployed its network as a Flask page; section 4.3 of "Enhancing fundus image
analysis for diabetic retinopathy using CheXNet with CBAM and Grad-CAM visualization" (Frontiers in Medicine 2026,
doi 10.3389/fmed.2026.1732109) describes the clinical system around one. Decision support, never a diagnosis.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from flask import Flask

from drcls.app import admin_views, api, case_views, errors, login
from drcls.app.access import guard
from drcls.app.db import secret_key
from drcls.app.explanations import Explainer
from drcls.app.image_decoding import MAX_BYTES
from drcls.app.inference import Grader

LOOPBACK = ["127.0.0.1", "localhost"]  # werkzeug cannot trust [::1]


@dataclass(frozen=True)
class Parts:
    """What the pages work with: the data folder, the model, and the thread that makes heat maps."""

    folder: Path
    grader: Grader
    explainer: Explainer


def create_app(folder, grader, explainer, tls=False, hosts=None):
    """Make the Flask application.

    Args:
        folder: Path of the data folder, from `db.create_folder`.
        grader: `Grader`.
        explainer: `Explainer`, started by the caller where heat maps are wanted.
        tls: bool, whether browsers reach it by HTTPS; cookies are then sent by HTTPS alone.
        hosts: list of str, names that browsers may call the server; None: those of this machine alone.

    Returns:
        `flask.Flask`.
    """
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secret_key(folder),
        MAX_CONTENT_LENGTH=4 * MAX_BYTES,
        SESSION_COOKIE_NAME="__Host-screening" if tls else "screening",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=tls,
        TRUSTED_HOSTS=hosts or LOOPBACK,
    )
    app.json.sort_keys = False  # grades have an order
    # Flask looks for a relative path beside the package, not where the server was started.
    app.extensions["drcls"] = Parts(Path(folder).resolve(), grader, explainer)
    guard(app)
    errors.register_error_handlers(app)
    for blueprint in (login.pages, case_views.pages, admin_views.pages, api.api):
        app.register_blueprint(blueprint)
    app.jinja_env.globals.update(grader=grader, drcls_version=version("drcls"))
    app.jinja_env.filters.update(spoken=spoken, percent=percent)
    return app


def spoken(name):
    """Write a class or state as words: `Proliferate_DR` -> `Proliferate DR`."""
    return str(name).replace("_", " ")


def percent(share):
    """Write a share in 0..1 as `12.3 %`, and a missing one as a dash."""
    return "–" if share is None else f"{100 * share:.1f} %"
