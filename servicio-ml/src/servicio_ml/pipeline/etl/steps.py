"""The ETL's steps, run by the command `etl` in one process and by the DAG in one process each.

Nothing is fitted here: whatever learns from data belongs to a model and sees training rows only. Everything
is logged before the manifest is replaced, so that a failure of the tracker or of the lake leaves the previous
state in force.
"""

from pathlib import Path

from servicio_ml.domain.ports.tracker import Run
from servicio_ml.errors import StoreError, format_names
from servicio_ml.pipeline.etl import publish as lake
from servicio_ml.pipeline.etl.job import EtlJob, PreparedData, RawFileOrigin
from servicio_ml.pipeline.etl.period import get_last_day
from servicio_ml.pipeline.etl.prepare import prepare_data
from servicio_ml.pipeline.etl.run_log import log_run, write_manifest
from servicio_ml.pipeline.etl.staging import StagedRows, stage
from servicio_ml.pipeline.reading.input_file import InputFile, copy_input_file
from servicio_ml.pipeline.reading.raw_file import RawRows, read_rows
from servicio_ml.pipeline.row_checks.duplicates import check_copies
from servicio_ml.pipeline.row_checks.staged_rows import check_classes, check_identifiers, check_quarantine


def extract(job: EtlJob, source: Path, source_name: str) -> InputFile:
    """Copy a raw file to the work folder.

    Raises:
        SettingsError: The period is no month.
        SourceError: The file cannot be read, or is no UTF-8 text.
    """
    # before the copy, which may take minutes: a wrong month must not cost them
    get_last_day(job.period)
    return copy_input_file(source, source_name, job.folder)


def read(job: EtlJob, file: InputFile) -> RawRows:
    """Find the use case's columns in an extracted file.

    Raises:
        DataError: The file is not one of the use case.
    """
    rows = read_rows(file, job.use_case)
    if rows.ignored_columns:
        job.progress.report(f"columns that are not read: {format_names(rows.ignored_columns)}")
    return rows


def transform(job: EtlJob, file: InputFile, rows: RawRows) -> StagedRows:
    """Type and check every row.

    Raises:
        DataError: The file cannot be used.
        StoreError: The disk is full.
    """
    staged = stage(file, rows, job.use_case, get_last_day(job.period))
    if copies := check_copies(rows, staged, file.source_name, job.use_case):
        job.progress.report(copies)
    # before the split, so that a file in another coding is refused for its cause and not for what follows
    check_identifiers(staged, file.source_name, job.use_case)
    check_quarantine(staged, file.source_name, job.use_case)
    check_classes(staged, file.source_name, job.use_case)
    return staged


def split(job: EtlJob, origin: RawFileOrigin, staged: StagedRows) -> PreparedData:
    """Look for leaks, split training and test rows, and verify the contract of what will be published.

    Raises:
        ContractError: Nothing may be published.
    """
    return prepare_data(job, origin, staged)


def publish(job: EtlJob, run: Run, prepared: PreparedData, raw: Path) -> None:
    """Log the run, replace the manifest, and delete the files that only older states named.

    Args:
        job: The period.
        run: Run of the tracker.
        prepared: The new state.
        raw: The raw file.

    Raises:
        StoreError: The lake refuses; the previous state still holds.
    """
    log_run(run, job, prepared)
    manifest = prepared.manifest
    # read before the manifest is replaced: readers of that state still need its files
    previous = lake.read_previous_manifest(job.store, manifest.use_case, manifest.period)
    files = {"raw": raw, **prepared.files}
    lake.publish_manifest(job.store, manifest, files, write_manifest(job, manifest))
    try:
        lake.delete_unreferenced(job.store, manifest, previous)
    # the new state is in force; unreferenced files cost space only, so this is no failure
    except StoreError as error:
        job.progress.warn(f"published, but files of an older run could not be deleted: {error}")
