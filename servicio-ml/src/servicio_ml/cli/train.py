"""`servicio-ml train`: tune, compare, refine, register, and let the promotion decide."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from servicio_ml.cli.promote import carried_out, court
from servicio_ml.cli.session import Debug, Json, Session, UseCaseName, processors, session
from servicio_ml.domain.ports import ModelVersion
from servicio_ml.domain.use_case import UseCase

DEFAULT_TRIALS = 12
DEFAULT_SECONDS = 150.0
MILLISECONDS = 1000


def train(
    name: UseCaseName,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each candidate.")] = DEFAULT_TRIALS,
    timeout: Annotated[
        float,
        typer.Option(min=0, help="Seconds for tuning and refining them all; each tries its start at least."),
    ] = DEFAULT_SECONDS,
    candidate: Annotated[
        list[str] | None, typer.Option(help="Only this candidate; may be given again.")
    ] = None,
    period: Annotated[str, typer.Option(help="Month of the data, YYYY-MM; the latest when not given.")] = "",
    params: Annotated[
        Path | None, typer.Option(help="YAML file: candidate to the parameters of its first trial.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Train also where nothing is new.")] = False,
    no_promote: Annotated[bool, typer.Option("--no-promote", help="Name the challenger only.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Tune every candidate on the latest published period and name the best one challenger.

    A killed run goes on where it was. The same command again with nothing new trains nothing.
    Then the challenger is judged as by `servicio-ml promote`, unless --no-promote.
    """
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.domain.published import read_manifest
        from servicio_ml.pipeline.counted import counted
        from servicio_ml.pipeline.promote import judge_once
        from servicio_ml.pipeline.record import World
        from servicio_ml.pipeline.train import train as run
        from servicio_ml.pipeline.training import Plan
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        chosen = tuple(
            use_case.candidate(each) for each in candidate or [c.name for c in use_case.candidates]
        )
        plan = Plan(
            candidates=chosen, trials=trials, seconds=timeout, threads=processors(), force=force,
            start=_start(use_case, params),
        )  # fmt: skip
        with counted(bootstrap.stats(here.settings), time.time, f"train.{use_case.name}"):
            store = bootstrap.lake(here.settings)
            manifest = read_manifest(store, name, period or None)
            tracker, registry = bootstrap.runs_and_models(here.settings)
            world = World(
                store=store, tracker=tracker, registry=registry, progress=here.progress,
                study_url=bootstrap.study_url(here.settings),
            )  # fmt: skip
            document: dict[str, Any] = {"use_case": name}

            def decide(challenger: ModelVersion, table: Sequence[Mapping[str, Any]]) -> str:
                _show(here, use_case, table)
                document["challenger"] = challenger.version
                here.line(f"challenger: version {challenger.version}")
                if no_promote:
                    return ""
                who = court(here, tracker, registry)
                case = judge_once(use_case, manifest, store, who, challenger)
                document["promotion"] = carried_out(here, use_case, case, who).to_json()
                return case.dossier.decision

            trained = run(use_case, manifest, plan, world, decide)
            here.document({**document, "run_id": trained.run_id, "candidates": trained.table})


def _start(use_case: UseCase, path: Path | None) -> Mapping[str, Mapping[str, Any]]:
    if path is None:
        return {}
    from servicio_ml.pipeline.start import read_start

    return read_start(use_case, path)


def _show(here: Session, use_case: UseCase, table: Sequence[Mapping[str, Any]]) -> None:
    here.table(
        f"{use_case.title}: candidates on the holdout",
        ["", *(row["candidate"] for row in table)],
        [
            ["version", *(row["version"] or "–" for row in table)],
            [f"{use_case.metric}, validation", *(_measured(row) for row in table)],
            *(
                [metric, *(_number(row["metrics"][metric]) for row in table)]
                for metric in table[0]["metrics"]
            ),
            ["one row [ms]", *(_number(row["latency_seconds"], MILLISECONDS) for row in table)],
            ["eligible", *("yes" if row["eligible"] else "no" for row in table)],
        ],
    )


def _number(value: float | None, scale: float = 1) -> str:
    return "–" if value is None else f"{value * scale:.4g}"


def _measured(row: Mapping[str, Any]) -> str:
    """The validation with its standard error."""
    return f"{_number(row['validation'])} ± {row['validation_error']:.2g}"
