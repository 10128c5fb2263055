"""Checks between transform and publication: leaks, the split, the contract; then overview and manifest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl

from servicio_ml.domain.dataset import Manifest, RowCounts
from servicio_ml.domain.policy import LeakagePolicy
from servicio_ml.domain.schema import FeatureSchema, Field
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ContractError
from servicio_ml.lifecycle.overview import OVERVIEW, PeriodOverview
from servicio_ml.pipeline.etl.contract import select_levels, verify
from servicio_ml.pipeline.etl.job import EtlJob, PreparedData, RawFileOrigin
from servicio_ml.pipeline.etl.leakage import count_train_test_duplicates, find_leaks, select_model_fields
from servicio_ml.pipeline.etl.publish import build_data_keys, build_raw_key
from servicio_ml.pipeline.etl.split import TEST, assign_split, select_identity_fields
from servicio_ml.pipeline.etl.staging import StagedRows, write_data_files
from servicio_ml.pipeline.etl.summary import build_profile
from servicio_ml.pipeline.overview.build import build_overview
from servicio_ml.pipeline.reading.columns import build_target_field
from servicio_ml.pipeline.reading.input_file import compute_file_digest
from servicio_ml.pipeline.reading.transform import RowStatus
from servicio_ml.pipeline.row_checks.precision import refuse_rounded_numbers
from servicio_ml.pipeline.row_checks.required_rows import describe_few_test_rows
from servicio_ml.pipeline.row_checks.staged_rows import check_split

ABSENT_REASON = "not in the file"


def prepare_data(job: EtlJob, origin: RawFileOrigin, staged: StagedRows) -> PreparedData:
    """Check, split and write the data to publish.

    Raises:
        ContractError: Nothing may be published.
    """
    use_case = job.use_case
    if rejected := staged.status_counts[RowStatus.QUARANTINED]:
        job.progress.warn(f"{rejected} rows are in quarantine, mostly because {staged.summarize_reasons()}")
    dropped = dict.fromkeys(origin.absent_fields, ABSENT_REASON) | _find_leaking_fields(job, staged)
    dropped |= use_case.non_features
    schema = use_case.schema.drop_fields(dropped)
    refuse_rounded_numbers(staged.kept, schema)
    split_rows = assign_split(staged.kept, use_case.split, select_identity_fields(schema))
    check_split(split_rows, origin.source_name, use_case)
    schema = select_levels(schema, split_rows.filter(~pl.col(TEST)), job.progress)
    fields = _list_published_fields(use_case, schema)
    data_files = write_data_files(staged, split_rows, fields, job.folder)
    identified = bool(use_case.identifier)
    train, test = (
        verify(data_files[name], fields, use_case.target, identified=identified) for name in ("train", "test")
    )
    if problem := describe_few_test_rows(use_case, test):
        job.progress.warn(f"`train` will refuse this period: {problem}")
    summary = build_overview(use_case, schema, staged.plan, origin.dialect, data_files)
    files = {**data_files, OVERVIEW: _write_overview(summary, job.folder)}
    manifest = Manifest(
        use_case=use_case.name,
        period=job.period,
        source=origin.source_name,
        raw=build_raw_key(use_case.name, origin.digest, origin.suffix),
        digest=_compute_digest(data_files, schema, use_case),
        files=build_data_keys(use_case.name, job.period, files),
        counts=_build_counts(staged.status_counts, train, test),
        schema=schema,
        dropped=dropped,
        train_test_duplicates=_count_duplicates(job, split_rows, schema),
    )
    published = build_target_field(replace(use_case.target, edges=()))
    table = build_profile(staged.kept, [*schema.fields, published], staged.missing_shares)
    return PreparedData(manifest=manifest, origin=origin, files=files, profile=table)


def _list_published_fields(use_case: UseCase, schema: FeatureSchema) -> list[Field]:
    """List the features, then the weight of the rows, which stands beside them."""
    weight = use_case.sample_weight
    return [*schema.fields, *([use_case.schema.get_field(weight)] if weight else [])]


def _write_overview(overview_document: PeriodOverview, folder: Path) -> Path:
    path = folder / f"{OVERVIEW}.json"
    path.write_text(overview_document.to_text(), encoding="utf-8")
    return path


def _find_leaking_fields(job: EtlJob, staged: StagedRows) -> dict[str, str]:
    """Find the leaking fields with their reasons, if the use case drops them.

    Raises:
        ContractError: The use case does not drop them, or they cannot be left out.
    """
    use_case = job.use_case
    fields = select_model_fields(use_case, staged.plan)
    found = find_leaks(staged.kept, fields, use_case.target)
    reasons = "; ".join(found.values())
    if found and use_case.leaks is LeakagePolicy.FAIL:
        raise ContractError(
            use_case.name, f"features give the target away: {reasons}; take them out of the schema"
        )
    # without its field there is no split by date or group
    needed = {use_case.split_date, use_case.split_group}
    if needed.intersection(found) or len(found) == len(fields):
        raise ContractError(
            use_case.name, f"features that cannot be left out give the target away: {reasons}"
        )
    for name, reason in found.items():
        job.progress.warn(f"{name} is left out, it gives the target away: {reason}")
    return found


def _count_duplicates(job: EtlJob, split_rows: pl.LazyFrame, schema: FeatureSchema) -> int:
    """Count the test rows that are equal to a training row in every field that models read directly."""
    # derived inputs follow from these, so comparing them adds nothing
    read = [field.name for field in schema.fields if field.direct]
    duplicates = count_train_test_duplicates(split_rows.filter(~pl.col(TEST)), split_rows.filter(TEST), read)
    if duplicates:
        job.progress.warn(
            f"{duplicates} test rows are equal to a training row in every field that models read"
        )
    return duplicates


def _build_counts(status_counts: Mapping[RowStatus, int], train: int, test: int) -> RowCounts:
    return RowCounts(
        read=sum(status_counts.values()),
        train=train,
        test=test,
        quarantined=status_counts[RowStatus.QUARANTINED],
        duplicates=status_counts[RowStatus.DUPLICATE],
        unlabelled=status_counts[RowStatus.UNLABELLED],
        later=status_counts[RowStatus.LATER],
    )


def _compute_digest(files: Mapping[str, Path], schema: FeatureSchema, use_case: UseCase) -> str:
    """Compute the SHA-256 over the input of training: both files, the schema and the target."""
    document = {
        "train": compute_file_digest(files["train"]),
        "test": compute_file_digest(files["test"]),
        "schema": schema.to_json(),
        "target": asdict(use_case.target),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
