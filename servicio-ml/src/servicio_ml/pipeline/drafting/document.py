"""The document of a draft, from which a page shows its table and offers corrections."""

from typing import Any

from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.corrections import LEFT_OUT
from servicio_ml.pipeline.drafting.draft import Draft


def describe_draft(draft: Draft) -> dict[str, Any]:
    """Describe a draft: its target, what each column becomes and why, the questions and the source."""
    use_case, target = draft.use_case, draft.use_case.target
    return {
        "task": use_case.task,
        "target": {
            "column": target.column, "name": target.name, "labels": list(target.labels),
            "minimum": target.minimum, "maximum": target.maximum, "reason": draft.target_reason,
        },
        "reasons": dict(draft.file_reasons),
        "columns": [_describe_column(each, draft) for each in draft.findings],
        "questions": [
            {"answer": each.answer, "text": each.text, "choices": list(each.choices), "guess": each.guess}
            for each in draft.questions
        ],
        "source": draft.source,
    }  # fmt: skip


def _describe_column(finding: ColumnFinding, draft: Draft) -> dict[str, Any]:
    # the field of the use case: as a group, for example, the column may have become another one
    field = next((each for each in draft.use_case.schema.fields if each.columns[0] == finding.column), None)
    if field is None:
        return {
            "column": finding.column, "name": "", "kind": LEFT_OUT, "minimum": None, "maximum": None,
            "levels": [], "nullable": False, "unit": "", "reason": draft.column_reasons[finding.column],
        }  # fmt: skip
    return {
        "column": finding.column, "name": field.name, "kind": field.kind, "minimum": field.minimum,
        "maximum": field.maximum, "levels": list(field.levels), "nullable": field.nullable,
        "unit": field.unit, "reason": draft.column_reasons[finding.column],
    }  # fmt: skip
