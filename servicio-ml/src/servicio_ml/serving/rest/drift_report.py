"""Route of the latest drift report in the lake, which `servicio-ml report` has written."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import HTMLResponse

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import NotPublishedError
from servicio_ml.lifecycle.reports import build_latest_key, read_latest
from servicio_ml.serving.http.call import JSON
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.service import Service

REPORT_HEADERS = {
    # scripts may draw, but have no origin and reach nothing, not even the API
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}


def build_routes(service: Service, open_lake: Callable[[], ObjectStore]) -> APIRouter:
    """Build the route.

    Args:
        service: Service of this process.
        open_lake: Opens the lake; files that a remote lake has fetched are deleted with it.
    """
    router = APIRouter(prefix="/models/{model}", tags=["insight"])
    _add_report_route(router, service, open_lake)
    return router


def _add_report_route(router: APIRouter, service: Service, open_lake: Callable[[], ObjectStore]) -> None:
    @router.get(
        "/drift/report",
        response_class=HTMLResponse,
        responses={200: {"content": {JSON: {}}}, **describe_errors(401, 403, 404, 422, 503)},
    )
    @require(Access.PREDICT)
    async def get_report(
        model: str,
        form: Annotated[
            Literal["html", "json"] | None, Query(alias="format", description="Overrides `Accept`.")
        ] = None,
        accept: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """Show the latest report of `servicio-ml report`, as a page or as JSON."""
        service.models.get_status(model)
        # browsers accept */*, so JSON must be named and HTML must not
        wanted = form or ("json" if JSON in accept and "text/html" not in accept else "html")
        body = await asyncio.to_thread(_read_latest, open_lake, model, wanted)
        return Response(body, media_type=JSON if wanted == "json" else "text/html", headers=REPORT_HEADERS)


def _read_latest(open_lake: Callable[[], ObjectStore], model: str, report_format: str) -> bytes:
    """Read the latest report.

    Raises:
        NotPublishedError: There is no report.
        StoreError: The lake cannot be read.
    """
    store = open_lake()
    try:
        pointer = read_latest(store, model)
        return store.fetch(pointer.json if report_format == "json" else pointer.html).read_bytes()
    # the report may have been replaced between both reads; the remedy is the same
    except NotPublishedError as error:
        remedy = f"run `servicio-ml report {model}`"
        raise NotPublishedError(store.uri, build_latest_key(model), remedy) from error
