"""The OpenAPI document: the routes, and the predictions of every model as its schema has them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from servicio_ml.serving import arrow
from servicio_ml.serving.call import JSON
from servicio_ml.serving.problems import MEDIA_TYPE
from servicio_ml.serving.served import Served
from servicio_ml.serving.service import Service

PROBLEM = "#/components/schemas/Problem"
REFUSALS = (400, 401, 403, 404, 405, 413, 415, 422, 503)
TEMPLATE = "#/components/schemas/{model}"
PROBLEM_SCHEMA: Mapping[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["row", "field", "value", "allowed", "reason"],
                "properties": {
                    "row": {"type": "integer"},
                    "field": {"type": "string"},
                    "value": {},
                    "allowed": {"type": "string"},
                    "reason": {"enum": ["missing", "unknown_field", "type", "range", "level"]},
                },
            },
        },
    },
}
WANTED = [
    {
        "name": "alias",
        "in": "query",
        "description": "Answer by the version of this alias, such as `challenger` or a candidate's name.",
        "schema": {"type": "string", "minLength": 1},
    },
    {
        "name": "version",
        "in": "query",
        "description": "Answer by this version; not together with `alias`.",
        "schema": {"type": "integer", "minimum": 1},
    },
]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented problem answers of a route."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM}}},
        }
        for status in statuses
    }


def document(app: FastAPI, service: Service) -> dict[str, Any]:
    """The document as of the models that are loaded now."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = dict(PROBLEM_SCHEMA)
    made["components"]["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    made["security"] = [{}] if service.keys.open else [{"key": []}, {"bearer": []}]
    _with_names(made["paths"])
    for served in service.models.champions():
        _describe(made["paths"], schemas, served, f"/models/{served.model}/predict")
        if served.model == service.default_model:
            _describe(made["paths"], schemas, served, "/predict")
    return made


def _with_names(paths: Mapping[str, Mapping[str, Any]]) -> None:
    """What the edge refuses of any path that takes a name: control characters."""
    for path, operations in paths.items():
        for operation in operations.values():
            if "{" in path:
                responses = operation["responses"]
                responses.setdefault("400", refusals(HTTPStatus.BAD_REQUEST)[HTTPStatus.BAD_REQUEST])


def _describe(paths: dict[str, Any], schemas: dict[str, Any], served: Served, path: str) -> None:
    decoder = served.decoder
    for model in (decoder.record_model, decoder.batch_model):
        schema = model.model_json_schema(ref_template=TEMPLATE)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    answer = _answer(served)
    one, many = decoder.record_model.__name__, decoder.batch_model.__name__
    fields = served.artifact.encoder.schema.fields
    example = {each.name: each.example for each in fields}
    binary = {"schema": {"type": "string", "format": "binary"}}
    name = path.strip("/").replace("/", "_")
    paths[path] = _operation(
        served, f"{name}_one", f"Predict one record of {served.model}",
        {JSON: {"schema": {"$ref": f"#/components/schemas/{one}"}, "example": example}},
        {JSON: {"schema": answer}},
    )  # fmt: skip
    arrows = dict.fromkeys(arrow.READERS, binary)
    paths[f"{path}/batch"] = _operation(
        served, f"{name}_many", f"Predict many records of {served.model}",
        {
            JSON: {"schema": {"$ref": f"#/components/schemas/{many}"}, "example": {"records": [example]}},
            **arrows,
        },
        {JSON: {"schema": _answers(answer)}, arrow.STREAM: binary},
    )  # fmt: skip


def _operation(
    served: Served, name: str, summary: str, takes: Mapping[str, Any], gives: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "post": {
            "tags": [served.model],
            "operationId": name,
            "summary": summary,
            "parameters": WANTED,
            "requestBody": {"required": True, "content": takes},
            "responses": {
                "200": {"description": "The answer.", "content": gives},
                **{str(status): refusal for status, refusal in refusals(*REFUSALS).items()},
            },
        }
    }


def _answer(served: Served) -> dict[str, Any]:
    """The schema of one answer."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    parts: dict[str, Any] = {"prediction": {"type": "number"}}
    if served.labels:
        parts = {
            "prediction": {"type": "integer", "description": "Index of the label."},
            "label": {"enum": list(served.labels)},
        }
        if served.artifact.output.task == "binary":
            parts["probability"] = {**share, "description": f"Of {served.labels[1]}."}
        else:
            each = dict.fromkeys(served.labels, share)
            parts["probabilities"] = {"type": "object", "properties": each, "required": list(each)}
    parts |= {
        "model": {"const": served.model},
        "version": {"type": "integer"},
        "prediction_id": {"type": "string", "format": "uuid"},
    }
    return {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}


def _answers(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of many: by rows, or by columns as they came."""
    head = {name: answer["properties"][name] for name in ("model", "version")}
    row = {name: part for name, part in answer["properties"].items() if name not in head}
    rows = {"type": "array", "items": {"type": "object", "properties": row, "required": list(row)}}
    lists = {name: {"type": "array", "items": part} for name, part in row.items()}
    columns = {"type": "object", "properties": lists, "required": list(lists)}
    parts = {**head, "predictions": {"anyOf": [rows, columns]}}
    return {"type": "object", "properties": parts, "required": list(parts)}
