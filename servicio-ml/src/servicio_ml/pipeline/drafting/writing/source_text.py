"""The file of a drafted use case: docstring, imports, fields with what is left out, the use case."""

from collections.abc import Iterator, Mapping, Sequence

from servicio_ml.domain import schema
from servicio_ml.domain.derived import Derived
from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.writing.render import (
    INDENT,
    WIDTH,
    fill_lines,
    list_attributes,
    list_types,
    render_named,
    render_object,
)

CANDIDATES = "from servicio_ml.domain.defaults.candidates import build_standard_candidates"
ORDER = (
    *("name", "task", "schema", "target", "metric", "candidates", "split", "promotion", "drift", "origin"),
    *("dialects", "missing", "identifier", "event_date", "deduplicate", "max_quarantined_share"),
)
"""Attributes in the order of the file."""
SKIP = "  # fmt: skip"


def write_source(
    use_case: UseCase, findings: Sequence[ColumnFinding], rows: int, notes: Mapping[str, str]
) -> str:
    """Write the Python source of a drafted use case, which is the same for the same file.

    Args:
        use_case: The use case, with the standard candidates for `rows`.
        findings: Every column of the file but the target, in its order.
        rows: Number of rows of the file.
        notes: Comment by attribute of the use case.
    """
    what = f"predicts {use_case.target.name} ({use_case.task}), drafted by `servicio-ml init`"
    lines = [
        f'"""{use_case.title}: {what}."""',
        "",
        *_write_imports(use_case),
        "",
        "# ranges are those of the file, with head-room where more is possible; levels are those of the file",
        "FIELDS = (",
        *_write_fields(use_case, findings),
        f"){SKIP}",
        "",
        "USE_CASE = UseCase(",
        *_write_attributes(use_case, rows, notes),
        f"){SKIP}",
    ]
    return "\n".join(lines) + "\n"


def _write_imports(use_case: UseCase) -> Iterator[str]:
    modules: dict[str, set[str]] = {}
    for kind in sorted(list_types(use_case), key=lambda kind: kind.__name__):
        # the parts of a field are written as the schema exports them
        module = schema.__name__ if kind.__name__ in schema.__all__ else kind.__module__
        modules.setdefault(module, set()).add(kind.__name__)
    lines = [
        CANDIDATES,
        *(f"from {module} import {', '.join(sorted(names))}" for module, names in modules.items()),
    ]
    yield from sorted(lines)


def _write_fields(use_case: UseCase, findings: Sequence[ColumnFinding]) -> Iterator[str]:
    for finding in findings:
        # a date with a time is read by two fields, and joined columns by the finding of the first of them
        fields = [each for each in use_case.schema.fields if each.columns[0] == finding.column]
        for parts in map(render_object, fields):
            yield from fill_lines([*parts[:-1], f"{parts[-1]},"], INDENT)
        if not fields:
            yield _write_comment(f"left out: {finding.column or '(no name)'}: {finding.reason}")


def _write_comment(text: str) -> str:
    line = f"{INDENT}# {' '.join(text.split())}"
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _write_attributes(use_case: UseCase, rows: int, notes: Mapping[str, str]) -> Iterator[str]:
    attributes = dict(list_attributes(use_case))
    for name in (name for name in ORDER if name in attributes):
        if notes.get(name):
            yield _write_comment(notes[name])
        if name == "schema":
            yield from _write_schema(use_case.schema.derived)
        elif name == "candidates":
            yield f"{INDENT}candidates=build_standard_candidates(Task.{use_case.task.name}, rows={rows}),"
        else:
            yield from fill_lines([*render_named(name, attributes[name])], INDENT)


def _write_schema(derived: Sequence[Derived]) -> Iterator[str]:
    if not derived:
        yield f"{INDENT}schema=FeatureSchema(fields=FIELDS),"
        return
    yield f"{INDENT}schema=FeatureSchema(fields=FIELDS, derived=("
    yield from (f"{INDENT}{INDENT}{' '.join(render_object(each))}," for each in derived)
    yield f"{INDENT})),"
