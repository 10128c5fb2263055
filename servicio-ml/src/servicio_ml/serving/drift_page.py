"""The route that shows the latest drift report, as the lake keeps it; it is made elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import HTMLResponse

from servicio_ml.domain.ports import ObjectStore
from servicio_ml.domain.report import latest_key, read_latest
from servicio_ml.errors import NotPublishedError
from servicio_ml.serving.call import JSON
from servicio_ml.serving.openapi import refusals
from servicio_ml.serving.service import Service

HEADERS = {
    # its scripts draw, but they have no origin and reach nothing: not the API either
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}


def routes(service: Service, lake: Callable[[], ObjectStore]) -> APIRouter:
    """The route.

    Args:
        service: Of this process.
        lake: Opens the lake: what a remote one has fetched is deleted with it.
    """
    router = APIRouter(prefix="/models/{model}", tags=["insight"])

    @router.get(
        "/drift/report",
        response_class=HTMLResponse,
        responses={200: {"content": {JSON: {}}}, **refusals(401, 403, 404, 422, 503)},
    )
    async def report(
        model: str,
        form: Annotated[
            Literal["html", "json"] | None, Query(alias="format", description="Over what `Accept` says.")
        ] = None,
        accept: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """The latest report of `servicio-ml report`, as a page or as JSON."""
        service.models.state(model)
        wanted = form or ("json" if JSON in accept and "text/html" not in accept else "html")
        body = await asyncio.to_thread(_latest, lake, model, wanted)
        return Response(body, media_type=JSON if wanted == "json" else "text/html", headers=HEADERS)

    return router


def _latest(lake: Callable[[], ObjectStore], model: str, form: str) -> bytes:
    """The latest report.

    Raises:
        NotPublishedError: There is none.
        StoreError: The lake cannot be read.
    """
    store = lake()
    try:
        pointer = read_latest(store, model)
        return store.fetch(pointer.json if form == "json" else pointer.html).read_bytes()
    except NotPublishedError as error:
        remedy = f"run `servicio-ml report {model}`"
        raise NotPublishedError(store.uri, latest_key(model), remedy) from error
