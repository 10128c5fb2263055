"""What if one value of a record were another: the score over a field's values, all others as they are.

Goldstein et al. (2015), "Peeking inside the black box: visualizing statistical learning with plots of
individual conditional expectation".
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.errors import Fault, InvalidError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.explain import scores
from servicio_ml.features.typical import grid
from servicio_ml.serving.served import Served

MOST_VALUES = 200
Scalar = str | int | float | bool | None


class Question(BaseModel):
    """A record, and the field that varies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    record: dict[str, Scalar] = Field(description="As `/models/{model}/predict` takes it.")
    field: str = Field(description="Name of the field that varies.")
    values: Annotated[list[Scalar], Field(min_length=1, max_length=MOST_VALUES)] | None = Field(
        default=None,
        description="What it takes one after the other; without them the range of the training rows, a "
        "category's levels, or the weeks of a year around a date.",
    )


class Curve(BaseModel):
    """The score over the values of one field, all others as they are."""

    model: str
    version: int
    field: str
    label: str | None = Field(
        description="Whose probability the scores are: the positive class's, or of several the one that the "
        "record is answered with; null in a regression."
    )
    value: Scalar = Field(description="The record's own.")
    score: float = Field(description="The record's own.")
    values: list[Scalar]
    scores: list[float] = Field(description="One for each of the values.")


def curve(served: Served, question: Question) -> Curve:
    """The score of a record for each value of a field; nothing is logged or counted.

    Raises:
        InvalidError: The record, the field or a value is none; `row` is the place among the values.
    """
    name, record = question.field, question.record
    matrix = served.decoder.record(_text(record))
    schema = served.artifact.encoder.schema
    if name not in schema.field_names:
        allowed = f"one of {', '.join(schema.field_names)}"
        fault = Fault(row=0, field="field", value=name, allowed=allowed, reason="level")
        raise InvalidError(served.model, [fault])
    value = served.artifact.encoder.decode(matrix[0])[name]
    values = question.values or grid(served.artifact, schema.field(name), value)
    asked = np.concatenate(
        [matrix, *(_row(served, {**record, name: each}, row) for row, each in enumerate(values))]
    )
    served.artifact.encoder.derive(asked)
    found, label = scores(served.artifact, served.artifact.predict(asked))
    own, *others = found.tolist()
    return Curve(
        model=served.model, version=served.version, field=name, label=label, value=value, score=own,
        values=[*values], scores=others,
    )  # fmt: skip


def _row(served: Served, record: Mapping[str, Scalar], row: int) -> Matrix:
    try:
        return served.decoder.record(_text(record))
    except InvalidError as error:
        raise InvalidError(served.model, [replace(fault, row=row) for fault in error.faults]) from None


def _text(record: Mapping[str, Scalar]) -> bytes:
    # by way of JSON, so that a record is read here as everywhere else; NaN is written as such, and refused
    return json.dumps(record).encode()
