"""The route that tells of the data of a period, as the ETL left it in the lake."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from servicio_ml.domain.dataset import Counts, Manifest
from servicio_ml.domain.overview import OVERVIEW, Overview
from servicio_ml.domain.ports import ObjectStore
from servicio_ml.domain.published import PERIOD, published_periods, read_manifest
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.serving.call import JSON
from servicio_ml.serving.openapi import refusals
from servicio_ml.serving.service import Service

OVERVIEWS = TypeAdapter(Overview)


class Data(BaseModel):
    """What was published for a period."""

    model: str
    period: str
    periods: list[str] = Field(description="All that are published, the latest last.")
    source: str = Field(description="What the raw file was called.")
    digest: str = Field(description="SHA-256 over what training reads.")
    counts: Counts = Field(description="Where every row of the raw file went.")
    dropped: Mapping[str, str] = Field(description="Field to the reason why it is left out.")
    twins: int = Field(description="Test rows whose features are those of a training row too.")
    overview: Overview


def routes(service: Service, lake: Callable[[], ObjectStore]) -> APIRouter:
    """The route.

    Args:
        service: Of this process.
        lake: Opens the lake: what a remote one has fetched is deleted with it.
    """
    router = APIRouter(prefix="/models/{model}", tags=["insight"])

    @router.get(
        "/data",
        response_class=Response,
        responses={200: {"model": Data}, **refusals(401, 403, 404, 422, 503)},
    )
    async def data(
        model: str,
        period: Annotated[
            str | None, Query(pattern=f"^{PERIOD.pattern}$", description="`YYYY-MM`; the latest without.")
        ] = None,
    ) -> Response:
        """The data of a period: where its rows went, each column, what goes together, gaps, rejected rows."""
        service.models.state(model)
        # the whole answer is made beside the loop: it is long, and predictions do not wait for it
        return Response(await asyncio.to_thread(_told, lake, model, period), media_type=JSON)

    return router


def _told(lake: Callable[[], ObjectStore], model: str, period: str | None) -> bytes:
    """The answer.

    Raises:
        NotPublishedError: There is nothing.
        StoreError: The lake cannot be read.
    """
    store = lake()
    manifest = read_manifest(store, model, period)
    told = Data(
        model=model,
        period=manifest.period,
        periods=published_periods(store, model),
        source=manifest.source,
        digest=manifest.digest,
        counts=manifest.counts,
        dropped=manifest.dropped,
        twins=manifest.twins,
        overview=_overview(store, manifest),
    )
    return told.model_dump_json().encode()


def _overview(store: ObjectStore, manifest: Manifest) -> Overview:
    again = f"run `servicio-ml etl {manifest.use_case} --period {manifest.period}` again"
    key = manifest.files.get(OVERVIEW)
    if key is None:
        folder = f"{manifest.use_case}/{manifest.period}/{OVERVIEW}"
        raise NotPublishedError(store.uri, folder, f"the period was published without an overview; {again}")
    try:
        return OVERVIEWS.validate_json(store.fetch(key).read_bytes())
    except NotPublishedError as error:
        raise NotPublishedError(
            store.uri, key, f"the period was published anew meanwhile; or {again}"
        ) from error
    except ValidationError as error:
        raise StoreError(store.uri, key, f"it is no overview; {again}") from error
