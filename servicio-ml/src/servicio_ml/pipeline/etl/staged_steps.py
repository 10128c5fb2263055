"""The ETL's steps with their inputs and outputs in the lake, for a process each, on any machine.

A step leaves its output for the next one in `<use case>/staging/<digest of period and raw file>/`: the raw
file, then files named by their content and a document that names them. Publishing replaces the period's
manifest last and deletes the folder; until then readers see the previous state. Running a step again with the
same input has no further effect.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.use_case import Dialect, UseCase
from servicio_ml.errors import ContractError, NotPublishedError, StoreError, format_names
from servicio_ml.lifecycle.published import build_manifest_key
from servicio_ml.pipeline.etl import steps
from servicio_ml.pipeline.etl.job import STEP_NAME, EtlJob, PreparedData, RawFileOrigin
from servicio_ml.pipeline.etl.publish import DIGEST_DIGITS
from servicio_ml.pipeline.etl.run_log import write_manifest
from servicio_ml.pipeline.etl.staging import STAGED_FILE, StagedRows, plan_dialect_read
from servicio_ml.pipeline.etl.staging_folder import (
    START_FILE,
    JsonDocument,
    StagingFolder,
    resolve_key,
)
from servicio_ml.pipeline.reading.input_file import compute_file_digest, copy_input_file
from servicio_ml.pipeline.reading.transform import RowStatus

FINISHED = "FINISHED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """Outcome of the step `publish`.

    Attributes:
        manifest: The manifest in force.
        seconds: Duration since the start of the first step; None if an earlier run of the step published it.
    """

    manifest: Manifest
    seconds: float | None


def extract(job: EtlJob, source: Path, source_name: str, clock: Clock) -> str:
    """Copy a raw file to the lake and return its URI.

    Raises:
        SourceError: The file cannot be read, or is no UTF-8 text.
    """
    file = steps.extract(job, source, source_name)
    folder = StagingFolder.from_raw_file(job, file.digest)
    # the start is stored first: retention deletes folders without it as abandoned
    folder.put_document(START_FILE, {"at": clock(), "source": source_name, "period": job.period})
    return folder.put(file.path.name, file.path)


def transform(job: EtlJob, raw_uri: str, source_name: str) -> tuple[str, Mapping[str, int]]:
    """Type and check every row of an extracted file.

    Args:
        job: The period.
        raw_uri: URI from `extract`.
        source_name: Name by which the user knows the file.

    Returns:
        URI of the staged rows, and the number of rows of each status with their total as `read`.

    Raises:
        DataError: The file cannot be used.
    """
    key = resolve_key(job.store, raw_uri)
    file = copy_input_file(job.store.fetch(key), source_name, job.folder)
    rows = steps.read(job, file)
    staged = steps.transform(job, file, rows)
    counts = {status.value: count for status, count in staged.status_counts.items()}
    folder = StagingFolder.from_key(job, key)
    document = {
        "period": job.period,
        "raw": key,
        "origin": asdict(RawFileOrigin.from_file(file, rows)),
        "rows": folder.put_by_content(job.folder / STAGED_FILE),
        "status_counts": counts,
        "missing": staged.missing_shares,
    }
    return folder.put_document_by_content("staged", document), {"read": sum(counts.values()), **counts}


def split(job: EtlJob, staged_uri: str) -> tuple[str, Manifest]:
    """Look for leaks, split, and verify the contract of what will be published.

    Args:
        job: The period.
        staged_uri: URI from `transform`.

    Returns:
        URI of the prepared data, and the manifest that will point at it.

    Raises:
        ContractError: Nothing may be published.
    """
    folder, document = _open_document(job, resolve_key(job.store, staged_uri))
    origin = _load_origin(document)
    prepared = steps.split(job, origin, _load_staged(folder, document, origin))
    profile = job.folder / "profile.parquet"
    prepared.profile.write_parquet(profile)
    content = {
        "period": job.period,
        "raw": document["raw"],
        "origin": document["origin"],
        "manifest": prepared.manifest.to_json(),
        "files": {name: folder.put_by_content(path) for name, path in prepared.files.items()},
        "table": folder.put_by_content(profile),
    }
    # named by the manifest's content, so that a repeated publish recognizes it in force
    digest = compute_file_digest(write_manifest(job, prepared.manifest))[:DIGEST_DIGITS]
    return folder.put_document(f"prepared-{digest}.json", content), prepared.manifest


def publish(job: EtlJob, prepared_uri: str, tracker: Tracker, clock: Clock) -> PublishResult:
    """Log the run, publish, and delete the staging folder.

    Args:
        job: The period.
        prepared_uri: URI from `split`; data that is already published is no error.
        tracker: Tracker of the run.
        clock: Clock that measures the duration.

    Raises:
        StoreError: The lake refuses; the previous state still holds.
    """
    key = resolve_key(job.store, prepared_uri)
    try:
        folder, document = _open_document(job, key)
        started = float(folder.read_document(START_FILE)["at"])
    # the folder is gone: an earlier run of this step published and deleted it, or nobody ever did
    except NotPublishedError:
        manifest = _read_published(job, key)
        if manifest is None:
            raise
        StagingFolder.from_key(job, key).delete(key)
        return PublishResult(manifest=manifest, seconds=None)
    prepared = _load_prepared(folder, document)
    is_new = _publish_once(job, key, started, prepared, document, tracker)
    folder.delete(key)
    return PublishResult(manifest=prepared.manifest, seconds=clock() - started if is_new else None)


def _publish_once(
    job: EtlJob, key: str, started: float, prepared: PreparedData, document: JsonDocument, tracker: Tracker
) -> bool:
    """Publish in a new or an interrupted run; return False if a run has already finished."""
    tags = {"step": STEP_NAME, "period": job.period, "staging": key, "started": repr(started)}
    earlier = tracker.find_runs(job.use_case.name, tags)
    if any(run.status == FINISHED for run in earlier):
        return False
    # a killed run is resumed, so that MLflow shows one run per publication
    resume = next((run.id for run in earlier), "")
    with tracker.open_run(job.use_case.name, STEP_NAME, tags=tags, resume=resume) as run:
        steps.publish(job, run, prepared, job.store.fetch(document["raw"]))
    return True


def _read_published(job: EtlJob, key: str) -> Manifest | None:
    """Read the period's manifest if it is the one of the prepared data with that key."""
    try:
        path = job.store.fetch(build_manifest_key(job.use_case.name, job.period))
    except NotPublishedError:
        return None
    # another file may have restated the period since
    if Path(key).stem != f"prepared-{compute_file_digest(path)[:DIGEST_DIGITS]}":
        return None
    return Manifest.from_json(json.loads(path.read_text(encoding="utf-8")))


