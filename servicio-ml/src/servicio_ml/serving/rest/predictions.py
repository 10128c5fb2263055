"""Route of the logged predictions of a window: fields, answers and ground truth, as a stream."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.errors import RequestError
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models import arrow
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.window import parse_period

if TYPE_CHECKING:
    from servicio_ml.features.logged_rows.columns import LoggedVersion
    from servicio_ml.features.logged_rows.read import PredictionQuery, PredictionTables

JSON_LINES, CSV = "application/x-ndjson", "text/csv"
MEDIA_TYPES = (JSON_LINES, CSV, arrow.PARQUET_TYPE, arrow.STREAM_TYPE)
"""Media types of the response; the first one is the default."""
CONTENT = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES}


class PredictionStream(NamedTuple):
    """Body of a response, and its media type."""

    pieces: Iterator[bytes]
    media_type: str


def select_media_type(accept: str) -> str:
    """Select the media type of the response: the first one that `Accept` names.

    Raises:
        RequestError: `Accept` names others only.
    """
    named = [each.partition(";")[0].strip().lower() for each in accept.split(",") if each.strip()]
    for each in named:
        if each in MEDIA_TYPES:
            return each
    if not named or "*/*" in named:
        return MEDIA_TYPES[0]
    raise RequestError(f"Accept {accept!r}", f"the predictions are sent as one of {', '.join(MEDIA_TYPES)}")


def open_stream(
    models: LoadedModels, log: PredictionLog, query: "PredictionQuery", media_type: str
) -> PredictionStream:
    """Open the predictions of a window; the first rows are read at once, so that an error is still answered.

    Raises:
        NoSuchModelError: There is no such model or version.
        LogError: The log cannot be read.
        LoggedRowsError: A version that has answered is not registered any more.
    """
    # Arrow is loaded with the first request
    from servicio_ml.features.logged_rows.read import open_predictions  # noqa: PLC0415

    load = create_version_loader(models, query.model)
    opened = open_predictions(log, query, models.get_champion(query.model).version, load)
    return start_stream(opened, media_type)


def create_version_loader(models: LoadedModels, model: str) -> "Callable[[int], LoggedVersion]":
    """Create a function that loads how a version of a model encodes rows and what it answers."""
    from servicio_ml.features.logged_rows.columns import LoggedVersion  # noqa: PLC0415

    def load(version: int) -> LoggedVersion:
        artifact = models.get_or_load(model, str(version)).artifact
        return LoggedVersion(
            version=version,
            schema=artifact.encoder.schema,
            output=artifact.output,
            outliers=artifact.outliers,
        )

    return load


def start_stream(opened: "PredictionTables", media_type: str) -> PredictionStream:
    """Start the body of a response; the first rows are read at once, so that an error is still answered."""
    from servicio_ml.features.logged_rows.formats import FORMATS, write_tables  # noqa: PLC0415

    [table_format] = [each for each in FORMATS if each.media_type == media_type]
    pieces = write_tables(opened.tables, opened.columns, table_format)
    return PredictionStream(chain([next(pieces)], pieces), media_type)


def build_routes(service: Service, clock: Clock) -> APIRouter:
    """Build the route.

    Args:
        service: Service of this process.
        clock: Returns the time in seconds since 1970.
    """
    router = APIRouter(prefix="/models/{model}", tags=["insight"])
    _add_predictions_route(router, service, clock)
    return router


def _add_predictions_route(router: APIRouter, service: Service, clock: Clock) -> None:
    @router.get(
        "/predictions",
        summary="Read logged predictions",
        response_class=StreamingResponse,
        responses={200: {"content": CONTENT}, **describe_errors(400, 401, 403, 404, 409, 422, 503)},
    )
    # rows of every client: a key that predicts must not read them
    @require(Access.ADMIN)
    async def read_predictions(
        model: str,
        since: Annotated[str, Query(description="Start: 1h to 90d before now, or a time (UTC).")] = "24h",
        until: Annotated[str, Query(description="End, exclusive; now by default.")] = "",
        version: Annotated[int | None, Query(description="Default: all that have answered.", ge=1)] = None,
        limit: Annotated[int | None, Query(description="Maximum number of rows, the oldest.", ge=1)] = None,
        accept: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> StreamingResponse:
        """Read the logged predictions of a window, the oldest first, with their fields and ground truth."""
        from servicio_ml.features.logged_rows.read import PredictionQuery  # noqa: PLC0415  loads Arrow

        media_type = select_media_type(accept)
        start, end = parse_period(since, until, clock())
        query = PredictionQuery(model=model, start=start, end=end, version=version, limit=limit)
        stream = await asyncio.to_thread(open_stream, service.models, service.log, query, media_type)
        # the framework runs a plain iterator in threads, a piece at a time
        return StreamingResponse(stream.pieces, media_type=stream.media_type, headers={"Vary": "Accept"})
