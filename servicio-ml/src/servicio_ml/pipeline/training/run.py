"""Training in steps: every candidate tuned and registered, the best refined, one named challenger.

Each step finds what the others left in the parent run and in the studies, so that it may run in a process of
its own, be killed and run again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import TrainingError
from servicio_ml.pipeline.training.plan import TrainingPlan
from servicio_ml.pipeline.training.run_recorder import TRAIN_RUN, TrainingPorts
from servicio_ml.pipeline.training.session import FINISHED, open_training, start_training
from servicio_ml.pipeline.training.steps.candidates import fit_tuned, search_all
from servicio_ml.pipeline.training.steps.challenger import build_table, export_winner
from servicio_ml.pipeline.training.steps.refine import refine
from servicio_ml.pipeline.training.steps.winner import select_best

DECISION = "decision"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """Result of a training.

    Attributes:
        run_id: Id of the parent run; it is still open when there is a challenger.
        challenger: Version that became challenger; None when nothing was new.
        table: One row per candidate, the winner first, the others by validation score.
    """

    run_id: str
    challenger: ModelVersion | None
    table: Sequence[Mapping[str, Any]]


def train(
    use_case: UseCase,
    manifest: Manifest,
    plan: TrainingPlan,
    ports: TrainingPorts,
) -> TrainingResult:
    """Run every step in this process and name the challenger.

    The parent run stays open, so that the caller records its decision about the challenger with
    `close_training`, or marks the run with `fail_training`.

    Raises:
        TrainingError: No candidate is eligible for promotion.
    """
    started = start_training(use_case, manifest, plan, ports)
    if not started.new:
        return TrainingResult(run_id=started.run_id, challenger=None, table=[])
    with open_training(use_case, started.run_id, ports, plan.threads) as training:
        search_all(training)
        with ports.progress.open_bar(f"fit and export {use_case.name}", total=len(plan.tuned)) as advance:
            for candidate in plan.tuned:
                fit_tuned(training, candidate)
                advance(1, candidate.name)
        select_best(training)
        refine(training)
        challenger = export_winner(training)
        table = build_table(training)
    return TrainingResult(run_id=started.run_id, challenger=challenger, table=table)


def close_training(use_case: UseCase, run_id: str, ports: TrainingPorts, decision: str = "") -> bool:
    """End the parent run, and delete what killed processes left of its fits; False where it was ended before.

    Args:
        use_case: Use case of the training.
        run_id: The parent run.
        ports: The ports.
        decision: What was decided about its challenger; empty where nothing was.
    """
    found = ports.tracker.get_run(run_id)
    if found.status == FINISHED:
        return False
    for step in ("fit", "trial"):
        for left in ports.tracker.find_runs(use_case.name, {"step": step, TRAIN_RUN: run_id}):
            if left.status != FINISHED:
                ports.tracker.delete_run(left.id)
    with ports.tracker.open_run(use_case.name, found.name, resume=run_id) as run:
        if decision:
            run.set_tags({DECISION: decision})
    return True


def fail_training(use_case: UseCase, run_id: str, tracker: Tracker) -> None:
    """Mark the run of a training as failed, unless it is finished; it may be gone on with."""
    found = tracker.get_run(run_id)
    if found.status == FINISHED:
        return
    # the tracker marks a run as failed when its context ends with an exception
    with suppress(TrainingError), tracker.open_run(use_case.name, found.name, resume=run_id):
        raise TrainingError(use_case.name, "given up")
