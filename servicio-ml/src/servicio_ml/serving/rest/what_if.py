"""What-if curves: the score of a record over the values of one field, the others unchanged.

Goldstein et al. (2015), "Peeking inside the black box: visualizing statistical learning with plots of
individual conditional expectation".
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import FieldError, InvalidError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.explain import select_scores
from servicio_ml.features.typical import build_grid
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.openapi import VERSION_PARAMETERS, describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest.predict import parse_version_query

MAX_VALUES = 200
Scalar = str | int | float | bool | None


class WhatIfRequest(BaseModel):
    """A record and the field that varies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    record: dict[str, Scalar] = Field(description="As in `/models/{model}/predict`.")
    field: str = Field(description="Name of the field that varies, or of its raw column.")
    values: Annotated[list[Scalar], Field(min_length=1, max_length=MAX_VALUES)] | None = Field(
        default=None,
        description="Values of the field; default: the range of the training rows, the levels of a category, "
        "or the weeks of a year around a date.",
    )


class WhatIfCurve(BaseModel):
    """Score over the values of one field, the others unchanged."""

    model: str
    version: int
    field: str
    label: str | None = Field(
        description="Class of the probabilities: the positive one, or the predicted one of several; "
        "null for a regression."
    )
    value: Scalar = Field(description="Value of the record.")
    score: float = Field(description="Score of the record.")
    values: list[Scalar]
    scores: list[float] = Field(description="One score for each value.")


def compute_curve(loaded_model: LoadedModel, request: WhatIfRequest) -> WhatIfCurve:
    """Compute the score of a record for each value of a field; nothing is logged or counted.

    Raises:
        InvalidError: The record, the field or a value is invalid; `row` is the index of the value.
    """
    names = loaded_model.decoder.names
    name = names.rename(request.field)
    matrix = loaded_model.decoder.decode_record(_encode_record(request.record)).matrix
    # after it was decoded: its names go together
    record = {names.rename(each): value for each, value in request.record.items()}
    schema = loaded_model.artifact.encoder.schema
    if name not in schema.field_names:
        allowed = f"one of {', '.join(schema.field_names)}"
        fault = FieldError(row=0, field="field", value=name, allowed=allowed, reason="level")
        raise InvalidError(loaded_model.model, [fault])
    [value] = _decode_column(schema, name, matrix)
    values = request.values or build_grid(loaded_model.artifact, schema.get_field(name), value)
    # one call of the model for all values
    varied = np.concatenate(
        [matrix, *(_decode_row(loaded_model, {**record, name: each}, row) for row, each in enumerate(values))]
    )
    loaded_model.artifact.encoder.derive(varied)
    found_scores, label = select_scores(loaded_model.artifact, loaded_model.artifact.predict(varied))
    own, *others = found_scores.tolist()
    return WhatIfCurve(
        model=loaded_model.model,
        version=loaded_model.version,
        field=name,
        label=label,
        value=value,
        score=own,
        values=[*values],
        scores=others,
    )


def _decode_column(schema: FeatureSchema, name: str, matrix: Matrix) -> list[Any]:
    from servicio_ml.features.decoder import decode_field, format_moments  # noqa: PLC0415  loads Arrow, heavy

    column = decode_field(schema, schema.field_names.index(name), matrix)
    values: list[Any] = format_moments(column).to_pylist()
    return values


def _decode_row(loaded_model: LoadedModel, record: Mapping[str, Scalar], row: int) -> Matrix:
    try:
        return loaded_model.decoder.decode_record(_encode_record(record)).matrix
    except InvalidError as error:
        # every single record is row 0; the client asks which value was wrong
        raise InvalidError(loaded_model.model, [replace(fault, row=row) for fault in error.faults]) from None


def _encode_record(record: Mapping[str, Scalar]) -> bytes:
    # as JSON, so that the decoder reads it like any request; NaN is written as such, and refused
    return json.dumps(record).encode()


def build_routes(service: Service) -> APIRouter:
    """Build the route."""
    router = APIRouter(prefix="/models/{model}", tags=["insight"])

    @router.post(
        "/what-if",
        summary="Score a record over the values of one field",
        openapi_extra={"parameters": VERSION_PARAMETERS},
        responses=describe_errors(400, 401, 403, 404, 413, 422, 500, 503),
    )
    @require(Access.PREDICT)
    async def compute_what_if(model: str, request: Request, question: WhatIfRequest) -> WhatIfCurve:
        """Score a record with other values of one field; nothing is logged as a prediction."""
        loaded_model, _ = await service.predictor.resolve(
            model, parse_version_query(request.scope["query_string"])
        )
        return await service.predictor.run_in_thread(loaded_model, compute_curve, loaded_model, question)

    return router
