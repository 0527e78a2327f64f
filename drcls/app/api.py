"""The JSON API: one photograph in, one grade out, for programs that hold a token."""

import hashlib
from dataclasses import asdict

from flask import Blueprint, abort, current_app, jsonify, request

from drcls.app import audit
from drcls.app.access import get_db
from drcls.app.accounts import token_account
from drcls.app.db import transaction
from drcls.app.image_decoding import MAX_BYTES, RefusedImageError, opened_image
from drcls.app.openapi import description
from drcls.app.quality import assess, is_gradable

NOTICE = "Decision support, never a diagnosis: a clinician decides."
TYPES = ("image/jpeg", "image/png", "application/dicom")

api = Blueprint("api", __name__, url_prefix="/api/v1")


@api.get("/openapi.json")
def openapi():
    return jsonify(description(current_app.extensions["drcls"].grader.class_names))


@api.post("/predict")
def predict():
    """Grade the photograph in the body; the prediction is in the audit log before the answer is sent."""
    name = _authenticate()["name"]
    override = _override()
    if request.mimetype not in TYPES:
        abort(415, f"The type of the content is {request.mimetype!r}; one of {', '.join(TYPES)} is expected.")
    request.max_content_length = MAX_BYTES
    data = request.get_data(cache=False)
    grader, image_sha256 = current_app.extensions["drcls"].grader, _sha256(data)
    try:
        with opened_image(data) as image:
            quality = assess(image, grader.gate)
            graded = asdict(grader.grade(image)) if override or is_gradable(quality) else None
    except RefusedImageError as error:
        abort(422, str(error))
    answer = {"notice": NOTICE, "image_sha256": image_sha256, "gate": grader.gate, "quality": quality}
    if graded is None:
        with transaction(get_db()):
            entry = audit.append(
                get_db(), name, "not_gradable", image_sha256=image_sha256, quality=quality, source="api"
            )
        message = "The photograph does not pass the quality gate; quality says why. Retake it."
        return jsonify(answer | {"error": {"status": 422, "message": message}, "audit": entry}), 422
    prediction = graded | grader.description()
    with transaction(get_db()):
        entry = audit.append(
            get_db(),
            name,
            "prediction",
            image_sha256=image_sha256,
            prediction=prediction,
            gate=grader.gate,
            quality=quality,
            override_quality=override,
            source="api",
        )
    return jsonify(answer | {"prediction": prediction, "audit": entry})


def _authenticate():
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    account = token_account(get_db(), token.strip()) if kind.lower() == "bearer" else None
    if account is None:
        abort(401, "A token is expected: Authorization: Bearer TOKEN.")
    return account


def _override():
    values = request.args.getlist("override_quality") or ["false"]
    if values not in (["true"], ["false"]):
        abort(400, f"override_quality is {', '.join(values)[:40]!r}; true or false is expected, once.")
    return values == ["true"]


def _sha256(data):
    return hashlib.sha256(data).hexdigest()
