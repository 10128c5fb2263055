"""Starting parameters from a YAML file or a JSON object."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from servicio_ml.domain.search import Candidate, Choice, Parameter
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import SourceError, UseCaseError

OPTION = "--params"


def read_initial_params(use_case: UseCase, given: str) -> Mapping[str, Mapping[str, Parameter]]:
    """Candidate to the parameters of its first trial.

    Args:
        use_case: The use case.
        given: Path of a YAML file, or a JSON object: a text that begins with a brace.

    Raises:
        SourceError: The file cannot be read, or is not such a mapping.
        UseCaseError: A candidate or parameter is unknown, or a value outside its space.
    """
    source, text = (OPTION, given) if given.lstrip().startswith("{") else (given, _read_file(given))
    try:
        # `safe_load`: plain `load` could construct arbitrary Python objects; YAML includes JSON
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SourceError(source, f"no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not all(isinstance(each, dict) for each in document.values()):
        raise SourceError(source, "it must map each candidate to a mapping of its parameters")
    for name, params in document.items():
        candidate = use_case.get_candidate(str(name))
        for parameter, value in params.items():
            _check_parameter(candidate, str(parameter), value, source)
    return document


def _read_file(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise SourceError(path, f"{error.strerror}; {OPTION} takes a YAML file or a JSON object") from error


def _check_parameter(candidate: Candidate, parameter: str, value: Any, source: str) -> None:
    where = f"candidate {candidate.name!r} in {source}"
    space = candidate.space.get(parameter)
    if space is None:
        known = ", ".join(candidate.space)
        raise UseCaseError(where, f"no parameter {parameter!r} is tuned; tuned are {known}")
    if space.is_in_range(value):
        return
    if isinstance(space, Choice):
        raise UseCaseError(
            where, f"{parameter}: {value!r} is not one of {', '.join(map(str, space.options))}"
        )
    raise UseCaseError(where, f"{parameter}: {value!r} is not between {space.low:g} and {space.high:g}")
