"""What a server counts for a rollout while it scores: rows, failures, times, and pairs of predictions."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.rollout.guardrails import ArmCounts
from servicio_ml.domain.rollout.paired_sums import PairedSums
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.errors import ServingError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.serving.models.loaded_model import LoadedModel, ScoredBatch
from servicio_ml.serving.models.models import LoadedModels

TRIAL_SECONDS = 0.5
"""Minimum time between two timed trials of a model in one process: a trial scores rows once more."""
TRIAL_RUNS = 4
"""Runs of each version in a trial, of which the fastest counts: the first finds cold caches."""
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredSide:
    """Rows `[n, features]` as one version has scored them."""

    loaded_model: LoadedModel
    matrix: Matrix
    predictions: Predictions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredPair:
    """Rows that two versions have scored: the one that answered them, and the other in shadow."""

    live: ScoredSide
    other: ScoredBatch

    @property
    def sides(self) -> Mapping[int, ScoredSide | ScoredBatch]:
        """Both by their versions."""
        return {each.loaded_model.version: each for each in (self.live, self.other)}


class ArmCounter:
    """Counts for the running rollouts of this process; it may be called from several threads.

    Args:
        models: Loaded models, with their traffic plans.
        timer: Returns a time in seconds.
    """

    def __init__(self, models: LoadedModels, timer: Callable[[], float] = time.perf_counter) -> None:
        self._models, self._timer = models, timer
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], ArmCounts] = {}
        self._trial_at: dict[str, float] = {}

    def add_rows(self, loaded_model: LoadedModel, rows: int, *, failed: int = 0) -> None:
        """Count rows that a version has scored or failed to score; only those of a challenger count."""
        rollout = self._find_rollout(loaded_model.model)
        if rollout is not None and rollout.challenger == loaded_model.version:
            self._add(rollout, ArmCounts(rows=rows, failed=failed))

    def add_pair(self, pair: ScoredPair) -> None:
        """Count rows that both versions of a rollout have scored."""
        rollout, sides = self._find_rollout(pair.live.loaded_model.model), pair.sides
        if rollout is None or sides.keys() != {rollout.champion, rollout.challenger}:
            return
        challenger, champion = sides[rollout.challenger], sides[rollout.champion]
        counts = ArmCounts(
            expected_loss=_sum_expected_losses(challenger, champion),
            scores=_sum_scores(challenger.predictions, champion.predictions),
        )
        if self._is_trial_due(rollout.evidence_id):
            # an isolated version that fails just now: its next rows count as failed
            with suppress(ServingError):
                slower = self._is_slower(challenger, champion, 1 + rollout.ramp.max_latency_growth)
                counts = replace(counts, timed=1, slower=int(slower))
        self._add(rollout, counts)

    def get_counts(self) -> dict[tuple[str, str], ArmCounts]:
        """Return what was counted so far, by model and rollout."""
        with self._lock:
            return dict(self._counts)

    def _find_rollout(self, model: str) -> Rollout | None:
        plan = self._models.get_plan(model)
        return plan if isinstance(plan, Rollout) and not plan.has_ended else None

    def _add(self, rollout: Rollout, counts: ArmCounts) -> None:
        key = rollout.model, rollout.evidence_id
        with self._lock:
            self._counts[key] = self._counts.get(key, ArmCounts()) + counts

    def _is_trial_due(self, evidence_id: str) -> bool:
        now, last = self._timer(), self._trial_at.get(evidence_id)
        if last is not None and now - last < TRIAL_SECONDS:
            return False
        self._trial_at[evidence_id] = now
        # the first calls of a version are slow, and count for none
        return last is not None

    def _is_slower(
        self, challenger: ScoredSide | ScoredBatch, champion: ScoredSide | ScoredBatch, limit: float
    ) -> bool:
        """Compare the times of both in this thread; `limit` is the allowed ratio."""
        seconds = {id(challenger): math.inf, id(champion): math.inf}
        # in turns: the version that was in shadow has its model in the caches of the processor, the other not
        for _ in range(TRIAL_RUNS):
            for side in (champion, challenger):
                seconds[id(side)] = min(seconds[id(side)], self._time(side))
        return seconds[id(challenger)] > limit * seconds[id(champion)]

    def _time(self, side: ScoredSide | ScoredBatch) -> float:
        """Score rows once more, and return the time in seconds."""
        started = self._timer()
        side.loaded_model.artifact.predict(side.matrix)
        return self._timer() - started


def _sum_expected_losses(
    challenger: ScoredSide | ScoredBatch, champion: ScoredSide | ScoredBatch
) -> PairedSums:
    first, second = _compute_expected_losses(challenger), _compute_expected_losses(champion)
    return PairedSums() if first is None or second is None else sum_arrays(first, second)


def _compute_expected_losses(side: ScoredSide | ScoredBatch) -> Floats | None:
    """Compute the loss that a version expects of its own predictions, `[n]`; None where it expects none."""
    probabilities, uncertainty = side.predictions.probabilities, side.loaded_model.artifact.uncertainty
    if probabilities is not None:
        # the expectation of the Brier score, if the probabilities are right
        return np.asarray((probabilities * (1 - probabilities)).sum(axis=1), dtype=np.float64)
    if uncertainty is None:
        return None
    return np.asarray(uncertainty.estimate_errors(side.matrix, side.predictions), dtype=np.float64)


def _sum_scores(challenger: Predictions, champion: Predictions) -> tuple[PairedSums, ...]:
    """Sum the scores of both: the number, or the probability of each class but the first."""
    first, second = challenger.probabilities, champion.probabilities
    if first is None or second is None:
        return (sum_arrays(challenger.outcomes, champion.outcomes),)
    if first.shape != second.shape:
        return ()
    return tuple(sum_arrays(one, other) for one, other in zip(first.T[1:], second.T[1:], strict=True))


def sum_arrays(first: Floats, second: Floats) -> PairedSums:
    """Sum the values `[n]` of the challenger and of the champion, as `sum_pairs` does."""
    known = np.isfinite(second)
    first, second = first[known].astype(np.float64), second[known].astype(np.float64)
    return PairedSums(
        rows=len(first),
        first=float(first.sum()),
        second=float(second.sum()),
        first_squares=float(first @ first),
        second_squares=float(second @ second),
        products=float(first @ second),
    )
