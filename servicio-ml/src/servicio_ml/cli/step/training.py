"""Steps of a training, up to the challenger; they pass on the id of its run."""

from typing import TYPE_CHECKING

from servicio_ml.cli.options import (
    CandidateName,
    CandidateNames,
    Debug,
    ForceTraining,
    InitialParams,
    PeriodOrLatest,
    RunId,
    TrainingSeconds,
    Trials,
    UseCaseName,
)
from servicio_ml.cli.session import CommandSession, count_processors
from servicio_ml.cli.step.runner import Document, run_step, run_training_step
from servicio_ml.cli.train import DEFAULT_SECONDS, DEFAULT_TRIALS, build_training_ports, load_initial_params
from servicio_ml.domain.use_case import UseCase

if TYPE_CHECKING:
    from servicio_ml.pipeline.training.session import TrainingSession


def plan(
    name: UseCaseName,
    period: PeriodOrLatest = "",
    trials: Trials = DEFAULT_TRIALS,
    timeout: TrainingSeconds = DEFAULT_SECONDS,
    candidate: CandidateNames = None,
    params: InitialParams = "",
    force: ForceTraining = False,
    debug: Debug = False,
) -> None:
    """Open the run of a training, or find the unfinished one."""

    def run(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml.lifecycle.published import read_manifest
        from servicio_ml.pipeline.training.parameters import check_parameters
        from servicio_ml.pipeline.training.plan import TrainingPlan
        from servicio_ml.pipeline.training.session import start_training

        check_parameters(use_case)
        wanted = TrainingPlan(
            candidates=use_case.get_candidates(candidate), trials=trials, seconds=timeout,
            threads=count_processors(), force=force, start=load_initial_params(use_case, params),
        )  # fmt: skip
        ports = build_training_ports(here)
        manifest = read_manifest(ports.store, name, period or None)
        # finds the run of a killed attempt, so that a retry of the task continues it
        started = start_training(use_case, manifest, wanted, ports)
        # the candidates are listed, since the scheduler maps one task to each of them
        return {
            "run_id": started.run_id, "period": manifest.period, "digest": manifest.digest,
            "new": started.new, "candidates": [each.name for each in wanted.tuned],
        }  # fmt: skip

    run_step(name, debug, run)


def tune(
    name: UseCaseName,
    run: RunId,
    candidate: CandidateName,
    debug: Debug = False,
) -> None:
    """Tune a candidate in its shared study, and register its best trial; several processes may share it."""

    def run_work(training: "TrainingSession") -> Document:
        from servicio_ml.pipeline.training.steps.candidates import tune_one

        found = tune_one(training, candidate)
        row = found.result
        return {
            "candidate": candidate, "trials": found.trials, "value": found.value, "eligible": row.eligible,
            "version": row.version,
        }  # fmt: skip

    run_training_step(name, run, debug, run_work)


def select(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Select the winner by the one-standard-error rule."""

    def run_work(training: "TrainingSession") -> Document:
        from servicio_ml.pipeline.training.steps.winner import select_best as chosen

        best = chosen(training)
        return {"winner": best.candidate, "validation": best.validation}

    run_training_step(name, run, debug, run_work)


def refine(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Search around the winner's parameters."""

    def run_work(training: "TrainingSession") -> Document:
        from servicio_ml.pipeline.training.steps.refine import refine as refined

        found = refined(training)
        return {"trials": found.trials, "value": found.value, "better": found.better}

    run_training_step(name, run, debug, run_work)


def export(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Fit and register the refined winner if it is better, and set the challenger."""

    def run_work(training: "TrainingSession") -> Document:
        from servicio_ml.pipeline.training.steps.challenger import export_winner as exported

        return {"challenger": exported(training).version}

    run_training_step(name, run, debug, run_work)
