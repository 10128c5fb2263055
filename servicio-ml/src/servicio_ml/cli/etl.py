"""`servicio-ml etl`: publish a raw file as the data of a period."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from servicio_ml.cli.session import Debug, Json, Session, session
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import SourceError
from servicio_ml.settings import Settings

UseCaseName = Annotated[
    str, typer.Argument(metavar="USE_CASE", help="Name of a use case, such as rain_australia.")
]


def etl(
    name: UseCaseName,
    source: Annotated[
        str,
        typer.Option(
            metavar="PATH|URL|S3",
            help="Raw file: a path, http(s)://… or s3://…; when not given, the original in "
            "SERVICIO_ML_DATA_DIR, else what `servicio-ml data fetch` or `sample` left.",
        ),
    ] = "",
    period: Annotated[
        str, typer.Option(help="Month of the data, YYYY-MM; this month (UTC) when not given.")
    ] = "",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read a raw file, type and check every row, and publish training and test rows to the lake.

    Rows that cannot be used go to quarantine with their reason and line. The same period again restates it.
    """
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.etl import run_etl
        from servicio_ml.pipeline.period import current_period, last_day
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        month = period or current_period(time.time())
        last_day(month)  # a wrong month is told before anything is fetched
        address = source or _at_hand(here.settings, use_case)
        here.progress.say(f"source: {address}")
        store = bootstrap.lake(here.settings)
        with bootstrap.source(here.settings, address) as path:
            manifest = run_etl(
                use_case, path, named=address, period=month, store=store,
                tracker=bootstrap.tracker(here.settings), progress=here.progress,
                stats=bootstrap.stats(here.settings),
            )  # fmt: skip
        _show(here, manifest, store.uri)
        here.document({**manifest.to_json(), "lake": store.uri})


def _at_hand(settings: Settings, use_case: UseCase) -> str:
    """The raw file that is there: the original rather than a sample.

    Raises:
        SourceError: None is.
    """
    kept = settings.state_dir / "data" / use_case.name
    places = [kept / use_case.origin.file, kept / "sample.csv"]
    if settings.data_dir is not None:
        places.insert(0, settings.data_dir / use_case.origin.file)
    for place in places:
        if place.is_file():
            return str(place)
    remedy = (
        f"run `servicio-ml data sample {use_case.name}` for look-alike rows or "
        f"`servicio-ml data fetch {use_case.name}` for the original, or give --source"
    )
    raise SourceError(f"{use_case.name}", f"none of {', '.join(map(str, places))} is there; {remedy}")


def _show(here: Session, manifest: Manifest, lake: str) -> None:
    counts = asdict(manifest.counts)
    here.table(
        f"{manifest.use_case} {manifest.period}", ["rows", ""], [(part, counts[part]) for part in counts]
    )
    for field, reason in manifest.dropped.items():
        here.line(f"left out: {field} ({reason})")
    here.line(f"published in {lake}: {', '.join(manifest.files.values())}")
