"""Composition of a use case from what was found in a file: split, metric, promotion, dialect, copies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from servicio_ml.domain.defaults.candidates import build_standard_candidates
from servicio_ml.domain.fields.columns import merge_columns
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import (
    MISSING,
    DateSplit,
    Dialect,
    GroupSplit,
    HashedSplit,
    Origin,
    Split,
    UseCase,
)
from servicio_ml.pipeline.drafting.columns.identifier import choose_identifier
from servicio_ml.pipeline.drafting.copies import choose_deduplication
from servicio_ml.pipeline.drafting.dates.derived_columns import build_derived
from servicio_ml.pipeline.drafting.dates.time_order import TimeColumn, choose_time_column
from servicio_ml.pipeline.drafting.evidence import Evidence
from servicio_ml.pipeline.drafting.groups import GroupColumn, choose_group_column
from servicio_ml.pipeline.drafting.quick_model import METRICS
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons
from servicio_ml.pipeline.drafting.rules import build_drift_policy, build_promotion, choose_test_share
from servicio_ml.pipeline.drafting.writing.descriptions import describe_format, describe_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedUseCase:
    """A use case and why it is so.

    Attributes:
        use_case: The use case.
        reasons: Reason by what was decided of the file as a whole.
        column_reasons: Reason by column of which more was decided than its finding says.
        notes: Comment by attribute, for the file.
    """

    use_case: UseCase
    reasons: Mapping[str, str]
    column_reasons: Mapping[str, str]
    notes: Mapping[str, str]


def build_use_case(
    name: str, evidence: Evidence, *, by_date: bool, by_group: bool = True, test_share: float = 0.0
) -> ComposedUseCase:
    """Compose a use case.

    Args:
        name: Name of the use case.
        evidence: What was found in the file.
        by_date: Whether rows may be split by their date.
        by_group: Whether rows may be split by a group, where they are not split by their date.
        test_share: Minimum share of the test rows.
    """
    task = evidence.target.task
    source_name = evidence.file.source_name
    time = choose_time_column(evidence.findings, evidence.answers.time, source_name) if by_date else None
    date = time.field if time else ""
    dummy, quick = evidence.estimate_later_quality(date) if date else evidence.quality
    group = choose_group_column(evidence) if by_group and not date else None
    deduplicate, copies, staying = choose_deduplication(evidence.table.cells, _list_read_columns(evidence))
    rows = staying * len(evidence.target.values.drop_nulls())
    metric, share = METRICS[task], max(test_share, choose_test_share(rows))
    drift, varying = build_drift_policy(evidence, date)
    identifier = choose_identifier(evidence.findings, evidence.table.cells)
    use_case = UseCase(
        name=name,
        task=task,
        schema=_build_schema(evidence, date, group),
        target=evidence.target.target,
        metric=metric,
        candidates=build_standard_candidates(task, evidence.table.rows),
        split=_build_split(date, group, share),
        promotion=build_promotion(metric, dummy, quick, rows * share),
        origin=Origin(file=get_file_name(source_name)),
        drift=drift,
        dialects=(_build_dialect(evidence),),
        missing=(*MISSING, *evidence.missing),
        identifier=identifier,
        event_date=date,
        deduplicate=deduplicate,
    )
    floor = format_reason(
        "halfway between a guess and a quick model on unseen rows ({metric} {guess} and {model})",
        metric=metric, guess=f"{dummy:.2f}", model=f"{quick:.2f}",
    )  # fmt: skip
    reasons = {
        "format": describe_format(evidence.file, evidence.table.decimal),
        "rows": describe_rows(evidence.table.rows, len(evidence.table.cells)),
        "missing": ", ".join(repr(text) for text in use_case.missing),
        "split": _describe_split(time, group),
        "floor": floor,
        "identifier": _describe_identifier(identifier),
        "copies": copies,
        "drift": varying,
    }
    return ComposedUseCase(
        use_case=use_case,
        reasons={name: reason for name, reason in reasons.items() if reason},
        column_reasons=_describe_group(group),
        notes={"promotion": f"floor: {floor}", "deduplicate": copies, "drift": varying},
    )


def _list_read_columns(evidence: Evidence) -> list[str]:
    fields = merge_columns(each.field.columns for each in evidence.findings if each.field)
    return [*fields, evidence.target.target.column]


def _describe_identifier(identifier: str) -> str:
    if not identifier:
        return ""
    return format_reason("{column} is kept beside the rows, as it names each of them", column=identifier)


def _build_split(date: str, group: GroupColumn | None, share: float) -> Split:
    if date:
        return DateSplit(field=date, test_share=share)
    return GroupSplit(field=group.field.name, test_share=share) if group else HashedSplit(test_share=share)


def _describe_split(time: TimeColumn | None, group: GroupColumn | None) -> str:
    if time:
        return join_reasons(format_reason("by date ({field})", field=time.field), time.reason)
    if group:
        return join_reasons(format_reason("by group ({field})", field=group.field.name), group.reason)
    return format_reason("by hash: no column dates the rows in their order")


def _describe_group(group: GroupColumn | None) -> dict[str, str]:
    if group is None:
        return {}
    what = format_reason("names the group of the row, which models do not read")
    return {group.column: join_reasons(what, group.reason)}


def _build_schema(evidence: Evidence, date: str, group: GroupColumn | None) -> FeatureSchema:
    grouped = {group.column: group.field} if group else {}
    found = (grouped.get(each.column, each.field) for each in evidence.findings)
    fields = tuple(replace(each, direct=each.direct and each.name != date) for each in found if each)
    return FeatureSchema(fields=fields, derived=build_derived(fields, evidence.findings, date))


def _build_dialect(evidence: Evidence) -> Dialect:
    return Dialect(name="original", decimal=evidence.table.decimal)


def get_file_name(address: str) -> str:
    """Return the name of a file of its path or URL."""
    path = urlsplit(address).path if "://" in address else address.replace("\\", "/")
    return PurePosixPath(path).name or "raw.csv"
