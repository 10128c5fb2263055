"""Search spaces: values that a trial draws from them, and narrower ones around a best value."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from optuna.trial import Trial

from servicio_ml.domain.search import Candidate, Choice, Integer, ParameterRange


def narrow_space(candidate: Candidate, best: Mapping[str, Any], share: float) -> Candidate:
    """The candidate with each number within `share` of its best value, everything else fixed there.

    Args:
        candidate: With its whole space.
        best: Parameter to its best value.
        share: 0.1 is ten per cent to either side, within the whole space.
    """
    space: dict[str, ParameterRange] = {}
    for name, value in best.items():
        full = candidate.space[name]
        if isinstance(full, Integer):
            # at least one step to each side, else a small integer could not vary
            reach = max(1, round(abs(value) * share))
            space[name] = Integer(low=max(full.low, value - reach), high=min(full.high, value + reach))
        elif isinstance(full, Choice):
            space[name] = Choice(options=(value,))
        else:
            reach = abs(value) * share
            space[name] = type(full)(low=max(full.low, value - reach), high=min(full.high, value + reach))
    return replace(candidate, space=space, start=best)


def suggest_value(trial: Trial, name: str, space: ParameterRange) -> Any:
    if isinstance(space, Integer):
        return trial.suggest_int(name, space.low, space.high, log=space.log)
    if isinstance(space, Choice):
        return trial.suggest_categorical(name, space.options)
    return trial.suggest_float(name, space.low, space.high, log=space.log)
