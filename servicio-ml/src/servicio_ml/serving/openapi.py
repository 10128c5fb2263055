"""The OpenAPI document: all routes, and the predictions of every model by its schema."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.features.outliers.answer_details import OUTLIER_PARAMETER
from servicio_ml.features.outliers.outlier_model import OUTLIER_LIMIT, OUTLIER_SCORE
from servicio_ml.features.uncertainty.levels import INTERVAL, MAX_LEVEL, MIN_LEVEL
from servicio_ml.features.uncertainty.uncertainty import LABEL_SET
from servicio_ml.serving.http.call import JSON
from servicio_ml.serving.http.problems import PROBLEM_MEDIA_TYPE
from servicio_ml.serving.models import arrow
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.row_faults import OnError
from servicio_ml.serving.prediction.service import Service

IDENTIFIER_EXAMPLE = "892"
PROBLEM_REF = "#/components/schemas/Problem"
PREDICT_ERROR_STATUSES = (400, 401, 403, 404, 405, 413, 415, 422, 503)
REF_TEMPLATE = "#/components/schemas/{model}"
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
VERSION_PARAMETERS = [
    {
        "name": "alias",
        "in": "query",
        "description": "Alias of the version that answers, such as `challenger` or a candidate's name.",
        "schema": {"type": "string", "minLength": 1},
    },
    {
        "name": "version",
        "in": "query",
        "description": "Number of the version that answers; not together with `alias`.",
        "schema": {"type": "integer", "minimum": 1},
    },
]
ON_ERROR_PARAMETER: Mapping[str, Any] = {
    "name": "on_error",
    "in": "query",
    "description": "`refuse`: a value that its field does not take refuses the batch. `partial`: the row is "
    "answered with its `error` and null, beside the others.",
    "schema": {"enum": [*OnError], "default": OnError.REFUSE},
}

INTERVAL_PARAMETER: Mapping[str, Any] = {
    "name": INTERVAL,
    "in": "query",
    "description": "Level of the interval of a number, or of the set of labels, that each answer shall have. "
    "Refused by a model that was not calibrated.",
    "schema": {"type": "number", "minimum": MIN_LEVEL, "maximum": MAX_LEVEL},
}

OUTLIER_FLAG: Mapping[str, Any] = {
    "name": OUTLIER_PARAMETER,
    "in": "query",
    "description": "Whether each answer shall have an outlier score. Refused by a version without one.",
    "schema": {"type": "boolean", "default": False},
}
DETAIL_PARAMETERS = (INTERVAL_PARAMETER, OUTLIER_FLAG)


def describe_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error responses of a route."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": PROBLEM_REF}}},
        }
        for status in statuses
    }


def build_document(app: FastAPI, service: Service) -> dict[str, Any]:
    """Build the document for the models that are loaded now."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = dict(PROBLEM_SCHEMA)
    document["components"]["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    # {} means that no key is required
    document["security"] = [{}] if service.keys.is_open else [{"key": []}, {"bearer": []}]
    _add_path_errors(document["paths"])
    for loaded_model in service.models.list_champions():
        _describe_model(document["paths"], schemas, loaded_model, f"/models/{loaded_model.model}/predict")
        if loaded_model.model == service.default_model:
            _describe_model(document["paths"], schemas, loaded_model, "/predict")
    return document


def _add_path_errors(paths: Mapping[str, Mapping[str, Any]]) -> None:
    """Describe the error of paths with a parameter: the gateway refuses control characters."""
    for path, operations in paths.items():
        for operation in operations.values():
            if "{" in path:
                responses = operation["responses"]
                responses.setdefault("400", describe_errors(HTTPStatus.BAD_REQUEST)[HTTPStatus.BAD_REQUEST])


def _describe_model(
    paths: dict[str, Any], schemas: dict[str, Any], loaded_model: LoadedModel, path: str
) -> None:
    decoder = loaded_model.decoder
    for model in (decoder.record_model, decoder.batch_model):
        schema = model.model_json_schema(ref_template=REF_TEMPLATE)
        # the definitions move to the components, where `REF_TEMPLATE` points
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    answer = _build_answer_schema(loaded_model)
    one, many = (_build_reference(each.__name__) for each in (decoder.record_model, decoder.batch_model))
    # the same records as in a batch, without the object around them
    records = {"type": "array", "minItems": 1, "maxItems": decoder.max_rows, "items": one}
    example: dict[str, Any] = {
        each.name: each.example for each in loaded_model.artifact.encoder.schema.fields
    }
    if decoder.identifier:
        example[IDENTIFIER] = IDENTIFIER_EXAMPLE
    # OpenAPI has no schema for Arrow and Parquet
    binary = {"schema": {"type": "string", "format": "binary"}}
    name = path.strip("/").replace("/", "_")
    paths[path] = _build_operation(
        loaded_model, f"{name}_one", f"Predict one record of {loaded_model.model}",
        {JSON: {"schema": one, "example": example}},
        {JSON: {"schema": answer}}, [*VERSION_PARAMETERS, *DETAIL_PARAMETERS],
    )  # fmt: skip
    paths[f"{path}/batch"] = _build_operation(
        loaded_model, f"{name}_many", f"Predict many records of {loaded_model.model}",
        {
            JSON: {"schema": {"anyOf": [many, records]}, "example": {"records": [example]}},
            **dict.fromkeys(arrow.READERS, binary),
        },
        {JSON: {"schema": _build_batch_schema(answer)}, arrow.STREAM_TYPE: binary},
        [*VERSION_PARAMETERS, *DETAIL_PARAMETERS, ON_ERROR_PARAMETER],
    )  # fmt: skip


def _build_reference(name: str) -> dict[str, Any]:
    return {"$ref": REF_TEMPLATE.format(model=name)}


def _describe_names(loaded_model: LoadedModel) -> str:
    """Describe the names of a record's fields, by an example of those of the raw columns."""
    names, fields = loaded_model.decoder.names, loaded_model.artifact.encoder.schema.fields
    if not names.by_column:
        return "The fields have one name each."
    example: dict[str, Any] = {names.find_column(each.name): each.example for each in fields}
    if loaded_model.decoder.identifier:
        example[names.find_column(IDENTIFIER)] = IDENTIFIER_EXAMPLE
    record = json.dumps(example, ensure_ascii=False)
    return f"All fields of a record may instead be named by their raw columns: `{record}`"


def _build_operation(
    loaded_model: LoadedModel,
    name: str,
    summary: str,
    request_content: Mapping[str, Any],
    response_content: Mapping[str, Any],
    parameters: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    return {
        "post": {
            "tags": [loaded_model.model],
            "operationId": name,
            "summary": summary,
            "parameters": parameters,
            "requestBody": {
                "required": True,
                "description": _describe_names(loaded_model),
                "content": request_content,
            },
            "responses": {
                "200": {"description": "The prediction.", "content": response_content},
                **{
                    str(status): refusal
                    for status, refusal in describe_errors(*PREDICT_ERROR_STATUSES).items()
                },
            },
        }
    }


def _build_answer_schema(loaded_model: LoadedModel) -> dict[str, Any]:
    """Build the schema of one prediction."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    properties: dict[str, Any] = {"prediction": {"type": "number"}}
    if loaded_model.labels:
        properties = {
            "prediction": {"type": "integer", "description": "Index of the label."},
            "label": {"enum": list(loaded_model.labels)},
        }
        if loaded_model.artifact.output.task == "binary":
            properties["probability"] = {**share, "description": f"Probability of {loaded_model.labels[1]}."}
        else:
            each = dict.fromkeys(loaded_model.labels, share)
            properties["probabilities"] = {"type": "object", "properties": each, "required": list(each)}
    properties |= {
        "model": {"const": loaded_model.model}, "version": {"type": "integer"},
        "prediction_id": {"type": "string", "format": "uuid"},
    }  # fmt: skip
    return {
        "type": "object",
        "properties": {**properties, **_build_detail_schema(loaded_model)},
        "required": list(properties),
        "additionalProperties": False,
    }


def _build_detail_schema(loaded_model: LoadedModel) -> dict[str, Any]:
    """Build the schemas of what an answer has beside with `interval` and `outlier`."""
    uncertainty = loaded_model.artifact.uncertainty
    share = {"type": "number", "minimum": 0, "maximum": 1}
    scores = {OUTLIER_SCORE: share, OUTLIER_LIMIT: share} if loaded_model.artifact.outliers else {}
    if uncertainty is None:
        return scores
    labels = {"type": "array", "items": {"enum": list(loaded_model.labels)}, "minItems": 1}
    each = {name: labels if name == LABEL_SET else {"type": "number"} for name in uncertainty.column_names}
    return {**each, INTERVAL: INTERVAL_PARAMETER["schema"], **scores}


def _build_batch_schema(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Build the schema of a batch: rows or columns, as in the request."""
    # model and version stand once above the rows, not in each of them
    names = ("model", "version", INTERVAL, OUTLIER_LIMIT)
    head = {name: answer["properties"][name] for name in names if name in answer["properties"]}
    required = answer["required"]
    row = {name: schema for name, schema in answer["properties"].items() if name not in head}
    partial = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in row.items()}
    why = {"type": ["string", "null"], "description": "Why the row is refused; null if it is scored."}
    number = {"type": "integer", "description": "Number of refused rows; with `on_error=partial` only."}
    refused = {"refused": number, "errors": PROBLEM_SCHEMA["properties"]["errors"]}
    predictions = {
        "anyOf": [*_build_shapes(row, required), *_build_shapes({**partial, "error": why}, required)]
    }
    properties = {**head, "predictions": predictions}
    needed = [name for name in properties if name not in {INTERVAL, OUTLIER_LIMIT}]
    return {"type": "object", "properties": {**properties, **refused}, "required": needed}


def _build_shapes(row: Mapping[str, Any], required: Sequence[str]) -> list[dict[str, Any]]:
    """Build the schemas of many rows: as objects, and as columns."""
    needed = [name for name in row if name in required or name == "error"]
    rows = {"type": "array", "items": {"type": "object", "properties": row, "required": needed}}
    lists = {name: {"type": "array", "items": schema} for name, schema in row.items()}
    return [rows, {"type": "object", "properties": lists, "required": needed}]


def build_request_body(
    model: type[BaseModel], *, required: bool, media_types: Sequence[str]
) -> dict[str, Any]:
    """Describe a body whose route parses it by hand, with its schema in place."""
    schema = model.model_json_schema()
    schema = _inline_references(schema, schema.pop("$defs", {}))
    return {"required": required, "content": {media_type: {"schema": schema} for media_type in media_types}}


def _inline_references(schema: Any, definitions: dict[str, Any]) -> Any:
    """Replace the references of a JSON schema: OpenAPI would resolve them in its own components."""
    if isinstance(schema, list):
        return [_inline_references(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline_references(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inline_references(value, definitions) for key, value in schema.items()}
