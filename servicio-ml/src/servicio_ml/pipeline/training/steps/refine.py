"""Step that searches around the winner's parameters."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from optuna import Study

from servicio_ml.domain.search import BLEND
from servicio_ml.pipeline.training.candidate_result import CandidateResult
from servicio_ml.pipeline.training.run_recorder import CandidateStage
from servicio_ml.pipeline.training.session import REFINED, TrainingSession
from servicio_ml.pipeline.training.steps.candidates import TUNING_TIME_SHARE, fit_candidate, search_candidate
from servicio_ml.pipeline.training.steps.winner import read_winner
from servicio_ml.pipeline.training.tuning.search_space import narrow_space
from servicio_ml.pipeline.training.tuning.study import count_finished

# near the best parameters the metric is flat, so a small neighbourhood is enough
REFINE_SHARE = 0.1
"""Numbers are varied by this share of their best value."""
REFINE_TRIALS_PER_TRIAL = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinedWinner:
    """What refining the winner left.

    Attributes:
        trials: Number of finished trials.
        value: Best value of the study.
        params: Hyperparameters of the best trial.
        better: Whether they are others than the winner's own.
    """

    trials: int
    value: float
    params: Mapping[str, Any]
    better: bool


def refine(training: TrainingSession) -> RefinedWinner:
    """Vary the winner's numbers a little.

    Raises:
        TrainingError: There is no winner yet.
    """
    # done by an earlier attempt of this step: repeating it must change nothing
    if earlier := training.get_tag(REFINED):
        return RefinedWinner(**json.loads(earlier))
    best = read_winner(training)
    if training.use_case.get_candidate(best.candidate).family == BLEND:
        # its members are tuned already
        return _save(
            training, RefinedWinner(trials=0, value=best.validation, params=best.params, better=False)
        )
    near = narrow_space(training.use_case.get_candidate(best.candidate), best.params, REFINE_SHARE)
    study = _open_refining_study(training, best)
    trials = max(2, round(training.plan.trials * REFINE_TRIALS_PER_TRIAL))
    search_candidate(
        training, near, study, trials, training.plan.seconds * (1 - TUNING_TIME_SHARE), what="refine"
    )
    training.record.record_refining(best, study)
    found = RefinedWinner(
        trials=count_finished(study), value=study.best_value, params=study.best_params,
        better=study.best_params != best.params,
    )  # fmt: skip
    return _save(training, found)


def _save(training: TrainingSession, found: RefinedWinner) -> RefinedWinner:
    training.run.set_tags({REFINED: json.dumps(asdict(found))})
    return found


def fit_refined(training: TrainingSession) -> CandidateResult | None:
    best, found = read_winner(training), refine(training)
    if not found.better:
        return None
    candidate = training.use_case.get_candidate(best.candidate)
    return fit_candidate(
        training,
        candidate,
        found.params,
        build_refined_stage(best.candidate),
        _open_refining_study(training, best),
    )


def _open_refining_study(training: TrainingSession, best: CandidateResult) -> Study:
    """The study around a winner; around another one it is another study."""
    # the winner's parameters are part of the name, so another winner gets another study
    around = hashlib.sha256(json.dumps(dict(best.params), sort_keys=True).encode()).hexdigest()[:8]
    return training.open_study(f"{best.candidate}/refine/{around}")


def build_refined_stage(name: str) -> CandidateStage:
    return CandidateStage(candidate=name, name="refined")
