"""`servicio-ml train`: tune, compare, refine, register, and let the promotion decide."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.options import (
    CandidateNames,
    Debug,
    ForceTraining,
    InitialParams,
    Json,
    NoPromotion,
    PeriodOrLatest,
    TrainingSeconds,
    Trials,
    UseCaseName,
)
from servicio_ml.cli.promote import apply_and_show, build_context
from servicio_ml.cli.session import CommandSession, count_processors, open_session
from servicio_ml.domain.use_case import UseCase

if TYPE_CHECKING:
    from servicio_ml.domain.dataset import Manifest
    from servicio_ml.domain.promotion import DecisionRecord
    from servicio_ml.pipeline.training.plan import TrainingPlan
    from servicio_ml.pipeline.training.run import TrainingResult
    from servicio_ml.pipeline.training.run_recorder import TrainingPorts

DEFAULT_TRIALS = 12
DEFAULT_SECONDS = 150.0
MILLISECONDS = 1000


def train(
    name: UseCaseName,
    trials: Trials = DEFAULT_TRIALS,
    timeout: TrainingSeconds = DEFAULT_SECONDS,
    candidate: CandidateNames = None,
    period: PeriodOrLatest = "",
    params: InitialParams = "",
    force: ForceTraining = False,
    no_promote: NoPromotion = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Tune every candidate on the latest published period, and set the best one as challenger.

    The same command resumes a killed run, and trains nothing if nothing is new. Then it decides about the
    challenger as `servicio-ml promote` does, unless --no-promote is given.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.step_metrics import record_outcome
        from servicio_ml.pipeline.training.parameters import check_parameters
        from servicio_ml.pipeline.training.plan import TrainingPlan
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        check_parameters(use_case)
        # initial parameters are checked while the plan is built, before any data is loaded
        plan = TrainingPlan(
            candidates=use_case.get_candidates(candidate), trials=trials, seconds=timeout,
            threads=count_processors(), force=force, start=load_initial_params(use_case, params),
        )  # fmt: skip
        # covers the decision too: a training whose decision fails has not succeeded
        with record_outcome(bootstrap.create_stats(here.settings), time.time, f"train.{use_case.name}"):
            here.print_document(train_and_judge(here, use_case, period, plan, judged=not no_promote))


def build_training_ports(here: CommandSession) -> "TrainingPorts":
    """Build the ports of a training: lake, MLflow and studies."""
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.training.run_recorder import TrainingPorts

    tracker, registry = bootstrap.connect_mlflow(here.settings)
    return TrainingPorts(
        store=bootstrap.open_lake(here.settings), tracker=tracker, registry=registry, progress=here.progress,
        study_url=bootstrap.build_study_url(here.settings),
    )  # fmt: skip


def train_and_judge(
    here: CommandSession, use_case: UseCase, period: str, plan: "TrainingPlan", *, judged: bool
) -> dict[str, Any]:
    """Train on a period, judge the new challenger if wanted, and return the document of both."""
    from servicio_ml import bootstrap
    from servicio_ml.lifecycle.published import read_manifest
    from servicio_ml.pipeline.training.run import train as run

    # read before MLflow is connected: a missing period is reported at once
    manifest = read_manifest(bootstrap.open_lake(here.settings), use_case.name, period or None)
    ports = build_training_ports(here)
    trained = run(use_case, manifest, plan, ports)
    document: dict[str, Any] = {"use_case": use_case.name}
    if trained.challenger is not None:
        _show(here, use_case, trained.table)
        here.print_line(f"challenger: version {trained.challenger.version}")
        document["challenger"] = trained.challenger.version
        record = _conclude_training(here, use_case, manifest, ports, trained, judged=judged)
        if record is not None:
            document["promotion"] = record.to_json()
    return {**document, "run_id": trained.run_id, "candidates": trained.table}


def _conclude_training(
    here: CommandSession,
    use_case: UseCase,
    manifest: "Manifest",
    ports: "TrainingPorts",
    trained: "TrainingResult",
    *,
    judged: bool,
) -> "DecisionRecord | None":
    """Judge the new challenger if wanted, and close the training's run with the decision."""
    from servicio_ml.pipeline.training.run import close_training

    # a decision that fails or is interrupted marks the run so: the same command then resumes it
    with ports.tracker.open_run(use_case.name, "", resume=trained.run_id, stays=True):
        record = _judge_challenger(here, use_case, manifest, ports, trained) if judged else None
    close_training(use_case, trained.run_id, ports, record.decision if record else "")
    return record


def _judge_challenger(
    here: CommandSession,
    use_case: UseCase,
    manifest: "Manifest",
    ports: "TrainingPorts",
    trained: "TrainingResult",
) -> "DecisionRecord | None":
    from servicio_ml.pipeline.promotion.judge import judge_once

    if trained.challenger is None:
        return None
    context = build_context(here, ports.tracker, ports.registry)
    decision = judge_once(use_case, manifest, ports.store, context, trained.challenger)
    return apply_and_show(here, use_case, decision, context)


def load_initial_params(use_case: UseCase, given: str) -> Mapping[str, Mapping[str, Any]]:
    """Load the first trials of `--params`; empty where the option is."""
    if not given:
        return {}
    from servicio_ml.pipeline.training.tuning.initial_params import read_initial_params

    return read_initial_params(use_case, given)


def _show(here: CommandSession, use_case: UseCase, table: Sequence[Mapping[str, Any]]) -> None:
    here.print_table(
        f"{use_case.title}: candidates on the holdout",
        ["", *(row["candidate"] for row in table)],
        [
            ["version", *(row["version"] or "–" for row in table)],
            [f"{use_case.metric}, validation", *(_format_validation(row) for row in table)],
            *(
                [metric, *(_format_number(row["metrics"][metric]) for row in table)]
                for metric in table[0]["metrics"]
            ),
            ["one row [ms]", *(_format_number(row["latency_seconds"], MILLISECONDS) for row in table)],
            ["eligible", *("yes" if row["eligible"] else "no" for row in table)],
        ],
    )


def _format_number(value: float | None, scale: float = 1) -> str:
    return "–" if value is None else f"{value * scale:.4g}"


def _format_validation(row: Mapping[str, Any]) -> str:
    """The validation with its standard error."""
    return f"{_format_number(row['validation'])} ± {row['validation_error']:.2g}"
