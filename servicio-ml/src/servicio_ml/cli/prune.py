"""`servicio-ml prune`: delete by retention."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from servicio_ml.cli.session import Debug, Json, session


def prune(
    keep_periods: Annotated[
        int | None, typer.Option(min=1, help="Periods of each use case; SERVICIO_ML_RETENTION_PERIODS.")
    ] = None,
    keep_runs_days: Annotated[
        float | None,
        typer.Option(min=0, help="Age of runs, versions and reports; SERVICIO_ML_RETENTION_RUNS_DAYS."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete old predictions, periods, runs, versions and drift reports of every use case.

    Kept are, however old: versions with an alias (champion, challenger), the champion before, what these
    and all younger versions were trained on, every decision, and the latest drift report. Predictions go by
    SERVICIO_ML_LOG_RETENTION_DAYS.
    """
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.prune import Retention
        from servicio_ml.pipeline.prune import prune as run
        from servicio_ml.use_cases.catalogue import catalogue

        settings = here.settings
        days = settings.retention_runs_days if keep_runs_days is None else keep_runs_days
        retention = Retention(
            periods=keep_periods or settings.retention_periods, seconds=days * bootstrap.SECONDS_A_DAY,
            now=time.time(),
        )  # fmt: skip
        bootstrap.prune_log(settings)
        store, (tracker, registry) = bootstrap.lake(settings), bootstrap.runs_and_models(settings)
        found = {
            name: run(use_case, store, tracker, registry, retention)
            for name, use_case in catalogue(settings.use_cases_dir).items()
        }
        here.table(
            "deleted",
            ["", "periods", "versions", "runs", "reports", "left by steps"],
            [
                [name, len(each.periods), len(each.versions), each.runs, len(each.reports), len(each.staging)]
                for name, each in found.items()
            ],
        )
        here.document({name: asdict(each) for name, each in found.items()})
