"""What was found in a raw file, from which a use case is composed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from servicio_ml.errors import DraftError, format_names
from servicio_ml.pipeline.drafting.answers import DraftAnswers
from servicio_ml.pipeline.drafting.cells.missing_words import find_missing_words, replace_missing_words
from servicio_ml.pipeline.drafting.cells.names import build_field_names
from servicio_ml.pipeline.drafting.cells.table import TextTable, read_table
from servicio_ml.pipeline.drafting.columns.joined_date import join_dates
from servicio_ml.pipeline.drafting.columns.kinds import find_kind
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn
from servicio_ml.pipeline.drafting.copies import leave_out_copied_columns
from servicio_ml.pipeline.drafting.corrections import ColumnCorrection, apply_correction
from servicio_ml.pipeline.drafting.matrix import build_problem, split_by_date
from servicio_ml.pipeline.drafting.quick_model import estimate_quality, find_telling_columns
from servicio_ml.pipeline.drafting.reasons import format_reason
from servicio_ml.pipeline.drafting.targets.finding import TargetFinding
from servicio_ml.pipeline.drafting.targets.target import find_target
from servicio_ml.pipeline.reading.input_file import InputFile


# without slots, which would leave no place for the cached property
@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found in a file.

    Attributes:
        answers: Answers of the user.
        file: The file.
        table: Its cells.
        target: What is predicted.
        findings: Every other column, in the order of the file.
        missing: Texts that mean missing, besides the default ones.
    """

    answers: DraftAnswers
    file: InputFile
    table: TextTable
    target: TargetFinding
    findings: Sequence[ColumnFinding]
    missing: tuple[str, ...]

    @cached_property
    def quality(self) -> tuple[float, float]:
        """Metric of a guess and of a quick model; a draft that is built anew does not fit it again."""
        return estimate_quality(build_problem(self.findings, self.target))

    def estimate_later_quality(self, date: str) -> tuple[float, float]:
        """Estimate the metric of a guess and of a quick model on the last rows by a date.

        Args:
            date: Name of its field.
        """
        days = {each.field.name: each.values for each in self.findings if each.field}[date]
        problem = build_problem(self.findings, self.target)
        return self.quality if days is None else estimate_quality(split_by_date(problem, days))


def find_evidence(file: InputFile, answers: DraftAnswers) -> Evidence:
    """Find what the columns of a file are, as the answers correct it.

    Raises:
        DataError: The file cannot be read, or has no such target, no feature, or no column to correct.
    """
    table, target = read_table(file), answers.target
    _check_target(table, target, file.source_name)
    missing, columns = read_columns(table)
    bounds = answers.columns.get(target, ColumnCorrection())
    found = find_target(columns[target], answers.positive, bounds, file.source_name)
    findings = find_features(file, table, columns, answers)
    evidence = Evidence(
        answers=answers, file=file, table=table, target=found, findings=findings, missing=missing
    )
    return replace(evidence, findings=_leave_out_telling_columns(evidence))


def read_columns(table: TextTable) -> tuple[tuple[str, ...], dict[str, RawColumn]]:
    """Read the texts that mean missing, besides the default ones, and the columns by name."""
    missing = find_missing_words(table.cells, table.decimal)
    cells = replace_missing_words(table.cells, missing)
    names = build_field_names(cells.columns)
    columns = {
        each: RawColumn(name=each, field_name=names[each], texts=cells[each], decimal=table.decimal or ".")
        for each in cells.columns
    }
    return missing, columns


def find_features(
    file: InputFile, table: TextTable, columns: Mapping[str, RawColumn], answers: DraftAnswers
) -> list[ColumnFinding]:
    """Find what each column but the target is, as the answers correct it.

    Raises:
        DraftError: A column cannot be what it is corrected to, or is not there.
    """
    _check_corrections(answers, table, file.source_name)
    found = [_find_column(each, table) for each in columns.values() if each.name != answers.target]
    fixed = {answers.target, *answers.columns, *table.unreadable}
    found = join_dates([each for each in columns.values() if each.name not in fixed], found)
    return [
        apply_correction(columns[each.column], each, answers.columns[each.column], file.source_name)
        if each.column in answers.columns
        else each
        for each in leave_out_copied_columns(found)
    ]


def _check_target(table: TextTable, target: str, source_name: str) -> None:
    if target in table.unreadable:
        raise DraftError(source_name, f"the target {target!r} cannot be read: {table.unreadable[target]}")
    if target not in table.cells.columns:
        names = [each.strip() for each in target.split(",")]
        if len(names) > 1 and set(names) <= set(table.cells.columns):
            problem = f"--target has {len(names)} columns; a use case predicts one: draft one for each"
            raise DraftError(source_name, problem)
        known = format_names(name for name in table.cells.columns if name not in table.unreadable)
        raise DraftError(source_name, f"there is no column {target!r} for --target; columns are {known}")


def _check_corrections(answers: DraftAnswers, table: TextTable, source_name: str) -> None:
    for name in answers.columns:
        if name in table.unreadable:
            raise DraftError(source_name, f"the column {name!r} cannot be read: {table.unreadable[name]}")
        if name not in table.cells.columns:
            known = format_names(table.cells.columns)
            raise DraftError(source_name, f"there is no column {name!r} to correct; columns are {known}")


def _find_column(column: RawColumn, table: TextTable) -> ColumnFinding:
    if column.name in table.unreadable:
        return ColumnFinding(column=column.name, reason=table.unreadable[column.name])
    return find_kind(column)


def _leave_out_telling_columns(evidence: Evidence) -> list[ColumnFinding]:
    """Leave out the columns that give the target away, unless all of them do."""
    fields = [each for each in evidence.findings if each.field]
    if not fields:
        reasons = "; ".join(f"{each.column}: {each.reason}" for each in evidence.findings[:3])
        raise DraftError(
            evidence.file.source_name, f"no column can be a feature ({reasons or 'there is no other'})"
        )
    scores = dict(find_telling_columns(fields, build_problem(fields, evidence.target)))
    name = evidence.target.target.column
    return [
        each.leave_out(
            format_reason(
                "it gives {target} away by itself (score {score} of 1)",
                target=name,
                score=f"{scores[each.column]:.3f}",
            )
        )
        if each.column in scores and len(scores) < len(fields)
        else each
        for each in evidence.findings
    ]
