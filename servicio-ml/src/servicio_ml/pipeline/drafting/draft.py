"""Draft of a use case from a raw file, checked on every row of it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import DraftError
from servicio_ml.pipeline.check_raw_file import RawFileCheck, check_raw_file
from servicio_ml.pipeline.drafting.answers import DraftAnswers, DraftQuestion
from servicio_ml.pipeline.drafting.cells.table import read_table
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.compose import build_use_case
from servicio_ml.pipeline.drafting.corrections import LEFT_OUT
from servicio_ml.pipeline.drafting.dates.time_order import choose_time_column, leave_out_time_copies
from servicio_ml.pipeline.drafting.evidence import Evidence, find_evidence
from servicio_ml.pipeline.drafting.questions import find_questions
from servicio_ml.pipeline.drafting.reasons import format_reason
from servicio_ml.pipeline.drafting.writing.source_text import write_source
from servicio_ml.pipeline.reading.input_file import copy_input_file
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
        evidence = find_evidence(file, answers)
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


def _leave_out(evidence: Evidence, draft: Draft) -> list[ColumnFinding]:
    leaks = {draft.use_case.schema.get_field(name).columns[0]: why for name, why in draft.check.leaks.items()}
    return [
        each.leave_out(format_reason("it gives the target away: {how}", how=leaks[each.column]))
        if each.column in leaks
        else each
        for each in evidence.findings
    ]


def _leave_out_time_copies(evidence: Evidence) -> Evidence:
    time = choose_time_column(evidence.findings, evidence.answers.time, evidence.file.source_name)
    if time is None:
        return evidence
    findings = leave_out_time_copies(evidence.findings, time, evidence.answers.columns)
    return replace(evidence, findings=findings)


def _build_draft(
    name: str, evidence: Evidence, *, by_date: bool, by_group: bool = True, test_share: float = 0.0
) -> Draft:
    if by_date:
        evidence = _leave_out_time_copies(evidence)
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
