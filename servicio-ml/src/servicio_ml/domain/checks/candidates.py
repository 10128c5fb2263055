"""Checks of the monotone columns and the objective of candidates against the schema and the task."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from servicio_ml.domain.metric import PINBALL
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.search import OBJECTIVE_FAMILIES
from servicio_ml.errors import format_names

if TYPE_CHECKING:
    from servicio_ml.domain.search import Candidate
    from servicio_ml.domain.use_case import UseCase


def find_monotone_problems(use_case: "UseCase") -> Iterator[str]:
    """Describe which columns no candidate's score can rise or fall with."""
    for candidate in use_case.candidates:
        if candidate.monotone and use_case.task == "multiclass":
            yield f"candidate {candidate.name!r}: monotone is for one score, and each class has its own"
        for problem in _find_column_problems(use_case, candidate):
            yield f"candidate {candidate.name!r}: {problem}"


def _find_column_problems(use_case: "UseCase", candidate: "Candidate") -> Iterator[str]:
    schema = use_case.schema.drop_fields(use_case.non_features)
    read = [schema.names[place] for place in schema.inputs]
    fields: Mapping[str, Field] = {each.name: each for each in schema.fields}
    for name, sign in candidate.monotone.items():
        if name not in read:
            yield f"monotone names {name!r}, which models do not read; they read {format_names(read)}"
        elif name in fields and fields[name].kind is Kind.CATEGORY:
            yield f"monotone names {name!r}, a category, whose levels have no order"
        if not sign:
            yield f"monotone[{name!r}] is 0; it must be 1 or -1"


def find_objective_problems(use_case: "UseCase") -> Iterator[str]:
    """Describe what an objective cannot be fitted to, and a metric that does not measure it."""
    quantile = use_case.quantile is not None
    for metric in dict.fromkeys((use_case.metric, use_case.promotion.metric)):
        if (metric == PINBALL) is not quantile:
            # the least absolute or squared error is at another number than the quantile
            yield f"metric {metric!r}: {PINBALL!r} and objective=Quantile(level=…) need each other"
    if use_case.objective is None:
        return
    name = type(use_case.objective).__name__
    if use_case.task != "regression":
        yield f"objective={name}(…) is for a regression; leave it out"
    yield from _find_link_problems(use_case, name)
    for candidate in use_case.candidates:
        if candidate.family not in OBJECTIVE_FAMILIES:
            yield (
                f"candidate {candidate.name!r}: its family {candidate.family!r} does not fit {name}; "
                f"these do: {format_names(sorted(OBJECTIVE_FAMILIES))}"
            )


def _find_link_problems(use_case: "UseCase", name: str) -> Iterator[str]:
    """Describe a target whose numbers a logarithmic link cannot reach; a quantile has no link."""
    target = use_case.target
    if use_case.quantile is not None:
        return
    if target.log:
        yield f"objective={name}(…) fits the logarithm of the mean already; leave out log=True of the target"
    elif target.minimum is None or target.minimum < 0:
        yield f"objective={name}(…) needs a target of at least 0; give it a minimum, such as minimum=0"
