"""How a candidate's model did: what is kept of it with the runs and versions, from step to step."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import TrainingError
from servicio_ml.pipeline.training.build_candidate import BuiltCandidate

NUMBERS = ("validation", "validation_error", "latency_seconds", "parity", "threshold")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateResult:
    """A candidate's row in the comparison.

    Attributes:
        candidate: Its name.
        version: Under which its artifact is registered; None where that may not be used.
        eligible: Whether it may be promoted.
        reason: Why it may not; empty when it may.
        params: Its hyperparameters.
        metrics: Every metric on the holdout; NaN where one is not defined.
        validation: As `Finished.validation`.
        validation_error: Its standard error.
        latency_seconds: Median time of one row.
        parity: Greatest difference to the original on the holdout.
        threshold: Decision threshold of the positive class, 0–1.
    """

    candidate: str
    version: int | None
    eligible: bool
    reason: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    validation: float
    validation_error: float
    latency_seconds: float
    parity: float
    threshold: float

    @property
    def numbers(self) -> Mapping[str, float]:
        """Everything that MLflow keeps as a metric: what is not NaN."""
        # an undefined metric is left out: NaN in a run would sort and plot like a measurement
        every = {**self.metrics, **{name: getattr(self, name) for name in NUMBERS}}
        return {name: value for name, value in every.items() if not math.isnan(value)}

    def register(self, version: int) -> "CandidateResult":
        return replace(self, version=version)

    def to_json(self) -> dict[str, Any]:
        """The row; what is not defined is null."""
        row = {each.name: getattr(self, each.name) for each in fields(self)}
        # JSON has no NaN; null survives every reader
        metrics = {name: _replace_nan(value) for name, value in self.metrics.items()}
        return {**row, "params": dict(self.params), "metrics": metrics} | {
            name: _replace_nan(row[name]) for name in NUMBERS
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "CandidateResult":
        metrics = {name: _restore_nan(value) for name, value in row["metrics"].items()}
        return cls(**{**row, "metrics": metrics, **{name: _restore_nan(row[name]) for name in NUMBERS}})

    def to_tag(self) -> str:
        # fails here instead of writing a tag that only Python can read
        return json.dumps(self.to_json(), allow_nan=False)

    @classmethod
    def from_tag(cls, text: str) -> "CandidateResult":
        return cls.from_json(json.loads(text))


def build_candidate_result(each: BuiltCandidate) -> CandidateResult:
    """Build the result of a candidate that is not registered yet."""
    return CandidateResult(
        candidate=each.candidate.name, version=None, eligible=each.eligible, reason=each.exported.reason,
        params=each.params, metrics=each.metrics, validation=each.validation,
        validation_error=each.validation_error, latency_seconds=each.exported.latency_seconds,
        parity=each.exported.parity, threshold=each.output.threshold,
    )  # fmt: skip


def select_winner(use_case: UseCase, found: Sequence[CandidateResult]) -> CandidateResult:
    """The eligible candidate that comes first of those within one standard error of the best validation.

    The one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3): on a few hundred
    rows the best of several is the luckiest. The use case names its candidates in order of preference.

    Raises:
        TrainingError: None is eligible; each is named with its reason.
    """
    eligible = [each for each in found if each.eligible]
    if not eligible:
        reasons = "; ".join(f"{each.candidate} {each.reason}" for each in found)
        raise TrainingError(use_case.name, f"no candidate may be promoted: {reasons}")
    # first in the use case's order wins ties, since `max` keeps the first
    best = max(eligible, key=lambda each: rank_result(use_case, each))
    min_rank = rank_result(use_case, best) - best.validation_error
    return next(each for each in eligible if rank_result(use_case, each) >= min_rank)


def rank_result(use_case: UseCase, each: CandidateResult) -> float:
    """The validation, greater is better."""
    return each.validation if METRICS[use_case.metric].greater_is_better else -each.validation


def _replace_nan(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _restore_nan(value: float | None) -> float:
    return math.nan if value is None else value
