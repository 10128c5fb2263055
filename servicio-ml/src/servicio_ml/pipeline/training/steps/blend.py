"""Step that makes the blend of the tuned candidates, before the winner is selected."""

import math

from servicio_ml.domain.search import Candidate
from servicio_ml.pipeline.training.blending.blend import join_params
from servicio_ml.pipeline.training.blending.weights import choose_weights
from servicio_ml.pipeline.training.candidate_result import CandidateResult, rank_result
from servicio_ml.pipeline.training.session import TrainingSession
from servicio_ml.pipeline.training.steps.candidates import build_tuned_stage, fit_candidate

MIN_MEMBERS = 2


def fit_blend(training: TrainingSession, tuned: list[CandidateResult]) -> CandidateResult | None:
    """Fit, export, check and register the blend once; None where the plan has none.

    Args:
        training: The training.
        tuned: Results of the other candidates.
    """
    blend = training.plan.blend
    if blend is None:
        return None
    stage = build_tuned_stage(blend.name)
    if found := training.get_result(stage):
        return found
    members = _select_members(training, blend, tuned)
    windows = {
        each.candidate: training.score_unseen_rows(training.get_candidate(each.candidate), each.params)
        for each in members
    }
    weights = choose_weights(training.problem, windows) if windows else {}
    if len(weights) < MIN_MEMBERS:
        row = _build_refused_blend(training, blend, members or tuned)
        training.ports.progress.report(f"{blend.name}: {row.reason}")
        training.save_result(stage, row)
        return row
    params = join_params(weights, {each.candidate: each.params for each in members})
    return fit_candidate(training, blend, params, stage, None)


def _select_members(
    training: TrainingSession, blend: Candidate, tuned: list[CandidateResult]
) -> list[CandidateResult]:
    """Select the eligible candidates, the best first, as long as all together meet the latency budget."""
    ranked = sorted(
        (each for each in tuned if each.eligible),
        key=lambda each: rank_result(training.use_case, each), reverse=True,
    )  # fmt: skip
    members, seconds = list[CandidateResult](), 0.0
    for each in ranked:
        if seconds + each.latency_seconds <= blend.max_latency_seconds:
            members.append(each)
            seconds += each.latency_seconds
    return members


def _build_refused_blend(
    training: TrainingSession, blend: Candidate, members: list[CandidateResult]
) -> CandidateResult:
    """Build the result of a blend that is no better than one of its members."""
    best, nan = max(members, key=lambda each: rank_result(training.use_case, each)), math.nan
    return CandidateResult(
        candidate=blend.name, version=None, eligible=False, params={},
        reason=f"no weighted average is better than {best.candidate} alone",
        metrics=dict.fromkeys(best.metrics, nan),
        validation=best.validation, validation_error=best.validation_error, latency_seconds=nan, parity=nan,
        threshold=nan,
    )  # fmt: skip
