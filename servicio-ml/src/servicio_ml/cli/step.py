"""`servicio-ml step …`: the parts of `etl` and `train`, one process each, for a scheduler.

Each prints one line of JSON as its last line on standard output and everything else on standard error. They
pass on URIs and ids only. A step that is run again with the same words does no harm and doubles nothing.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servicio_ml.cli.promote import court
from servicio_ml.cli.session import Debug, Session, UseCaseName, processors, session
from servicio_ml.cli.train import DEFAULT_SECONDS, DEFAULT_TRIALS
from servicio_ml.domain.promotion import Decision
from servicio_ml.domain.use_case import UseCase

if TYPE_CHECKING:
    from servicio_ml.pipeline.etl import Job
    from servicio_ml.pipeline.record import World
    from servicio_ml.pipeline.training import Training

Period = Annotated[str, typer.Option(help="Month of the data, YYYY-MM.")]
RunId = Annotated[str, typer.Option("--run", metavar="ID", help="Parent run, from the step `plan`.")]
DossierId = Annotated[str, typer.Option("--dossier", metavar="ID", help="Run, from the step `judge`.")]
Document = dict[str, Any]

app = typer.Typer(
    help="The parts of `etl` and `train`, each a process of its own, for a scheduler.", no_args_is_help=True
)


class Whole(StrEnum):
    """What steps are parts of."""

    ETL = "etl"
    TRAIN = "train"


@app.command()
def extract(
    name: UseCaseName,
    source: Annotated[str, typer.Option(metavar="PATH|URL|S3", help="As of `servicio-ml etl`.")] = "",
    period: Annotated[str, typer.Option(help="Month, YYYY-MM; this month (UTC) when not given.")] = "",
    debug: Debug = False,
) -> None:
    """Bring a raw file to the lake."""

    def run(here: Session, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline import etl_steps
        from servicio_ml.pipeline.period import current_period, last_day

        month = period or current_period(time.time())
        last_day(month)  # a wrong month is told before anything is fetched
        address = source or str(bootstrap.raw_files(here.settings).found(use_case))
        here.progress.say(f"source: {address}")
        with _job(here, use_case, month) as job, bootstrap.source(here.settings, address) as path:
            raw = etl_steps.extract(job, path, address, time.time)
        return {"use_case": name, "period": month, "source": address, "raw": raw}

    _step(name, debug, run)


@app.command()
def transform(
    name: UseCaseName,
    period: Period,
    raw: Annotated[str, typer.Option(metavar="URI", help="From the step `extract`.")],
    source: Annotated[str, typer.Option(help="Where it was taken from, from the step `extract`.")],
    debug: Debug = False,
) -> None:
    """Type and check every row."""

    def run(here: Session, use_case: UseCase) -> Document:
        from servicio_ml.pipeline import etl_steps

        with _job(here, use_case, period) as job:
            staged, counts = etl_steps.transform(job, raw, source)
        return {"staged": staged, "counts": counts}

    _step(name, debug, run)


@app.command()
def split(
    name: UseCaseName,
    period: Period,
    staged: Annotated[str, typer.Option(metavar="URI", help="From the step `transform`.")],
    debug: Debug = False,
) -> None:
    """Look for leaks, split into training and test rows, and verify the contract."""

    def run(here: Session, use_case: UseCase) -> Document:
        from servicio_ml.pipeline import etl_steps

        with _job(here, use_case, period) as job:
            prepared, manifest = etl_steps.split(job, staged)
        return {"prepared": prepared, "train": manifest.counts.train, "test": manifest.counts.test}

    _step(name, debug, run)


@app.command()
def publish(
    name: UseCaseName,
    period: Period,
    prepared: Annotated[str, typer.Option(metavar="URI", help="From the step `split`.")],
    debug: Debug = False,
) -> None:
    """Log the run, replace the period's manifest, and delete what the steps left for each other."""

    def run(here: Session, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.domain.published import manifest_key
        from servicio_ml.pipeline import etl_steps
        from servicio_ml.pipeline.etl import send_counts
        from servicio_ml.pipeline.whole import ended_well

        with _job(here, use_case, period) as job:
            done = etl_steps.publish(job, prepared, bootstrap.tracker(here.settings), time.time)
            where = f"{job.store.uri}/{manifest_key(name, period)}"
        if done.seconds is not None:
            stats = bootstrap.stats(here.settings)
            send_counts(done.manifest, stats)
            ended_well(stats, time.time, f"{Whole.ETL}.{name}", done.seconds)
        return {"manifest": where, "digest": done.manifest.digest, "period": period}

    _step(name, debug, run)


@app.command()
def plan(
    name: UseCaseName,
    period: Annotated[str, typer.Option(help="Month of the data, YYYY-MM; the latest when not given.")] = "",
    trials: Annotated[int, typer.Option(min=1, help="Trials of each candidate.")] = DEFAULT_TRIALS,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds for tuning and refining them all, one after the other.")
    ] = DEFAULT_SECONDS,
    candidate: Annotated[
        list[str] | None, typer.Option(help="Only this candidate; may be given again.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Train also where nothing is new.")] = False,
    debug: Debug = False,
) -> None:
    """Open the run of a training, or find the one that is not finished."""

    def run(here: Session, use_case: UseCase) -> Document:
        from servicio_ml.domain.published import read_manifest
        from servicio_ml.pipeline.training import Plan, begin

        names = candidate or [each.name for each in use_case.candidates]
        wanted = Plan(
            candidates=tuple(use_case.candidate(each) for each in names), trials=trials, seconds=timeout,
            threads=processors(), force=force,
        )  # fmt: skip
        world = _world(here)
        manifest = read_manifest(world.store, name, period or None)
        begun = begin(use_case, manifest, wanted, world)
        return {
            "run_id": begun.run_id, "period": manifest.period, "digest": manifest.digest, "new": begun.new,
            "candidates": names,
        }  # fmt: skip

    _step(name, debug, run)


