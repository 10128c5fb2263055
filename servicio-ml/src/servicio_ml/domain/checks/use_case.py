"""Checks of what the parts of a use case say together: names, task, dates, dialects, missing texts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from servicio_ml.domain.checks.attributes import SNAKE_CASE
from servicio_ml.domain.checks.candidates import find_monotone_problems, find_objective_problems
from servicio_ml.domain.checks.parsing import find_parse_problems, find_recode_problems
from servicio_ml.domain.checks.segments import find_segment_problems
from servicio_ml.domain.checks.splits import find_split_problems
from servicio_ml.domain.checks.targets import find_target_parse_problems
from servicio_ml.domain.checks.weights import find_weight_problems
from servicio_ml.domain.derived import TargetMean
from servicio_ml.domain.fairness.problems import find_fairness_problems
from servicio_ml.domain.fields.columns import list_columns, merge_columns
from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.schema import Field, Parse
from servicio_ml.domain.search import BLEND, TASKS_OF_FAMILIES, Candidate
from servicio_ml.errors import format_names

if TYPE_CHECKING:
    from servicio_ml.domain.use_case import Dialect, UseCase

BINARY_LABELS = 2
BLENDED = 2
"""Minimum number of candidates beside a blend."""
RESERVED_ALIAS = re.compile(r"champion|challenger|latest|v\d+")
"""Names that a candidate cannot have: aliases of the platform and those that MLflow refuses."""
RESERVED_DIALECT = "typed"
"""Dialect of a table that has the fields' own names and values."""


def find_problems(use_case: "UseCase") -> Iterator[str]:
    """Describe what is wrong with a use case whose parts are right by themselves."""
    labels = len(use_case.target.labels)
    fits = {
        "binary": labels == BINARY_LABELS,
        "multiclass": labels > BINARY_LABELS,
        "regression": labels == 0,
    }
    if not fits[use_case.task]:
        yield f"a {use_case.task} target cannot have {labels} labels"
    if use_case.target.name in use_case.schema.names:
        yield f"the target {use_case.target.name!r} is also a feature"
    bounds = (use_case.target.minimum, use_case.target.maximum)
    if not use_case.target.numeric and bounds != (None, None):
        yield "labels that are texts have no minimum and no maximum; leave them out, or give the target edges"
    if not use_case.schema.drop_fields(use_case.non_features).inputs:
        yield "models read no column: declare a field, or a column derived from one"
    yield from _find_mean_problems(use_case)
    yield from _find_candidate_problems(use_case)
    yield from _find_metric_problems(use_case)
    yield from _find_naming_problems(use_case)
    yield from _find_group_problems(use_case)
    yield from find_fairness_problems(use_case)
    yield from find_segment_problems(use_case)
    yield from _find_identifier_problems(use_case)
    yield from find_split_problems(use_case)
    yield from find_weight_problems(use_case)
    yield from find_monotone_problems(use_case)
    yield from find_objective_problems(use_case)
    yield from _find_camel_case_problems(use_case)
    yield from _find_dialect_problems(use_case)
    yield from _find_missing_problems(use_case)


def _find_mean_problems(use_case: "UseCase") -> Iterator[str]:
    for column in use_case.schema.derived:
        if isinstance(column, TargetMean) and use_case.task == "multiclass":
            yield (
                f"derived column {column.name!r}: a target of three or more labels has no mean; take "
                "Frequency, or a target of two labels or a number"
            )


def _find_candidate_problems(use_case: "UseCase") -> Iterator[str]:
    names = [candidate.name for candidate in use_case.candidates]
    if not names:
        yield "at least one candidate is needed"
    if len(set(names)) != len(names):
        yield "two candidates have the same name"
    yield from find_blend_problems(use_case.candidates)
    for candidate in use_case.candidates:
        if not SNAKE_CASE.fullmatch(candidate.name) or RESERVED_ALIAS.fullmatch(candidate.name):
            yield (
                f"candidate {candidate.name!r}: its name is also its alias in the registry; "
                "use snake case, but not champion, challenger, latest, v1, v2 …"
            )
        if use_case.task not in TASKS_OF_FAMILIES[candidate.family]:
            fitting = format_names(
                name for name, tasks in TASKS_OF_FAMILIES.items() if use_case.task in tasks
            )
            yield (
                f"candidate {candidate.name!r}: the family {candidate.family!r} fits no {use_case.task} "
                f"target; these do: {fitting}"
            )


def find_blend_problems(candidates: Sequence[Candidate]) -> Iterator[str]:
    """Describe blends among candidates that cannot be made of the others."""
    blends = sum(candidate.family == BLEND for candidate in candidates)
    total = len(candidates)
    if blends > 1 or (blends and total <= BLENDED):
        yield f"{blends} of {total} candidates are blends; one may be, beside at least {BLENDED} others"


def _find_metric_problems(use_case: "UseCase") -> Iterator[str]:
    for metric in (use_case.metric, use_case.promotion.metric):
        if metric not in METRICS or use_case.task not in METRICS[metric].tasks:
            fitting = format_names(each.name for each in METRICS.values() if use_case.task in each.tasks)
            yield f"{metric!r} is no metric of a {use_case.task} target; these are: {fitting}"


