"""`servicio-ml prune`: delete by retention."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from servicio_ml.cli.options import Debug, Json, KeptPeriods, KeptRunsDays
from servicio_ml.cli.session import CommandSession, open_session

if TYPE_CHECKING:
    from servicio_ml.pipeline.retention import PruneResult


def prune(
    keep_periods: KeptPeriods = None,
    keep_runs_days: KeptRunsDays = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete old predictions, periods, runs, versions and drift reports of every use case.

    It keeps, whatever their age: versions with an alias (champion, challenger), the previous champion, the
    data that these and all newer versions were trained on, every decision, and the latest drift report.
    SERVICIO_ML_LOG_RETENTION_DAYS is the retention of predictions.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.retention import RetentionPolicy
        from servicio_ml.pipeline.retention import prune as run
        from servicio_ml.use_cases.catalogue import load_catalogue

        settings = here.settings
        # compared with None, because 0 days is a valid option
        days = settings.retention_runs_days if keep_runs_days is None else keep_runs_days
        retention = RetentionPolicy(
            periods=keep_periods or settings.retention_periods, seconds=days * bootstrap.SECONDS_PER_DAY,
            now=time.time(),
        )  # fmt: skip
        # the log first: it needs neither lake nor MLflow, which may be out of reach
        bootstrap.prune_log(settings)
        store, (tracker, registry) = bootstrap.open_lake(settings), bootstrap.connect_mlflow(settings)
        found = {
            name: run(use_case, store, tracker, registry, retention)
            for name, use_case in load_catalogue(settings.use_cases_dir).items()
        }
        _show(here, found)
        here.print_document({name: asdict(each) for name, each in found.items()})


def _show(here: CommandSession, deleted: "Mapping[str, PruneResult]") -> None:
    here.print_table(
        "deleted",
        ["", "periods", "versions", "runs", "reports", "left by steps"],
        [
            [name, len(each.periods), len(each.versions), each.runs, len(each.reports), len(each.staging)]
            for name, each in deleted.items()
        ],
    )
