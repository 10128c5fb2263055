"""What is found of a target."""

from dataclasses import dataclass

import polars as pl

from servicio_ml.domain.use_case import Target, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFinding:
    """What is predicted.

    Attributes:
        target: The target.
        task: Type of prediction.
        reason: What was seen.
        values: Labels or numbers in the order of the rows, null where there is none that trains.
    """

    target: Target
    task: Task
    reason: str
    values: pl.Series
