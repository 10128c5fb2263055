"""The prediction routes, directly on ASGI: a body becomes a matrix, which the predictor scores.

OpenAPI describes them like all others (openapi.py). A route of the framework alone would cost as much as a
prediction costs here in total.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from servicio_ml.domain.prediction import Interface, Purpose
from servicio_ml.errors import InvalidError, MediaTypeError, RequestError, format_names
from servicio_ml.features.outliers.answer_details import OUTLIER_PARAMETER, AnswerDetails
from servicio_ml.features.uncertainty.levels import INTERVAL
from servicio_ml.serving.http.call import JSON, HttpCall, HttpResponse
from servicio_ml.serving.http.problems import build_fault_documents
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models import arrow
from servicio_ml.serving.models.loaded_model import LoadedModel, PartialResult, PredictionResult
from servicio_ml.serving.models.row_faults import OnError, RequestRows, parse_on_error
from servicio_ml.serving.prediction.score_request import score_request, score_request_sync
from servicio_ml.serving.prediction.service import Service

PREDICT_PATH = re.compile(r"(?:/models/([^/]+))?/predict(/batch)?/?")
DEFAULT_ROUTE, MODEL_ROUTE, BATCH_SUFFIX = "/predict", "/models/{model}/predict", "/batch"
MAX_BODY_BYTES_IN_LOOP = 1 << 16
"""Number of bytes above which a body is decoded and scored in a thread."""
MAX_LISTED_FAULTS = 1000
"""Maximum number of faults in a partial response that programs can read; the error of a row is text."""
VERSION_PARAMETERS = frozenset({"alias", "version"})
ON_ERROR = "on_error"
DETAIL_PARAMETERS = (INTERVAL, OUTLIER_PARAMETER)
FormatResponse = Callable[[PredictionResult], HttpResponse]


class PredictTarget(NamedTuple):
    """Target of a request to these routes.

    Attributes:
        route: Template of the path.
        model: Name of the model.
        batch: Whether the body has many records.
    """

    route: str
    model: str
    batch: bool


class PredictQuery(NamedTuple):
    """Query of a request to these routes.

    Attributes:
        version: Alias or version that answers; empty without one.
        on_error: What a refused row of a batch does.
        interval: Level that is asked for; None without one.
        outlier: Whether outlier scores are asked for; None where it does not say.
    """

    version: str = ""
    on_error: OnError = OnError.REFUSE
    interval: str | None = None
    outlier: str | None = None


NO_QUERY = PredictQuery()


class BatchTarget(NamedTuple):
    """Version that scores a batch, with the purpose that is logged, the details and the query."""

    loaded_model: LoadedModel
    purpose: Purpose
    details: AnswerDetails
    query: PredictQuery


@require(Access.PREDICT)
class PredictRoutes:
    """The routes `/predict`, `/models/{model}/predict` and their `/batch`."""

    def __init__(self, service: Service) -> None:
        self._predictor, self._default_model = service.predictor, service.default_model
        self._resolved_paths: dict[str, PredictTarget] = {}

    def resolve_path(self, path: str) -> PredictTarget | None:
        """Return what a path asks for; None for a path of other routes."""
        found = self._resolved_paths.get(path)
        if found is not None:
            return found
        match = PREDICT_PATH.fullmatch(path)
        if match is None:
            return None
        model, batch = match.groups()
        route = (DEFAULT_ROUTE if model is None else MODEL_ROUTE) + (batch or "")
        target = PredictTarget(route, model or self._default_model, bool(batch))
        if target.model in self._predictor.models.statuses:
            # only loaded models, so that requests for arbitrary names fill no memory
            self._resolved_paths[path] = target
        return target

    async def __call__(self, call: HttpCall, target: PredictTarget, body: bytes) -> HttpResponse:
        """Answer a call; raises `ServicioError` where it is refused, or cannot be scored."""
        # most requests have no query; parsing one costs as much as decoding a record
        query = parse_predict_query(call.query, batch=target.batch) if call.query else NO_QUERY
        loaded_model, purpose = await self._predictor.resolve(target.model, query.version, call.client_key)
        # before a row is scored and logged
        details = loaded_model.resolve_details(query.interval, query.outlier)
        if target.batch:
            try:
                return await self._score_batch(call, BatchTarget(loaded_model, purpose, details, query), body)
            except InvalidError as error:
                self._predictor.count_rejected(error)
                raise
        rows = self._decode_record(loaded_model, body)
        decode = partial(self._decode_record, body=body)
        loaded_model, purpose, rows = self._predictor.follow_identifier(
            query.version or call.client_key, loaded_model, purpose, rows, decode
        )
        details = loaded_model.resolve_details(query.interval, query.outlier)
        result = await self._predictor.score(
            loaded_model, rows.matrix, Interface.REST, purpose, rows.identifiers
        )
        return _build_record_response(call, replace(result, details=details))

    def submit(
        self, call: HttpCall, model: str, body: bytes, on_done: Callable[[HttpResponse | Exception], None]
    ) -> None:
        """Score one record by the champion, from the event loop, without waiting.

        Args:
            call: Call in flight.
            model: Name of the model.
            body: Record as JSON.
            on_done: Called with the response, or with an error, in the next turn of the event loop.

        Raises:
            ServicioError: The request is refused.
        """
        loaded_model, purpose = self._predictor.route(model, call.client_key)

        def complete(outcome: PredictionResult | Exception) -> None:
            on_done(
                _build_record_response(call, outcome) if isinstance(outcome, PredictionResult) else outcome
            )

        rows = self._decode_record(loaded_model, body)
        if rows.identifiers:
            decode = partial(self._decode_record, body=body)
            loaded_model, purpose, rows = self._predictor.follow_identifier(
                call.client_key, loaded_model, purpose, rows, decode
            )
        self._predictor.submit(loaded_model, rows.matrix, Interface.REST, purpose, complete, rows.identifiers)

    def _decode_record(self, loaded_model: LoadedModel, body: bytes) -> RequestRows:
        try:
            return loaded_model.decoder.decode_record(body)
        except InvalidError as error:
            self._predictor.count_rejected(error)
            raise

    async def _score_batch(self, call: HttpCall, target: "BatchTarget", body: bytes) -> HttpResponse:
        loaded_model, purpose, details, query = target
        call.details.update(model=loaded_model.model, version=loaded_model.version)
        content_type = call.headers.get(b"content-type", JSON.encode()).decode("latin-1")
        decode = _select_decoder(loaded_model, content_type, query.on_error)
        accept = call.headers.get(b"accept", b"").decode("latin-1")
        # large bodies leave the event loop: decoding alone would delay other requests
        if len(body) > MAX_BODY_BYTES_IN_LOOP:
            return await self._predictor.run_in_thread(
                loaded_model, self._score_large_batch, target, decode, accept, body
            )
        rows, write = decode(body)
        loaded_model, purpose, rows = self._predictor.follow_identifier(
            query.version or call.client_key, loaded_model, purpose, rows,
            lambda other: _select_decoder(other, content_type, query.on_error)(body)[0],
        )  # fmt: skip
        details = loaded_model.resolve_details(query.interval, query.outlier)
        call.details.update(version=loaded_model.version, rows=len(rows.matrix))
        result = await score_request(self._predictor, loaded_model, rows, Interface.REST, purpose, details)
        return _build_batch_response(result, write, accept)

    def _score_large_batch(
        self, target: "BatchTarget", decode: "DecodeBatch", accept: str, body: bytes
    ) -> HttpResponse:
        rows, write = decode(body)
        result = score_request_sync(
            self._predictor, target.loaded_model, rows, Interface.REST, target.purpose, target.details
        )
        return _build_batch_response(result, write, accept)


def _build_record_response(call: HttpCall, result: PredictionResult) -> HttpResponse:
    [document] = result.to_documents()
    call.details.update(
        model=document["model"], version=document["version"], prediction_id=document["prediction_id"]
    )
    return HttpResponse(200, orjson.dumps(document))


DecodeBatch = Callable[[bytes], tuple[RequestRows, FormatResponse]]


def parse_version_query(query: bytes) -> str:
    """Parse the alias or version of a query string; empty without one.

    Raises:
        RequestError: The query has other or several parameters, or its value is none.
    """
    return _parse_query(query, ()).version


def parse_predict_query(query: bytes, *, batch: bool) -> PredictQuery:
    """Parse the query string of a request to predict.

    Raises:
        RequestError: The query has other or repeated parameters, or a value is none.
    """
    return _parse_query(query, (*DETAIL_PARAMETERS, ON_ERROR) if batch else DETAIL_PARAMETERS)


def _parse_query(query: bytes, others: Sequence[str]) -> PredictQuery:
    text = query.decode("latin-1")
    pairs = parse_qsl(text, keep_blank_values=True)
    values = dict(pairs)
    given = {name: values.pop(name) for name in others if name in values}
    # a mistyped parameter is refused: ignored, the champion would answer unnoticed
    if len(dict(pairs)) < len(pairs) or values.keys() - VERSION_PARAMETERS or len(values) > 1:
        beside = f", and {format_names(others)}" if others else ""
        raise RequestError(f"query {text!r}", f"it takes either alias or version{beside}")
    version = next((_check_version(*pair) for pair in values.items()), "")
    on_error = parse_on_error(given.get(ON_ERROR, OnError.REFUSE))
    return PredictQuery(version, on_error, given.get(INTERVAL), given.get(OUTLIER_PARAMETER))


def _check_version(name: str, value: str) -> str:
    # `isdecimal`, as `int` accepts signs, spaces and underscores
    if name == "version" and not value.isdecimal():
        raise RequestError(f"version {value!r}", "it takes a whole number")
    if not value:
        raise RequestError(f"{name} is empty", "name an alias such as champion")
    return value


def _select_decoder(loaded_model: LoadedModel, content_type: str, on_error: OnError) -> DecodeBatch:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == JSON:

        def decode(body: bytes) -> tuple[RequestRows, FormatResponse]:
            rows, columnar = loaded_model.decoder.decode_batch(body, on_error)
            return rows, _format_columns if columnar else _format_records

        return decode
    read = arrow.READERS.get(media_type)
    if read is None:
        raise MediaTypeError(content_type, (JSON, *arrow.READERS))
    decoder = loaded_model.decoder
    return lambda body: (decoder.decode_table(read(body, decoder.max_rows), on_error), _format_arrow)


def _build_batch_response(
    result: PredictionResult, format_response: FormatResponse, accept: str
) -> HttpResponse:
    # an explicit `Accept` wins; otherwise the response has the format of the request
    if JSON in accept:
        return _format_records(result) if format_response is _format_arrow else format_response(result)
    return _format_arrow(result) if arrow.STREAM_TYPE in accept else format_response(result)


def _format_records(result: PredictionResult) -> HttpResponse:
    rows = [
        {**row, "prediction_id": each} for row, each in zip(result.row_documents, result.row_ids, strict=True)
    ]
    return _build_json_response(result, rows)


def _format_columns(result: PredictionResult) -> HttpResponse:
    return _build_json_response(result, result.to_columns())


def _build_json_response(result: PredictionResult, predictions: Any) -> HttpResponse:
    document = {**result.head, "predictions": predictions}
    if isinstance(result, PartialResult):
        refused = result.refusals.faults
        faults = chain.from_iterable(refused[row] for row in sorted(refused))
        document |= {
            "refused": len(refused),
            "errors": build_fault_documents(islice(faults, MAX_LISTED_FAULTS)),
        }
    return HttpResponse(200, orjson.dumps(document))


def _format_arrow(result: PredictionResult) -> HttpResponse:
    return HttpResponse(200, arrow.write(result), arrow.STREAM_TYPE)
