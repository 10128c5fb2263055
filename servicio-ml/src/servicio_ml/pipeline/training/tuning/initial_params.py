"""Starting parameters from a YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from servicio_ml.domain.search import Candidate, Choice, Parameter
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import SourceError, UseCaseError


def read_initial_params(use_case: UseCase, path: Path) -> Mapping[str, Mapping[str, Parameter]]:
    """Candidate to the parameters of its first trial.

    Raises:
        SourceError: The file cannot be read, or is not such a mapping.
        UseCaseError: A candidate or parameter is unknown, or a value outside its space.
    """
    try:
        # `safe_load`: plain `load` could construct arbitrary Python objects
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SourceError(path, f"{error.strerror}; --params names a YAML file") from error
    except yaml.YAMLError as error:
        raise SourceError(path, f"no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not all(isinstance(each, dict) for each in document.values()):
        raise SourceError(path, "it must map each candidate to a mapping of its parameters")
    for name, params in document.items():
        candidate = use_case.get_candidate(str(name))
        for parameter, value in params.items():
            _check_parameter(candidate, str(parameter), value, path)
    return document


def _check_parameter(candidate: Candidate, parameter: str, value: Any, path: Path) -> None:
    where = f"candidate {candidate.name!r} in {path}"
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
