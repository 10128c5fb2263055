"""`servicio-ml etl`: publish a raw file as the data of a period."""

import time
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from servicio_ml.cli.session import Debug, Json, Session, UseCaseName, session
from servicio_ml.domain.dataset import Manifest


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
        from servicio_ml.pipeline.counted import counted
        from servicio_ml.pipeline.etl import run_etl
        from servicio_ml.pipeline.period import current_period, last_day
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        month = period or current_period(time.time())
        last_day(month)  # a wrong month is told before anything is fetched
        stats = bootstrap.stats(here.settings)
        with counted(stats, time.time, f"etl.{use_case.name}"):
            address = source or str(bootstrap.raw_files(here.settings).found(use_case))
            here.progress.say(f"source: {address}")
            store = bootstrap.lake(here.settings)
            with bootstrap.source(here.settings, address) as path:
                manifest = run_etl(
                    use_case, path, named=address, period=month, store=store,
                    connect=partial(bootstrap.tracker, here.settings), progress=here.progress, stats=stats,
                )  # fmt: skip
        _show(here, manifest, store.uri)
        here.document({**manifest.to_json(), "lake": store.uri})


def _show(here: Session, manifest: Manifest, lake: str) -> None:
    counts = asdict(manifest.counts)
    here.table(
        f"{manifest.use_case} {manifest.period}", ["rows", ""], [(part, counts[part]) for part in counts]
    )
    for reason in dict.fromkeys(manifest.dropped.values()):
        fields = ", ".join(name for name, why in manifest.dropped.items() if why == reason)
        here.line(f"left out: {fields} ({reason})")
    here.line(f"published in {lake}: {', '.join(manifest.files.values())}")
