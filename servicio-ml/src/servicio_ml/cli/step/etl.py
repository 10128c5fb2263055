"""Steps of the ETL; they pass on URIs, and repeating one with the same arguments has no further effect."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from servicio_ml.cli.etl import find_raw_file
from servicio_ml.cli.options import (
    Debug,
    Period,
    PeriodOrCurrent,
    PreparedUri,
    RawFileSource,
    RawSource,
    RawUri,
    StagedUri,
    UseCaseName,
)
from servicio_ml.cli.session import CommandSession
from servicio_ml.cli.step.runner import Document, RunKind, run_step
from servicio_ml.domain.use_case import UseCase

if TYPE_CHECKING:
    from servicio_ml.domain.dataset import Manifest
    from servicio_ml.pipeline.etl.job import EtlJob


def extract(
    name: UseCaseName,
    source: RawSource = "",
    period: PeriodOrCurrent = "",
    debug: Debug = False,
) -> None:
    """Copy a raw file to the lake."""

    def run(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.etl import staged_steps as etl_steps
        from servicio_ml.pipeline.etl.period import choose_period
        from servicio_ml.pipeline.row_checks.synthetic_rows import check_real_rows_stay
        from servicio_ml.pipeline.training.parameters import check_parameters

        # what no training could use is not published either
        check_parameters(use_case)
        # a wrong month is refused before anything is fetched
        month = choose_period(period, time.time())
        address = find_raw_file(here, use_case, source)
        here.progress.report(f"source: {address}")
        with _build_job(here, use_case, month) as job, bootstrap.open_source(here.settings, address) as path:
            samples = bootstrap.open_raw_files(here.settings).list_sample_digests(use_case)
            check_real_rows_stay(job.store, name, month, path, samples)
            raw = etl_steps.extract(job, path, address, time.time)
        return {"use_case": name, "period": month, "source": address, "raw": raw}

    run_step(name, debug, run)


def transform(
    name: UseCaseName,
    period: Period,
    raw: RawUri,
    source: RawFileSource,
    debug: Debug = False,
) -> None:
    """Type and check every row."""

    def run_work(job: "EtlJob") -> Document:
        from servicio_ml.pipeline.etl import staged_steps as etl_steps

        staged, counts = etl_steps.transform(job, raw, source)
        return {"staged": staged, "counts": counts}

    _run_job_step(name, period, debug, run_work)


def split(
    name: UseCaseName,
    period: Period,
    staged: StagedUri,
    debug: Debug = False,
) -> None:
    """Look for leaks, split into training and test rows, and verify the contract."""

    def run_work(job: "EtlJob") -> Document:
        from servicio_ml.pipeline.etl import staged_steps as etl_steps

        prepared, manifest = etl_steps.split(job, staged)
        return {"prepared": prepared, "train": manifest.counts.train, "test": manifest.counts.test}

    _run_job_step(name, period, debug, run_work)


def publish(
    name: UseCaseName,
    period: Period,
    prepared: PreparedUri,
    debug: Debug = False,
) -> None:
    """Log the run, replace the period's manifest, and delete the staging folder."""

    def run(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.lifecycle.published import build_manifest_key
        from servicio_ml.pipeline.etl import staged_steps as etl_steps

        with _build_job(here, use_case, period) as job:
            # the manifest is replaced last, so readers see the old period until all files are there
            done = etl_steps.publish(job, prepared, bootstrap.connect_tracker(here.settings), time.time)
            where = f"{job.store.uri}/{build_manifest_key(name, period)}"
        # None when an earlier attempt had published already; metrics are sent once
        if done.seconds is not None:
            _send_metrics(here, name, done.manifest, done.seconds)
        return {"manifest": where, "digest": done.manifest.digest, "period": period}

    run_step(name, debug, run)


def _send_metrics(here: CommandSession, name: str, manifest: "Manifest", seconds: float) -> None:
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.etl.run import send_counts
    from servicio_ml.pipeline.step_metrics import report_success

    stats = bootstrap.create_stats(here.settings)
    send_counts(manifest, stats)
    report_success(stats, time.time, f"{RunKind.ETL}.{name}", seconds)


def _run_job_step(name: str, period: str, debug: bool, work: Callable[["EtlJob"], Document]) -> None:
    def run(here: CommandSession, use_case: UseCase) -> Document:
        with _build_job(here, use_case, period) as job:
            return work(job)

    run_step(name, debug, run)


@contextmanager
def _build_job(here: CommandSession, use_case: UseCase, period: str) -> Iterator["EtlJob"]:
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.etl.job import EtlJob

    # steps may run on different machines, so nothing in it outlives the step
    with tempfile.TemporaryDirectory(prefix="servicio-ml-etl-") as folder:
        yield EtlJob(
            use_case=use_case,
            period=period,
            store=bootstrap.open_lake(here.settings),
            progress=here.progress,
            folder=Path(folder),
        )
