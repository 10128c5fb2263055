"""Step that selects the best of the tuned candidates."""

from servicio_ml.errors import TrainingError
from servicio_ml.pipeline.training.candidate_result import CandidateResult, rank_result, select_winner
from servicio_ml.pipeline.training.session import WINNER, TrainingSession
from servicio_ml.pipeline.training.steps.blend import fit_blend
from servicio_ml.pipeline.training.steps.candidates import build_tuned_stage


def select_best(training: TrainingSession) -> CandidateResult:
    """The winner by the one-standard-error rule; a blend of the others is made first, if there is one.

    Raises:
        TrainingError: A candidate is not tuned yet, or none is eligible.
    """
    tuned = [training.get_result(build_tuned_stage(each.name)) for each in training.plan.tuned]
    if all(tuned):
        fit_blend(training, [each for each in tuned if each])
    best = select_winner(training.use_case, read_tuned_results(training))
    training.run.set_tags({WINNER: best.candidate})
    return best


def choose_best(training: TrainingSession, refined: CandidateResult | None) -> CandidateResult:
    both = (read_winner(training), *([refined] if refined else []))
    return max(both, key=lambda each: (each.eligible, rank_result(training.use_case, each)))


def build_table_with_winner(training: TrainingSession, best: CandidateResult) -> list[CandidateResult]:
    rows = [best if each.candidate == best.candidate else each for each in read_tuned_results(training)]
    return sorted(
        rows,
        key=lambda each: (each is best, each.eligible, rank_result(training.use_case, each)),
        reverse=True,
    )


def read_winner(training: TrainingSession) -> CandidateResult:
    name = training.get_tag(WINNER)
    row = training.get_result(build_tuned_stage(name)) if name else None
    if row is None:
        raise TrainingError(training.use_case.name, f"run {training.run.id} has no winner; run step select")
    return row


def read_tuned_results(training: TrainingSession) -> list[CandidateResult]:
    found = {name: training.get_result(build_tuned_stage(name)) for name in training.plan.names}
    if missing := [name for name, row in found.items() if row is None]:
        problem = f"{', '.join(missing)}: not tuned in run {training.run.id}; run step tune"
        raise TrainingError(training.use_case.name, problem)
    return [row for row in found.values() if row is not None]
