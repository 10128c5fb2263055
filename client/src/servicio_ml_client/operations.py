"""The calls of the API, each as a function from its arguments to a `Call`; nothing is sent here."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Literal, get_args
from urllib.parse import quote

from pydantic import TypeAdapter

from servicio_ml_client.call import ARROW_STREAM, JSON_LINES, Call, Repeat
from servicio_ml_client.documents import (
    DriftState,
    EnqueuedMessage,
    ExplanationState,
    FeedbackReceipt,
    FeedbackReceipts,
    ModelState,
    SchemaState,
)
from servicio_ml_client.frames import Library, read_frame, read_logged_frame, write_frame
from servicio_ml_client.predictions import Frame, Prediction, PredictionBatch, PredictionFrame

CLIENT_KEY_HEADER = "X-Client-Key"
Record = Mapping[str, object]
"""Values by the names of the fields, or of the raw columns."""
OnError = Literal["refuse", "partial"]
RowIdKind = Literal["prediction_id", "identifier"]
# after a lost answer, the latest prediction of an identifier may be another one
FEEDBACK_REPEAT: Mapping[RowIdKind, Repeat] = {
    "prediction_id": Repeat.ALWAYS,
    "identifier": Repeat.IF_REFUSED,
}
_MODELS = TypeAdapter(list[ModelState])


def predict(
    model: str,
    record: Record,
    *,
    version: int | None = None,
    alias: str = "",
    client_key: str = "",
    interval: float | None = None,
    outlier: bool = False,
) -> Call[Prediction]:
    """Predict a record; the server logs and counts the prediction.

    Args:
        model: Name of the model.
        record: Values of the record.
        version: Version that answers; not together with `alias`.
        alias: Alias of the version that answers; the champion by default.
        client_key: Key that decides whether the challenger answers, while it has a canary.
        interval: Level of the interval, or of the set of labels, that the answer shall have, 0.5 to 0.99.
        outlier: Whether the answer shall have an outlier score.
    """
    return Call(
        method="POST", path=_build_path(model, "/predict"),
        query={**_build_version_query(version, alias), **_build_detail_query(interval, outlier=outlier)},
        body=_write_json(record), headers=_build_client_key(client_key), repeat=Repeat.IF_REFUSED,
        read=Prediction.model_validate_json,
    )  # fmt: skip


def predict_batch(
    model: str,
    records: Sequence[Record],
    *,
    version: int | None = None,
    alias: str = "",
    client_key: str = "",
    on_error: OnError = "refuse",
    interval: float | None = None,
    outlier: bool = False,
) -> Call[PredictionBatch]:
    """Predict records; the server logs and counts the predictions.

    Args:
        model: Name of the model.
        records: Records.
        version: Version that answers; not together with `alias`.
        alias: Alias of the version that answers; the champion by default.
        client_key: Key that decides whether the challenger answers, while it has a canary.
        on_error: `refuse` refuses the batch for one wrong value; `partial` answers the other rows.
        interval: As in `predict`.
        outlier: As in `predict`.
    """
    return Call(
        method="POST", path=_build_path(model, "/predict/batch"),
        query={
            **_build_version_query(version, alias), **_build_detail_query(interval, outlier=outlier),
            "on_error": on_error,
        },
        body=_write_json(list(records)), headers=_build_client_key(client_key), repeat=Repeat.IF_REFUSED,
        read=PredictionBatch.model_validate_json,
    )  # fmt: skip


def predict_frame(
    model: str,
    frame: Frame,
    *,
    version: int | None,
    alias: str,
    client_key: str,
    on_error: OnError,
    interval: float | None,
    outlier: bool,
) -> Call[PredictionFrame[Frame]]:
    """Predict the rows of a frame, as `predict_batch` does; the answer is a frame of the same library.

    Args:
        model: Name of the model.
        frame: pandas or polars DataFrame, or Arrow table.
        version: Version that answers; not together with `alias`.
        alias: Alias of the version that answers.
        client_key: Key that decides whether the challenger answers, while it has a canary.
        on_error: As in `predict_batch`.
        interval: As in `predict`; a set of labels is a list.
        outlier: As in `predict`.
    """
    return Call(
        method="POST", path=_build_path(model, "/predict/batch"),
        query={
            **_build_version_query(version, alias), **_build_detail_query(interval, outlier=outlier),
            "on_error": on_error,
        },
        body=write_frame(frame), content_type=ARROW_STREAM, headers=_build_client_key(client_key),
        repeat=Repeat.IF_REFUSED, read=partial(read_frame, frame),
    )  # fmt: skip


def explain(
    model: str, record: Record, *, version: int | None = None, alias: str = ""
) -> Call[ExplanationState]:
    """Explain the score of a record; the server logs and counts nothing."""
    return Call(
        method="POST", path=_build_path(model, "/explain"), query=_build_version_query(version, alias),
        body=_write_json(record), repeat=Repeat.ALWAYS, read=ExplanationState.model_validate_json,
    )  # fmt: skip


def enqueue(
    model: str,
    record: Record,
    *,
    version: int | None = None,
    alias: str = "",
    key: str = "",
    interval: float | None = None,
    outlier: bool = False,
) -> Call[EnqueuedMessage]:
    """Append a record to the stream of a model, for a stream worker to score.

    Args:
        model: Name of the model.
        record: Values of the record.
        version: Version that scores; not together with `alias`.
        alias: Alias of the version that scores; the champion by default.
        key: Key that the result has, too.
        interval: As in `predict`.
        outlier: As in `predict`.
    """
    return Call(
        method="POST", path=_build_path(model, "/enqueue"),
        query={**_build_version_query(version, alias), **_build_detail_query(interval, outlier=outlier)},
        body=_write_json(record), headers=_build_client_key(key), repeat=Repeat.IF_UNSENT,
        read=EnqueuedMessage.model_validate_json,
    )  # fmt: skip


def send_feedback(
    model: str, row_id: str | int, actual: str | float, *, by: RowIdKind = "prediction_id"
) -> Call[FeedbackReceipt]:
    """Report the ground truth of a prediction.

    Args:
        model: Name of the model.
        row_id: Id of the prediction; with `by="identifier"`, the identifier of its row.
        actual: Label, or the number of a regression.
        by: What `row_id` is; by an identifier, the latest prediction of the row is meant.
    """
    return Call(
        method="POST", path=_build_path(model, "/feedback"), body=_write_json({by: row_id, "actual": actual}),
        repeat=FEEDBACK_REPEAT[by], read=FeedbackReceipt.model_validate_json,
    )  # fmt: skip


def send_feedback_batch(
    model: str, actuals: Mapping[Any, str | float], *, by: RowIdKind = "prediction_id"
) -> Call[list[FeedbackReceipt]]:
    """Report ground truth by prediction id or identifier; the receipt of an unknown one says so."""
    truths = [{by: row_id, "actual": actual} for row_id, actual in actuals.items()]
    return Call(
        method="POST", path=_build_path(model, "/feedback/batch"), body=_write_json({"labels": truths}),
        repeat=FEEDBACK_REPEAT[by], read=_read_receipts,
    )  # fmt: skip


def list_models() -> Call[list[ModelState]]:
    """List the models with their versions."""
    return Call(method="GET", path="/models", repeat=Repeat.ALWAYS, read=_MODELS.validate_json)


def get_model(model: str) -> Call[ModelState]:
    """Get the state of a model."""
    return Call(
        method="GET", path=_build_path(model), repeat=Repeat.ALWAYS, read=ModelState.model_validate_json
    )


def get_schema(model: str) -> Call[SchemaState]:
    """Get the fields and the output of the champion."""
    return Call(
        method="GET",
        path=_build_path(model, "/schema"),
        repeat=Repeat.ALWAYS,
        read=SchemaState.model_validate_json,
    )


def get_drift(model: str, window: str = "24h", *, version: int | None = None) -> Call[DriftState]:
    """Get the drift of the logged rows of a window that ends now, from `1h` to `90d`."""
    return Call(
        method="GET", path=_build_path(model, "/drift"),
        query={"window": window, **_build_version_query(version, "")}, repeat=Repeat.ALWAYS,
        read=DriftState.model_validate_json,
    )  # fmt: skip


def read_predictions(
    model: str, *, since: str, until: str, version: int | None, limit: int | None
) -> Call[list[Record]]:
    """Read the logged predictions of a window, as a JSON object in each line."""
    return Call(
        method="GET", path=_build_path(model, "/predictions"),
        query=_build_window_query(since, until, version, limit), content_type=JSON_LINES,
        repeat=Repeat.ALWAYS, read=lambda body: [read_row(line) for line in body.splitlines()],
    )  # fmt: skip


def read_prediction_frame(
    model: str,
    library: Library = "arrow",
    *,
    since: str = "24h",
    until: str = "",
    version: int | None = None,
    limit: int | None = None,
) -> Call[Any]:
    """Read the logged predictions of a window as an Arrow table, or a polars or pandas DataFrame.

    Args:
        model: Name of the model.
        library: `arrow`, `polars` or `pandas`.
        since: Start: `1h` to `90d` before now, or a time (UTC) in ISO 8601.
        until: End, exclusive; now when empty.
        version: Version that has answered; all of them when None.
        limit: Maximum number of rows, the oldest; all of them when None.
    """
    if library not in get_args(Library):
        raise ValueError(f"library {library!r}; it is one of {', '.join(get_args(Library))}")
    return Call(
        method="GET", path=_build_path(model, "/predictions"),
        query=_build_window_query(since, until, version, limit), content_type=ARROW_STREAM,
        repeat=Repeat.ALWAYS, read=partial(read_logged_frame, library),
    )  # fmt: skip


def read_row(line: str | bytes) -> Record:
    """Read a line of `read_predictions`.

    Raises:
        ValueError: The line is no JSON object.
    """
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"{line!r} is no row")  # noqa: TRY004  as every body of another form
    return row


def _build_window_query(since: str, until: str, version: int | None, limit: int | None) -> Mapping[str, str]:
    given = {"since": since, "until": until, "version": version, "limit": limit}
    return {name: str(value) for name, value in given.items() if value not in {None, ""}}


def _build_path(model: str, rest: str = "") -> str:
    if not model:
        raise ValueError("model is empty; name one of `list_models()`")
    return f"/models/{quote(model, safe='')}{rest}"


def _build_version_query(version: int | None, alias: str) -> Mapping[str, str]:
    if version is not None and alias:
        raise ValueError(f"version {version} and alias {alias!r}; give one of them")
    if version is not None:
        return {"version": str(version)}
    return {"alias": alias} if alias else {}


def _build_detail_query(interval: float | None, *, outlier: bool) -> Mapping[str, str]:
    query = {} if interval is None else {"interval": str(interval)}
    return {**query, "outlier": "true"} if outlier else query


def _build_client_key(key: str) -> Mapping[str, str]:
    # the server would read other characters as different ones
    if not (key.isascii() and key.isprintable()):
        raise ValueError(f"key {key!r}: it takes printable ASCII characters")
    return {CLIENT_KEY_HEADER: key} if key else {}


def _read_receipts(body: bytes) -> list[FeedbackReceipt]:
    return FeedbackReceipts.model_validate_json(body).labels


def _write_json(document: object) -> bytes:
    """Write JSON.

    Raises:
        ValueError: A number is NaN or infinite, which JSON cannot hold.
        TypeError: A value has a type that JSON cannot hold.
    """
    try:
        return json.dumps(document, allow_nan=False, default=_convert).encode()
    except ValueError as error:
        raise ValueError(f"{error}; send None for a missing value, or the rows as a frame") from error


def _convert(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    # numbers of NumPy
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(
        f"{value!r} is a {type(value).__name__}; a record takes texts, numbers, booleans, dates and None"
    )
