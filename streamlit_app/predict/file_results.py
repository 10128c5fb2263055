"""Rows of a file with their predictions beside them."""

from collections.abc import Sequence

import pandas as pd

from streamlit_app.client import predict as client
from streamlit_app.client.predict import ModelPrediction, ModelSchema
from streamlit_app.client.transport import FieldError
from streamlit_app.predict.file_scoring import TOO_LONG, FileScoring
from streamlit_app.predict.labels import describe_field
from streamlit_app.translation import t, translate


def describe_allowed(schema: ModelSchema, error: FieldError) -> str:
    """Describe the values that a refused row may have."""
    if error.reason == TOO_LONG:
        return t("as many cells as the header has names")
    field = next((each for each in schema.fields if each.name == error.field), None)
    if field is None:
        return error.allowed
    levels = [] if field.any_text else field.levels
    return ", ".join(map(translate, levels)) or describe_field(field).replace("`", "")


def join_results(schema: ModelSchema, scoring: FileScoring, *, refused: bool = False) -> pd.DataFrame:
    """Join the rows of the file with their predictions.

    Args:
        schema: Schema of the use case.
        scoring: Rows and predictions.
        refused: Whether to keep the rows without a prediction, with a last column that explains the refusal.
    """
    table = scoring.table
    indices = range(len(table.records)) if refused else sorted(scoring.results)
    rows = [
        [*table.cells[index], *_build_result_columns(schema, scoring, index).values()] for index in indices
    ]
    results = [*_build_result_columns(schema, scoring, 0)]
    frame = pd.DataFrame(rows, columns=[*_rename_clashing_columns(table.header, results), *results])
    return frame if refused else frame.drop(columns=results[-1])


def _rename_clashing_columns(header: Sequence[str], results: Sequence[str]) -> list[str]:
    """Rename the columns that are called like those of predictions, as `servicio-ml score` does."""
    renamed, taken = list[str](), {*results, *header}
    for name in header:
        new = name
        while new in results or (new != name and new in taken):
            new = f"raw {new}"
        taken.add(new)
        renamed.append(new)
    return renamed


def _build_result_columns(schema: ModelSchema, scoring: FileScoring, index: int) -> dict[str, object]:
    """Build the columns of a row's prediction, empty without one; the last column explains a refusal."""
    result = scoring.results.get(index)
    return {
        **_build_prediction_columns(schema, result),
        **_build_probability_columns(schema, result),
        "version": result.version if result else None,
        "prediction_id": result.prediction_id if result else None,
        "refused": _describe_refusal(schema, scoring.refused.get(index, [])),
    }


def _build_prediction_columns(schema: ModelSchema, result: ModelPrediction | None) -> dict[str, object]:
    if schema.labels:
        return {"label": result.label if result else None}
    return {"prediction": result.prediction if result else None}


def _build_probability_columns(schema: ModelSchema, result: ModelPrediction | None) -> dict[str, object]:
    if schema.task == client.BINARY:
        return {"probability": result.probability if result else None}
    probabilities = result.probabilities if result else {}
    return {f"probability_{label}": probabilities.get(label) for label in schema.labels}


def _describe_refusal(schema: ModelSchema, errors: Sequence[FieldError]) -> str:
    return "; ".join(
        f"{error.field or '-'}={error.value}: {describe_allowed(schema, error)}" for error in errors
    )
