"""Route about the data of a period that the ETL has published in the lake."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from servicio_ml.domain.dataset import Manifest, RowCounts
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.lifecycle.overview import OVERVIEW, PeriodOverview
from servicio_ml.lifecycle.published import PERIOD, list_published_periods, read_manifest
from servicio_ml.serving.http.call import JSON
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.service import Service

# built once: Pydantic compiles the validator of the nested dataclasses
OVERVIEW_ADAPTER = TypeAdapter(PeriodOverview)


class PublishedData(BaseModel):
    """Published data of a period."""

    model: str
    period: str
    periods: list[str] = Field(description="Published periods, the latest last.")
    source: str = Field(description="Name of the raw file.")
    digest: str = Field(description="SHA-256 of the data that training reads.")
    counts: RowCounts = Field(description="Number of rows by row status.")
    dropped: Mapping[str, str] = Field(description="Field to the reason why it is excluded.")
    train_test_duplicates: int = Field(
        description="Number of test rows whose features equal those of a training row."
    )
    overview: PeriodOverview


def build_routes(
    service: Service, open_lake: Callable[[], ObjectStore], list_titles: Callable[[], Mapping[str, str]]
) -> APIRouter:
    """Build the route.

    Args:
        service: Service of this process.
        open_lake: Opens the lake; files that a remote lake has fetched are deleted with it.
        list_titles: Returns the title of each installed use case, by its name.
    """
    router = APIRouter(prefix="/models/{model}", tags=["insight"])
    _add_data_route(router, service, open_lake, list_titles)
    return router


def _add_data_route(
    router: APIRouter,
    service: Service,
    open_lake: Callable[[], ObjectStore],
    list_titles: Callable[[], Mapping[str, str]],
) -> None:
    @router.get(
        "/data",
        response_class=Response,
        responses={200: {"model": PublishedData}, **describe_errors(401, 403, 404, 422, 503)},
    )
    @require(Access.PREDICT)
    async def get_data(
        model: str,
        period: Annotated[
            str | None, Query(pattern=f"^{PERIOD.pattern}$", description="`YYYY-MM`; default: the latest.")
        ] = None,
    ) -> Response:
        """Show the data of a period: row counts, columns, correlations, missing values, rejected rows.

        The data of an installed use case are there before its first model.
        """
        if model not in await asyncio.to_thread(list_titles):
            service.models.get_status(model)
        # built outside the event loop: the document is large, and predictions must not wait
        return Response(await asyncio.to_thread(_build_document, open_lake, model, period), media_type=JSON)


def _build_document(open_lake: Callable[[], ObjectStore], model: str, period: str | None) -> bytes:
    """Build the document as JSON.

    Raises:
        NotPublishedError: The period is not published.
        StoreError: The lake cannot be read.
    """
    store = open_lake()
    manifest = read_manifest(store, model, period)
    document = PublishedData(
        model=model,
        period=manifest.period,
        periods=list_published_periods(store, model),
        source=manifest.source,
        digest=manifest.digest,
        counts=manifest.counts,
        dropped=manifest.dropped,
        train_test_duplicates=manifest.train_test_duplicates,
        overview=_read_overview(store, manifest),
    )
    return document.model_dump_json().encode()


def _read_overview(store: ObjectStore, manifest: Manifest) -> PeriodOverview:
    again = f"run `servicio-ml etl {manifest.use_case} --period {manifest.period}` again"
    key = manifest.files.get(OVERVIEW)
    if key is None:
        folder = f"{manifest.use_case}/{manifest.period}/{OVERVIEW}"
        raise NotPublishedError(store.uri, folder, f"the period was published without an overview; {again}")
    try:
        return OVERVIEW_ADAPTER.validate_json(store.fetch(key).read_bytes())
    # between manifest and overview a new publication may have deleted the old file
    except NotPublishedError as error:
        raise NotPublishedError(
            store.uri, key, f"the period was published again meanwhile; or {again}"
        ) from error
    except ValidationError as error:
        raise StoreError(store.uri, key, f"the file is no overview; {again}") from error