def _open_document(job: EtlJob, key: str) -> tuple[StagingFolder, JsonDocument]:
    """Read the document of a step.

    Raises:
        StoreError: The document is of another period.
        NotPublishedError: The document does not exist (any more).
    """
    folder = StagingFolder.from_key(job, key)
    document = folder.read_document(Path(key).name)
    if document["period"] != job.period:
        raise StoreError(job.store.uri, key, f"it is of the period {document['period']}, not {job.period}")
    return folder, document


def _load_origin(document: JsonDocument) -> RawFileOrigin:
    origin = document["origin"]
    # JSON has no tuples
    return RawFileOrigin(**{**origin, "absent_fields": tuple(origin["absent_fields"])})


def _load_staged(folder: StagingFolder, document: JsonDocument, origin: RawFileOrigin) -> StagedRows:
    use_case = folder.job.use_case
    return StagedRows(
        rows=pl.scan_parquet(folder.copy_to_work_folder(document["rows"])),
        plan=plan_dialect_read(use_case, _find_dialect(use_case, origin), origin.absent_fields),
        status_counts={RowStatus(name): count for name, count in document["status_counts"].items()},
        missing_shares=document["missing"],
    )


def _find_dialect(use_case: UseCase, origin: RawFileOrigin) -> Dialect:
    for dialect in use_case.dialects:
        if dialect.name == origin.dialect:
            return dialect
    names = format_names(dialect.name for dialect in use_case.dialects)
    raise ContractError(
        origin.source_name,
        f"it was read in the dialect {origin.dialect!r}; dialects are {names}: run step transform",
    )


def _load_prepared(folder: StagingFolder, document: JsonDocument) -> PreparedData:
    return PreparedData(
        manifest=Manifest.from_json(document["manifest"]),
        origin=_load_origin(document),
        files={name: folder.copy_to_work_folder(key) for name, key in document["files"].items()},
        profile=pl.read_parquet(folder.copy_to_work_folder(document["table"])),
    )