@app.command()
def tune(
    name: UseCaseName,
    run: RunId,
    candidate: Annotated[str, typer.Option(help="Of the plan.")],
    debug: Debug = False,
) -> None:
    """Tune a candidate in its shared study, and register its best. Several processes may do so at once."""

    def work(training: "Training") -> Document:
        from servicio_ml.pipeline.train import tune_one

        found = tune_one(training, candidate)
        row = found.standing
        return {
            "candidate": candidate, "trials": found.trials, "value": found.value, "eligible": row.eligible,
            "version": row.version,
        }  # fmt: skip

    _train_step(name, run, debug, work)


@app.command()
def select(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Choose the winner by the one-standard-error rule."""

    def work(training: "Training") -> Document:
        from servicio_ml.pipeline.train import select as chosen

        best = chosen(training)
        return {"winner": best.candidate, "validation": best.validation}

    _train_step(name, run, debug, work)


@app.command()
def refine(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Vary the winner's numbers a little."""

    def work(training: "Training") -> Document:
        from servicio_ml.pipeline.train import refine as refined

        found = refined(training)
        return {"trials": found.trials, "value": found.value, "better": found.better}

    _train_step(name, run, debug, work)


@app.command()
def export(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Fit and register the refined winner where it is better, and name the challenger."""

    def work(training: "Training") -> Document:
        from servicio_ml.pipeline.train import export as exported

        return {"challenger": exported(training).version}

    _train_step(name, run, debug, work)


@app.command()
def judge(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Compare champion and challenger on the same rows and write the dossier; nothing is moved."""

    def work(here: Session, use_case: UseCase) -> Document:
        from servicio_ml.pipeline.promote import judge_once
        from servicio_ml.pipeline.train import challenger_of
        from servicio_ml.pipeline.training import opened

        world = _world(here)
        who = court(here, world.tracker, world.registry)
        with opened(use_case, run, world, processors()) as training:
            case = judge_once(use_case, training.manifest, world.store, who, challenger_of(training))
        dossier = case.dossier
        here.progress.say(f"{dossier.decision}: {dossier.reason}")
        return {
            "decision": dossier.decision, "reason": dossier.reason, "dossier": case.run_id,
            "challenger": dossier.challenger, "champion": dossier.champion,
        }  # fmt: skip

    _step(name, debug, work)


@app.command()
def promote(name: UseCaseName, dossier: DossierId, debug: Debug = False) -> None:
    """Move the alias as the dossier says; once it is moved, this does nothing."""
    _carry_out(name, dossier, debug, Decision.PROMOTED, "champion")


@app.command()
def reject(name: UseCaseName, dossier: DossierId, debug: Debug = False) -> None:
    """Close the dossier of a challenger that is not promoted."""
    _carry_out(name, dossier, debug, Decision.REJECTED, "challenger")


@app.command()
def reload(name: UseCaseName, debug: Debug = False) -> None:
    """Tell the server at SERVICIO_ML_API_URL to look for the new champion."""

    def run(here: Session, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap

        server = bootstrap.api_server(here.settings)
        if server is None:
            return {"champion": None, "skipped": "SERVICIO_ML_API_URL is not set"}
        return {"champion": server.reload(use_case.name)}

    _step(name, debug, run)


@app.command()
def record(name: UseCaseName, run: RunId, debug: Debug = False) -> None:
    """Close the training's run with what was decided."""

    def work(here: Session, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.domain.succession import decision_about
        from servicio_ml.pipeline.train import close
        from servicio_ml.pipeline.training import CHALLENGER_VERSION
        from servicio_ml.pipeline.whole import ended_well

        world = _world(here)
        found = world.tracker.find(run)
        version = found.tags.get(CHALLENGER_VERSION, "")
        decision = decision_about(use_case.name, int(version), world.tracker) if version else ""
        if close(use_case, run, world, decision):
            stats = bootstrap.stats(here.settings)
            ended_well(stats, time.time, f"{Whole.TRAIN}.{name}", time.time() - found.started)
        return {"run_id": run, "decision": decision or None, "challenger": int(version) if version else None}

    _step(name, debug, work)


@app.command()
def fail(
    name: UseCaseName,
    of: Annotated[Whole, typer.Option(help="What the failed step is a part of.")],
    run: Annotated[str, typer.Option("--run", metavar="ID", help="Parent run of a training.")] = "",
    debug: Debug = False,
) -> None:
    """Tell that a whole run has failed: once, when a step will not be tried again."""

    def work(here: Session, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.whole import ended_badly

        ended_badly(bootstrap.stats(here.settings), f"{of}.{name}")
        if run:
            from servicio_ml.pipeline.train import give_up

            give_up(use_case, run, bootstrap.tracker(here.settings))
        return {"use_case": name, "failed": of, "run_id": run or None}

    _step(name, debug, work)


def _step(name: str, debug: bool, run: Callable[[Session, UseCase], Mapping[str, Any]]) -> None:
    """Open a step, and print its answer as the one line of standard output."""
    with session(as_json=False, debug=debug) as here:
        from servicio_ml.use_cases.catalogue import find

        answer = run(here, find(name, here.settings.use_cases_dir))
        sys.stdout.write(json.dumps(answer, allow_nan=False) + "\n")


def _train_step(name: str, run_id: str, debug: bool, work: Callable[["Training"], Document]) -> None:
    def run(here: Session, use_case: UseCase) -> Document:
        from servicio_ml.pipeline.training import opened

        with opened(use_case, run_id, _world(here), processors()) as training:
            return work(training)

    _step(name, debug, run)


def _carry_out(name: str, dossier: str, debug: bool, expected: Decision, told: str) -> None:
    def run(here: Session, use_case: UseCase) -> Document:
        from servicio_ml import bootstrap
        from servicio_ml.domain.succession import carry_out

        who = court(here, *bootstrap.runs_and_models(here.settings))
        return {told: carry_out(use_case.name, dossier, who, expected).challenger}

    _step(name, debug, run)


@contextmanager
def _job(here: Session, use_case: UseCase, period: str) -> Iterator["Job"]:
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.etl import Job

    with tempfile.TemporaryDirectory(prefix="servicio-ml-etl-") as folder:
        yield Job(
            use_case=use_case, period=period, store=bootstrap.lake(here.settings), progress=here.progress,
            folder=Path(folder),
        )  # fmt: skip


def _world(here: Session) -> "World":
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.record import World

    tracker, registry = bootstrap.runs_and_models(here.settings)
    return World(
        store=bootstrap.lake(here.settings), tracker=tracker, registry=registry, progress=here.progress,
        study_url=bootstrap.study_url(here.settings),
    )  # fmt: skip
