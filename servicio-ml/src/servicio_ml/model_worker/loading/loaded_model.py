"""A model in memory, whatever its library."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ModelFileError

BINARY, MULTICLASS, REGRESSION = "binary", "multiclass", "regression"
TWO = 2
Score = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model in memory.

    Attributes:
        task: `binary`, `multiclass` or `regression`.
        classes: Labels of the classes in the order of the scores; empty in a regression.
        columns: Names of the columns that it reads, in order; empty where its library does not keep them.
        score: Function from a pandas data frame to scores, `[n, classes]`, or `[n, 1]` of a regression.
        native: The library's own object.
        categories: Texts by name of each column whose codes are part of the model.
        direct: Function from an Arrow table to the same scores, where its first steps read arrays.
    """

    task: str
    classes: tuple[Any, ...]
    columns: tuple[str, ...]
    score: Score
    native: Any
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    direct: Score | None = None


def find_task(classes: tuple[Any, ...]) -> str:
    """Find the task of a model by its classes; a regression has none."""
    return REGRESSION if not classes else BINARY if len(classes) == TWO else MULTICLASS


def make_column(values: Any) -> Any:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim > 1 and found.shape[1] != 1:
        raise ModelFileError(f"it predicts {found.shape[1]} targets; import one model for each")
    return found.reshape(-1, 1)


def make_classes(values: Any) -> Any:
    """Two columns of the probability of the second of two classes; more columns as they are."""
    found = np.asarray(values, dtype=np.float64)
    return np.column_stack([1 - found, found]) if found.ndim == 1 else found


def list_classes(classes: Any) -> tuple[Any, ...]:
    """List classes as values of Python."""
    return tuple(np.asarray(classes).tolist())
