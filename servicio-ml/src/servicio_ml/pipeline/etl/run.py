"""The ETL of one period in one process: extract, transform, split and publish one after the other."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.progress import Advance, Progress
from servicio_ml.domain.ports.stats import Stats
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.etl import steps
from servicio_ml.pipeline.etl.job import STEP_NAME, EtlJob, RawFileOrigin

STEP_COUNT = 4


def run_etl(
    use_case: UseCase,
    source: Path,
    *,
    source_name: str,
    period: str,
    store: ObjectStore,
    connect_tracker: Callable[[], Tracker],
    progress: Progress,
    stats: Stats,
) -> Manifest:
    """Publish a raw file as the data of a period.

    Args:
        use_case: Use case of the data.
        source: The raw file: a CSV (UTF-8, plain or gzipped) or Parquet.
        source_name: Name by which the user knows the file, for messages.
        period: `YYYY-MM`; rows dated after it are left out. Publishing a period again restates it.
        store: The lake.
        connect_tracker: Returns the tracker; called after the columns are found, since it takes time.
        progress: Receives progress and warnings.
        stats: Receives the row counts.

    Raises:
        SettingsError: The period is no month.
        DataError: The file cannot be used.
        RegistryError: MLflow cannot be reached.
        StoreError: The lake cannot be written; the previous state still holds.
    """
    with (
        tempfile.TemporaryDirectory(prefix="servicio-ml-etl-") as folder,
        progress.open_bar(f"etl {use_case.name}", total=STEP_COUNT) as advance,
    ):
        job = EtlJob(use_case=use_case, period=period, store=store, progress=progress, folder=Path(folder))
        manifest = _run_steps(job, source, source_name, connect_tracker, advance)
    send_counts(manifest, stats)
    return manifest


def send_counts(manifest: Manifest, stats: Stats) -> None:
    """Send the row counts as gauges `etl.<use case>.rows_<kind>`."""
    for kind, rows in asdict(manifest.counts).items():
        stats.set_gauge(f"etl.{manifest.use_case}.rows_{kind}", rows)


def _run_steps(
    job: EtlJob, source: Path, source_name: str, connect_tracker: Callable[[], Tracker], advance: Advance
) -> Manifest:
    file = steps.extract(job, source, source_name)
    # before the tracker is connected: wrong columns are the most frequent mistake and need no MLflow
    rows = steps.read(job, file)
    advance(note="transform")
    # the run is open during the checks, so that a refused file leaves a failed run
    tags = {"step": STEP_NAME, "period": job.period}
    with connect_tracker().open_run(job.use_case.name, STEP_NAME, tags=tags) as run:
        staged = steps.transform(job, file, rows)
        advance(note="split")
        prepared = steps.split(job, RawFileOrigin.from_file(file, rows), staged)
        advance(note="publish")
        steps.publish(job, run, prepared, file.path)
        advance()
    return prepared.manifest
