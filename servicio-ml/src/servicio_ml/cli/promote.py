"""`servicio-ml promote`, `rollback` and `history`: who is champion, and why."""

import getpass
import os
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from servicio_ml.cli.session import Debug, Json, Session, UseCaseName, session
from servicio_ml.domain.ports import Registry, Tracker
from servicio_ml.domain.promotion import Dossier
from servicio_ml.domain.succession import Case, Court, carry_out, decisions, reigns
from servicio_ml.domain.succession import rollback as put_back
from servicio_ml.domain.use_case import UseCase


def promote(
    name: UseCaseName,
    period: Annotated[str, typer.Option(help="Month of the rows to judge on, YYYY-MM; the latest.")] = "",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge the challenger against the champion on the same rows, and move the alias if every gate is passed.

    The floor, a paired interval of the gain, the worst slice, calibration and latency are judged by the
    use case's policy. The decision and its evidence are kept in MLflow either way.
    """
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.domain.published import read_manifest
        from servicio_ml.pipeline.promote import challenger_of, judge
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        store = bootstrap.lake(here.settings)
        manifest = read_manifest(store, name, period or None)
        who = court(here, *bootstrap.runs_and_models(here.settings))
        case = judge(use_case, manifest, store, who, challenger_of(use_case, who))
        here.document(carried_out(here, use_case, case, who).to_json())


def rollback(
    name: UseCaseName,
    to: Annotated[
        int | None, typer.Option(min=1, help="Version; the champion before this one if not given.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make an earlier version champion again, at once."""
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        dossier = put_back(use_case.name, to, court(here, *bootstrap.runs_and_models(here.settings)))
        here.line(f"champion: version {dossier.challenger} (was version {dossier.champion})")
        here.document(dossier.to_json())


def history(name: UseCaseName, as_json: Json = False, debug: Debug = False) -> None:
    """Show who was champion from when to when, and why; and what was rejected."""
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.use_cases.catalogue import find

        use_case, tracker = find(name, here.settings.use_cases_dir), bootstrap.tracker(here.settings)
        every = decisions(use_case.name, tracker)
        reigned = reigns(every)
        here.table(
            f"{use_case.title}: champions",
            ["version", "from", "to", "by", "why"],
            [[each.version, _day(each.since), _day(each.until), each.by, each.reason] for each in reigned],
        )
        here.table(
            f"{use_case.title}: decisions",
            ["at", "decision", "version", "against", "why"],
            [
                [_day(each.at), each.decision, each.challenger, each.champion or "–", each.reason]
                for each in every
            ],
        )
        here.document(
            {"champions": [asdict(each) for each in reigned], "decisions": [each.to_json() for each in every]}
        )


def court(here: Session, tracker: Tracker, registry: Registry) -> Court:
    """Who decides: the user of this process, now."""
    from servicio_ml import bootstrap

    return Court(
        tracker=tracker, registry=registry,
        stats=bootstrap.stats(here.settings), clock=time.time, by=_user(),
    )  # fmt: skip


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"user {os.getuid()}"


def carried_out(here: Session, use_case: UseCase, case: Case, who: Court) -> Dossier:
    """Carry a decision out, and say what it is."""
    dossier = carry_out(use_case.name, case.run_id, who)
    gates = dossier.evidence["gates"]
    against = f"version {dossier.champion}" if dossier.champion else "no champion"
    here.table(
        f"version {dossier.challenger} against {against}",
        ["gate", "passed", "measured"],
        [[gate["name"], "yes" if gate["passed"] else "NO", gate["detail"]] for gate in gates],
    )
    here.line(f"{dossier.decision}: version {dossier.challenger}")
    return dossier


def _day(seconds: float | None) -> str:
    return "now" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
