"""Columns of a table of logged predictions: those of several versions of a model together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.decoder import TYPES, Column, format_moments
from servicio_ml.features.outliers.outlier_model import OUTLIER_SCORE, OutlierModel
from servicio_ml.features.output import OutputTransform

ID, TIME, VERSION = "prediction_id", "time", "version"
PREDICTION, LABEL, PROBABILITY, PROBABILITIES, ACTUAL = (
    "prediction", "label", "probability", "probabilities", "actual",
)  # fmt: skip
OWN = (ID, TIME, VERSION, IDENTIFIER, PREDICTION, LABEL, PROBABILITY, PROBABILITIES, OUTLIER_SCORE, ACTUAL)
"""Columns beside the fields; a field with such a name becomes `raw <name>`."""
MODEL_KEY = b"model"
"""Key in the metadata of a table."""
Type = Any
"""Arrow type; pyarrow has no types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedVersion:
    """A version of a model that has logged predictions.

    Attributes:
        version: Number of the version.
        schema: Schema of its rows.
        output: Labels of its answers.
        outliers: Outlier model; None of a version without.
    """

    version: int
    schema: FeatureSchema
    output: OutputTransform
    outliers: OutlierModel | None = None

    @property
    def is_binary(self) -> bool:
        return self.output.task == "binary"


def name_column(field: str) -> str:
    """Return the name of the column of a field."""
    return f"raw {field}" if field in OWN else field


def name_class_column(label: str) -> str:
    """Return the name of the column of a class's probability, where columns have no parts."""
    # no field has a name with blanks
    return f"probability of {label}"


def build_columns(model: str, versions: Sequence[LoggedVersion]) -> Any:
    """Build the Arrow schema of the rows of all versions.

    It has the fields of every version, those of the newest first. A field whose type has changed has one that
    holds the values of both: a number, a date-time, else a text.
    """
    fields: dict[str, Type] = {}
    for each in sorted(versions, key=lambda each: each.version, reverse=True):
        for field in each.schema.fields:
            kind, name = TYPES[field.kind], name_column(field.name)
            fields[name] = _merge_types(fields.get(name, kind), kind)
    columns = {
        ID: pa.string(), TIME: pa.timestamp("us", "UTC"), VERSION: pa.int64(), IDENTIFIER: pa.string(),
        **fields, **_build_answer_columns(versions),
    }  # fmt: skip
    if any(each.outliers for each in versions):
        columns[OUTLIER_SCORE] = pa.float64()
    return pa.schema(columns.items(), {MODEL_KEY: model.encode()})


def convert_column(column: Column, kind: Type) -> Column:
    """Convert a column to the type that `build_columns` has chosen."""
    if pa.types.is_struct(kind):
        return _fill_struct(column, kind)
    return (format_moments(column) if pa.types.is_string(kind) else column).cast(kind)


def _build_answer_columns(versions: Sequence[LoggedVersion]) -> dict[str, Type]:
    classifiers = [each for each in versions if each.output.labels]
    columns: dict[str, Type] = {PREDICTION: pa.int64() if len(classifiers) == len(versions) else pa.float64()}
    if not classifiers:
        return {**columns, ACTUAL: pa.float64()}
    columns[LABEL] = pa.string()
    if any(each.is_binary for each in classifiers):
        columns[PROBABILITY] = pa.float64()
    if classes := _list_classes(classifiers):
        columns[PROBABILITIES] = pa.struct([(label, pa.float64()) for label in classes])
    return {**columns, ACTUAL: pa.string()}


def _list_classes(classifiers: Sequence[LoggedVersion]) -> list[str]:
    """List the labels of the classifiers with a probability for each class, each once."""
    labels = chain.from_iterable(each.output.labels for each in classifiers if not each.is_binary)
    return list(dict.fromkeys(labels))


def _merge_types(one: Type, other: Type) -> Type:
    if one == other:
        return one
    if {one, other} == {pa.float64(), pa.int64()}:
        return pa.float64()
    return pa.timestamp("s") if pa.types.is_temporal(one) and pa.types.is_temporal(other) else pa.string()


def _fill_struct(column: Column, kind: Type) -> Column:
    known = {each.name for each in column.type}
    children = [
        pc.struct_field(column, each.name) if each.name in known else pa.nulls(len(column), each.type)
        for each in kind
    ]
    return pa.StructArray.from_arrays(children, fields=list(kind), mask=column.is_null())
