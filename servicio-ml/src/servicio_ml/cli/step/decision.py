"""Steps from the challenger to the champion: the decision, the alias, the server and the end of the run."""

import time
from typing import Annotated

import typer

from servicio_ml.cli.options import Debug, DecisionRunId, RunId, TrainingRunId, UseCaseName
from servicio_ml.cli.promote import build_context
from servicio_ml.cli.session import CommandSession, count_processors
from servicio_ml.cli.step.runner import Document, RunKind, run_step
from servicio_ml.cli.train import build_training_ports
from servicio_ml.domain.promotion import PromotionDecision
from servicio_ml.domain.use_case import UseCase


def judge(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Compare champion and challenger on the same rows and record the decision; no alias is moved."""

    def run_work(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml.pipeline.promotion.judge import judge_once
        from servicio_ml.pipeline.training.session import open_training
        from servicio_ml.pipeline.training.steps.challenger import get_challenger

        ports = build_training_ports(here)
        context = build_context(here, ports.tracker, ports.registry)
        with open_training(use_case, run, ports, count_processors()) as training:
            decided = judge_once(use_case, training.manifest, ports.store, context, get_challenger(training))
        record = decided.record
        here.progress.report(f"{record.decision}: {record.reason}")
        return {
            "decision": record.decision, "reason": record.reason, "decision_run": decided.run_id,
            "challenger": record.challenger, "champion": record.champion,
        }  # fmt: skip

    run_step(name, debug, run_work)


def promote(name: UseCaseName, decision_run: DecisionRunId, debug: Debug = False) -> None:
    """Move the champion alias as the decision record says; repeating it has no effect."""
    _apply_decision(name, decision_run, debug, PromotionDecision.PROMOTED, "champion")


def rollout(name: UseCaseName, decision_run: DecisionRunId, debug: Debug = False) -> None:
    """Begin the rollout that the decision record starts; repeating it has no effect."""
    _apply_decision(name, decision_run, debug, PromotionDecision.ROLLOUT_STARTED, "challenger")


def reject(name: UseCaseName, decision_run: DecisionRunId, debug: Debug = False) -> None:
    """Close the decision run of a challenger that is not promoted."""
    _apply_decision(name, decision_run, debug, PromotionDecision.REJECTED, "challenger")


def reload(name: UseCaseName, debug: Debug = False) -> None:
    """Make the server at SERVICIO_ML_API_URL load the new champion."""

    def run(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap

        server = bootstrap.connect_api_server(here.settings)
        if server is None:
            # no failure: a scheduler may run where no server has to reload
            return {"champion": None, "skipped": "SERVICIO_ML_API_URL is not set"}
        return {"champion": server.reload(use_case.name)}

    run_step(name, debug, run)


def record(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Close the training's run with the decision."""

    def run_work(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.lifecycle.decision_history import get_decision_about
        from servicio_ml.pipeline.step_metrics import report_success
        from servicio_ml.pipeline.training.run import close_training
        from servicio_ml.pipeline.training.session import CHALLENGER_VERSION

        ports = build_training_ports(here)
        found = ports.tracker.get_run(run)
        # empty when the training found nothing new
        version = found.tags.get(CHALLENGER_VERSION, "")
        decision = get_decision_about(use_case.name, int(version), ports.tracker) if version else ""
        # True only once, so that a repeated step does not report a second success
        if close_training(use_case, run, ports, decision):
            stats = bootstrap.create_stats(here.settings)
            report_success(stats, time.time, f"{RunKind.TRAIN}.{name}", time.time() - found.started)
        return {"run_id": run, "decision": decision or None, "challenger": int(version) if version else None}

    run_step(name, debug, run_work)


def fail(
    name: UseCaseName,
    of: Annotated[RunKind, typer.Option(help="Pipeline of the failed step.")],
    run: TrainingRunId = "",
    debug: Debug = False,
) -> None:
    """Report the failure of a run: once, after the last retry of a step."""

    def run_work(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.step_metrics import report_failure

        # sent by a step of its own, because a killed step cannot report anything
        report_failure(bootstrap.create_stats(here.settings), f"{of}.{name}")
        if run:
            from servicio_ml.pipeline.training.run import fail_training

            fail_training(use_case, run, bootstrap.connect_tracker(here.settings))
        return {"use_case": name, "failed": of, "run_id": run or None}

    run_step(name, debug, run_work)


def _apply_decision(name: str, run_id: str, debug: bool, expected: PromotionDecision, key: str) -> None:
    def run(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.lifecycle.decisions import apply_decision

        context = build_context(here, *bootstrap.connect_mlflow(here.settings))
        return {key: apply_decision(use_case.name, run_id, context, expected).challenger}

    run_step(name, debug, run)
