"""Draft of a use case from a raw file, checked on every row of it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import DraftError, format_names
from servicio_ml.pipeline.check_raw_file import RawFileCheck, check_raw_file
from servicio_ml.pipeline.drafting.answers import DraftAnswers, DraftQuestion
from servicio_ml.pipeline.drafting.cells.missing_words import find_missing_words, replace_missing_words
from servicio_ml.pipeline.drafting.cells.names import build_field_names
from servicio_ml.pipeline.drafting.cells.table import TextTable, read_table
from servicio_ml.pipeline.drafting.columns.joined_date import join_dates
from servicio_ml.pipeline.drafting.columns.kinds import find_kind
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn
from servicio_ml.pipeline.drafting.compose import build_use_case
from servicio_ml.pipeline.drafting.copies import leave_out_copied_columns
from servicio_ml.pipeline.drafting.corrections import LEFT_OUT, ColumnCorrection, apply_correction
from servicio_ml.pipeline.drafting.evidence import Evidence
from servicio_ml.pipeline.drafting.matrix import build_problem
from servicio_ml.pipeline.drafting.questions import find_questions
from servicio_ml.pipeline.drafting.quick_model import find_telling_columns
from servicio_ml.pipeline.drafting.reasons import format_reason
from servicio_ml.pipeline.drafting.targets.target import find_target
from servicio_ml.pipeline.drafting.writing.source_text import write_source
from servicio_ml.pipeline.reading.input_file import InputFile, copy_input_file
from servicio_ml.use_cases.user_files import load_file

TEST_SHARES = (0.3, 0.4, 0.5)
"""Larger shares of test rows, tried where the usual one leaves too few of a class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A drafted use case.

    Attributes:
        use_case: The use case, as the platform loads it from `source`.
        source: Python source of its file.
        target_reason: Why the target is predicted so.
        column_reasons: What was seen of every other column, or why it is left out, in the order of the file.
        file_reasons: Reason by what was decided of the file as a whole, such as `split`.
        check: What the ETL would do with the file.
        questions: What was guessed and the user may know better.
        findings: What every column but the target is, in the order of the file.
    """

    use_case: UseCase
    source: str
    check: RawFileCheck
    questions: tuple[DraftQuestion, ...] = ()
    findings: tuple[ColumnFinding, ...] = ()
    target_reason: str = ""
    column_reasons: Mapping[str, str] = field(default_factory=dict)
    file_reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def decisions(self) -> dict[str, str]:
        """Reason by what was decided: the target, the columns, the file as a whole."""
        target, fields = self.use_case.target, {each.columns[0]: each for each in self.use_case.schema.fields}
        kinds = {
            column: fields[column].kind if column in fields else LEFT_OUT for column in self.column_reasons
        }
        found = {
            target.column: f"target, {self.use_case.task}: {self.target_reason}",
            **{column: f"{kinds[column]}: {reason}" for column, reason in self.column_reasons.items()},
        }
        # a column may be called as a decision is
        names = {name: f"{name} of the file" if name in found else name for name in self.file_reasons}
        return found | {names[name]: reason for name, reason in self.file_reasons.items()}


def list_columns(source: Path, source_name: str) -> list[str]:
    """List the columns of a raw file that may be a target.

    Raises:
        DataError: No use case can be drafted from the file.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-draft-") as folder:
        table = read_table(copy_input_file(source, source_name, Path(folder)))
    found = [name for name in table.cells.columns if name not in table.unreadable]
    if not found:
        reasons = "; ".join(f"{name!r}: {reason}" for name, reason in [*table.unreadable.items()][:3])
        raise DraftError(source_name, f"no column can be predicted ({reasons})")
    return found


