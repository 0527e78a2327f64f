"""What the JSON API takes and gives, as OpenAPI 3.0."""

from importlib.metadata import version

from drcls.app.quality import GATES, LIMITS


def description(class_names):
    """Return the OpenAPI description of `/api/v1`, for a model with these class names."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "drcls screening",
            "version": version("drcls"),
            "description": "Grades fundus photographs. Decision support, never a diagnosis.",
        },
        "security": [{"token": []}],
        "paths": {"/api/v1/predict": {"post": _predict()}, "/api/v1/openapi.json": {"get": _openapi()}},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(class_names),
        },
    }


def _predict():
    photograph = {"schema": {"type": "string", "format": "binary"}}
    errors = {
        "400": "The request is malformed, for example another value of override_quality",
        "401": "No token, or an unknown one",
        "413": "Too many bytes",
        "415": "Another type of content",
        "503": "Too many photographs are waiting, or the database is busy; nothing was recorded",
        "507": "The disk is full; nothing was recorded",
    }
    return {
        "operationId": "predict",
        "summary": "Grade one photograph; it is logged, and not kept",
        "parameters": [
            {
                "name": "override_quality",
                "in": "query",
                "description": "grade even what does not pass the quality gate",
                "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"image/jpeg": photograph, "image/png": photograph, "application/dicom": photograph},
        },
        "responses": {
            "200": _json("Graded", "Graded"),
            "422": _json("No photograph, or one that does not pass the quality gate", "Refused"),
            **{status: _json(text, "Error") for status, text in errors.items()},
        },
    }


def _openapi():
    return {
        "operationId": "openapi",
        "summary": "This description",
        "security": [],
        "responses": {
            "200": {
                "description": "OpenAPI 3.0",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        },
    }


def _json(text, schema):
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _schemas(class_names):
    sha256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    shares = _object({name: share for name in class_names})
    limit = {"type": "number", "nullable": True}
    criterion = _object(
        {
            "name": {"type": "string", "enum": list(LIMITS)},
            "value": {"type": "number"},
            "lowest": limit,
            "highest": limit,
            "passed": {"type": "boolean"},
            "failure": {"type": "string"},
            "unit": {"type": "string"},
        }
    )
    prediction = _object(
        {
            "grade": {"type": "string", "enum": list(class_names)},
            "confidence": share,
            "refer": {"type": "boolean", "description": "the confidence lies below refer_below"},
            "probabilities": shares,
            "raw_probabilities": shares,
            "model_sha256": sha256,
            "model_version": {"type": "string"},
            "demonstration": {"type": "boolean", "description": "trained on synthetic images"},
            "preparation": {"type": "object"},
            "input_shape": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 3,
                "maxItems": 3,
                "description": "height, width and channels of the network's input",
            },
            "temperature": {"type": "number"},
            "calibrated": {"type": "boolean"},
            "why_not_calibrated": {"type": "string", "nullable": True},
            "refer_below": share,
            "drcls": {"type": "string"},
            "onnxruntime": {"type": "string"},
        }
    )
    common = {
        "notice": {"type": "string"},
        "image_sha256": sha256,
        "gate": {"type": "string", "enum": list(GATES), "description": "none: no quality check was made"},
        "quality": {"type": "array", "items": criterion},
        "audit": _object({"id": {"type": "integer", "minimum": 1}, "hash": sha256}),
    }
    error = _object({"status": {"type": "integer"}, "message": {"type": "string"}})
    return {
        "Graded": _object(common | {"prediction": prediction}),
        "Refused": _object(common | {"error": error}, required=["error"]),
        "Error": _object({"error": error}),
    }


def _object(properties, required=None):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }
