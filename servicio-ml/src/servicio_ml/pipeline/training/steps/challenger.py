"""Step that names the better of winner and refined winner challenger."""

from typing import Any

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.errors import TrainingError
from servicio_ml.features.artifact import download_artifact, load_artifact
from servicio_ml.pipeline.training.session import CHALLENGER_VERSION, TrainingSession
from servicio_ml.pipeline.training.steps.refine import build_refined_stage, fit_refined
from servicio_ml.pipeline.training.steps.winner import build_table_with_winner, choose_best, read_winner


def export_winner(training: TrainingSession) -> ModelVersion:
    """Fit and register the refined winner where it is better, and name the better of both challenger.

    Raises:
        TrainingError: There is no winner yet, or it has no artifact.
    """
    registry, name = training.ports.registry, training.use_case.name
    if training.get_tag(CHALLENGER_VERSION):
        return get_challenger(training)
    best = choose_best(training, fit_refined(training))
    if best.version is None:
        raise TrainingError(name, f"{best.candidate} has no artifact")
    with download_artifact(registry, name, best.version) as folder:
        rows = build_table_with_winner(training, best)
        training.record.record_winner(
            best, load_artifact(folder), training.problem.matrix, training.test, rows
        )
    registry.set_alias(name, best.candidate, best.version)
    # the tag follows last: without it the step runs again and sets the same aliases
    registry.set_alias(name, CHALLENGER, best.version)
    training.run.set_tags({CHALLENGER_VERSION: str(best.version)})
    return registry.get_version(name, best.version)


def get_challenger(training: TrainingSession) -> ModelVersion:
    """The version that the step `export` has named challenger.

    Raises:
        TrainingError: The step `export` has not named a challenger yet.
    """
    version = training.get_tag(CHALLENGER_VERSION)
    if not version:
        problem = f"run {training.run.id} has no challenger; run step export"
        raise TrainingError(training.use_case.name, problem)
    return training.ports.registry.get_version(training.use_case.name, int(version))


def build_table(training: TrainingSession) -> list[dict[str, Any]]:
    """One row per candidate, the winner first, then by validation."""
    refined = training.get_result(build_refined_stage(read_winner(training).candidate))
    return [row.to_json() for row in build_table_with_winner(training, choose_best(training, refined))]