def draft_use_case(name: str, answers: DraftAnswers, source: Path, *, source_name: str) -> Draft:
    """Draft a use case from a raw file, and check it on every row.

    Args:
        name: Name of the use case, in snake case.
        answers: The target, and what the user knows besides.
        source: The raw file.
        source_name: Name by which the user knows it, for messages.

    Raises:
        DataError: The file cannot be read, or no use case can be drafted from it.
        UseCaseError: The name is not in snake case.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-draft-") as folder:
        file = copy_input_file(source, source_name, Path(folder))
        evidence = _find_evidence(file, answers)
        draft = _build_draft(name, evidence, by_date=True)
        if 0 < len(draft.check.leaks) < len(draft.use_case.schema.fields):
            evidence = replace(evidence, findings=_leave_out(evidence, draft))
            draft = _build_draft(name, evidence, by_date=True)
        if draft.check.problems and draft.use_case.split_date:
            draft = _build_draft(name, evidence, by_date=False)
        if draft.check.problems and draft.use_case.split_group:
            draft = _build_draft(name, evidence, by_date=False, by_group=False)
        # a hash of few different rows may put nearly all of them on one side
        for share in TEST_SHARES if draft.check.problems else ():
            draft = _build_draft(name, evidence, by_date=False, by_group=False, test_share=share)
            if not draft.check.problems:
                break
    if draft.check.problems:
        raise DraftError(source_name, draft.check.problems[0])
    return replace(draft, questions=tuple(find_questions(evidence)))


def _find_evidence(file: InputFile, answers: DraftAnswers) -> Evidence:
    table, target = read_table(file), answers.target
    _check_target(table, target, file.source_name)
    missing = find_missing_words(table.cells, table.decimal)
    cells = replace_missing_words(table.cells, missing)
    names = build_field_names(cells.columns)
    columns = [
        RawColumn(name=each, field_name=names[each], texts=cells[each], decimal=table.decimal or ".")
        for each in cells.columns
    ]
    by_name = {each.name: each for each in columns}
    bounds = answers.columns.get(target, ColumnCorrection())
    found = find_target(by_name[target], answers.positive, bounds, file.source_name)
    _check_corrections(answers, table, file.source_name)
    found_columns = [_find_column(each, table) for each in columns if each.name != target]
    fixed = {target, *answers.columns, *table.unreadable}
    found_columns = join_dates([each for each in columns if each.name not in fixed], found_columns)
    findings = [
        apply_correction(by_name[each.column], each, answers.columns[each.column], file.source_name)
        if each.column in answers.columns
        else each
        for each in leave_out_copied_columns(found_columns)
    ]
    evidence = Evidence(
        answers=answers, file=file, table=table, target=found, findings=findings, missing=missing
    )
    return replace(evidence, findings=_leave_out_telling_columns(evidence))


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


def _leave_out(evidence: Evidence, draft: Draft) -> list[ColumnFinding]:
    leaks = {draft.use_case.schema.get_field(name).columns[0]: why for name, why in draft.check.leaks.items()}
    return [
        each.leave_out(format_reason("it gives the target away: {how}", how=leaks[each.column]))
        if each.column in leaks
        else each
        for each in evidence.findings
    ]


def _build_draft(
    name: str, evidence: Evidence, *, by_date: bool, by_group: bool = True, test_share: float = 0.0
) -> Draft:
    composed = build_use_case(name, evidence, by_date=by_date, by_group=by_group, test_share=test_share)
    source = write_source(composed.use_case, evidence.findings, evidence.table.rows, composed.notes)
    use_case = _load(name, source)
    check = check_raw_file(use_case, evidence.file.path, source_name=evidence.file.source_name)
    reasons = {
        each.column: composed.column_reasons.get(each.column, each.reason) for each in evidence.findings
    }
    return Draft(
        use_case=use_case, source=source, check=check, findings=tuple(evidence.findings),
        target_reason=evidence.target.reason, column_reasons=reasons, file_reasons=composed.reasons,
    )  # fmt: skip


def _load(name: str, source: str) -> UseCase:
    """Load a use case from its source as the platform does."""
    with tempfile.TemporaryDirectory(prefix="servicio-ml-draft-") as folder:
        path = Path(folder, f"{name}.py")
        path.write_text(source, encoding="utf-8")
        return load_file(path)
