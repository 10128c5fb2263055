"""Checks of the monotone columns of candidates against the schema and the task."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from servicio_ml.domain.schema import Field, Kind
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
    schema = use_case.schema
    read = [schema.names[place] for place in schema.inputs]
    fields: Mapping[str, Field] = {each.name: each for each in schema.fields}
    for name, sign in candidate.monotone.items():
        if name not in read:
            yield f"monotone names {name!r}, which models do not read; they read {format_names(read)}"
        elif name in fields and fields[name].kind is Kind.CATEGORY:
            yield f"monotone names {name!r}, a category, whose levels have no order"
        if not sign:
            yield f"monotone[{name!r}] is 0; it must be 1 or -1"
