"""A blend of fitted estimators, and its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WEIGHT = "weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendMember:
    """A member of a blend.

    Attributes:
        family: Family of its estimator.
        estimator: Fitted on the same rows as the others.
        weight: Share of its score, 0–1; the weights of all members add up to 1.
    """

    family: str
    estimator: Any
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """Members whose weighted scores are added up."""

    members: tuple[BlendMember, ...]


def join_params(weights: Mapping[str, float], params: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Join the members' weights and parameters to a flat mapping: `ridge.weight`, `ridge.alpha` …."""
    return {
        f"{name}.{key}": value
        for name, weight in weights.items()
        for key, value in ({WEIGHT: weight} | dict(params[name])).items()
    }


def split_params(params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Split the parameters of a blend into those of each member; its weight is one of them."""
    members: dict[str, dict[str, Any]] = {}
    for key, value in params.items():
        # a candidate is named in snake case, so that the first dot ends its name
        name, _, parameter = key.partition(".")
        members.setdefault(name, {})[parameter] = value
    return members