def _find_naming_problems(use_case: "UseCase") -> Iterator[str]:
    fields: Mapping[str, Field] = {each.name: each for each in use_case.schema.fields}
    dates = {use_case.event_date, use_case.split_date, use_case.drift.season} - {""}
    for name in (*sorted(dates), *use_case.promotion.slices):
        if name not in fields:
            yield f"{name!r} is named as a date or slice; fields are {format_names(fields)}"
        elif name in dates and not fields[name].is_dated:
            yield f"{name!r} orders rows in time, but is no date"
        elif name not in dates and not fields[name].has_levels:
            yield f"the slice {name!r} is no category; slices compare the levels of a category"
    for name in sorted(dates & set(fields)):
        if fields[name].optional:
            yield f"{name!r} orders rows in time, but is optional; a file without it could not be split"


def _find_group_problems(use_case: "UseCase") -> Iterator[str]:
    name, fields = use_case.interval_group, {each.name: each for each in use_case.schema.fields}
    if not name:
        return
    if name not in fields:
        yield f"interval_group {name!r} is no field; fields are {format_names(fields)}"
    elif not fields[name].has_levels:
        yield f"interval_group {name!r} has no levels; name a category or a boolean"
    elif name in use_case.non_features:
        yield f"interval_group {name!r} is no feature ({use_case.non_features[name]}), so requests lack it"


def _find_identifier_problems(use_case: "UseCase") -> Iterator[str]:
    if not use_case.identifier:
        return
    if IDENTIFIER in {use_case.target.name, *use_case.schema.names}:
        yield f"rows are published with a column {IDENTIFIER!r}; rename the feature or target of that name"
    for each in use_case.schema.fields:
        if IDENTIFIER in each.columns and use_case.identifier != IDENTIFIER:
            problem = f"{each.name!r} is read from a column {IDENTIFIER!r}, which requests have as"
            yield f"{problem} the text of {use_case.identifier!r}; rename that column"
    # a field that models do not read may group the rows by it
    features = {each.name: each.columns for each in use_case.schema.fields if each.direct}
    for name, columns in (features | {use_case.target.name: (use_case.target.column,)}).items():
        if use_case.identifier in columns:
            problem = f"the column {use_case.identifier!r} is the identifier and is read as {name!r}, too"
            yield f"{problem}; keep one of both"


def _find_camel_case_problems(use_case: "UseCase") -> Iterator[str]:
    # GraphQL names fields in camel case, which drops underscores
    names: dict[str, str] = {}
    for name in use_case.schema.field_names:
        other = names.setdefault(name.replace("_", ""), name)
        if other != name:
            yield f"fields {other!r} and {name!r} are one in GraphQL, which drops underscores; rename one"


def _find_dialect_problems(use_case: "UseCase") -> Iterator[str]:
    names = [each.name for each in use_case.dialects]
    if not names or len(set(names)) != len(names) or RESERVED_DIALECT in names:
        yield f"dialects are {names}; name at least one, each once, none of them {RESERVED_DIALECT!r}"
    for dialect in use_case.dialects:
        for problem in _find_problems_of_dialect(use_case, dialect):
            yield f"dialect {dialect.name!r}: {problem}"


def _find_problems_of_dialect(use_case: "UseCase", dialect: "Dialect") -> Iterator[str]:
    fields, target = {each.name: each for each in use_case.schema.fields}, use_case.target
    if strange := {*dialect.columns, *dialect.parse} - {*fields, target.name}:
        yield f"no field or target {format_names(sorted(strange))}"
        return
    for name, parse in dialect.parse.items():
        problems = (
            find_target_parse_problems(target, parse)
            if name == target.name
            else find_parse_problems(parse, fields[name].kind, fields[name].levels)
        )
        yield from (f"parse[{name!r}]: {problem}" for problem in problems)
    if lacking := _find_lacking_columns(use_case, dialect):
        yield f"its header lacks the columns {format_names(sorted(lacking))}"


def _find_lacking_columns(use_case: "UseCase", dialect: "Dialect") -> set[str]:
    """Find the columns of required fields and of the target that a header lacks."""
    if not dialect.header:
        return set()
    fields, target = use_case.schema.fields, use_case.target
    columns = {each.name: each.column for each in fields if not each.optional} | {target.name: target.column}
    needed = merge_columns(list_columns(dialect.columns.get(name, columns[name])) for name in columns)
    return {*needed, *filter(None, [use_case.identifier])} - {*dialect.header}


def _find_missing_problems(use_case: "UseCase") -> Iterator[str]:
    for name, levels, parse in _list_texts(use_case):
        if hidden := sorted({*levels} & {*use_case.missing, *parse.missing}):
            yield (
                f"{name!r}: the level {hidden[0]!r} also means missing, so that it is never read; "
                "set missing= of the use case without it"
            )
        for problem in find_recode_problems(parse, levels, use_case.missing):
            yield f"{name!r}: {problem}"


def _list_texts(use_case: "UseCase") -> Iterator[tuple[str, tuple[str, ...], Parse]]:
    """List the name, levels and parsing of each category and of a target of labels, in every dialect."""
    levels = {each.name: each.levels for each in use_case.schema.fields}
    levels[use_case.target.name] = () if use_case.target.numeric else use_case.target.labels
    for each in use_case.schema.fields:
        yield each.name, each.levels, each.parse
    yield use_case.target.name, levels[use_case.target.name], use_case.target.parse
    for dialect in use_case.dialects:
        for name, parse in dialect.parse.items():
            yield name, levels[name], parse
