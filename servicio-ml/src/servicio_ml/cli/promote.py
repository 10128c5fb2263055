"""`servicio-ml promote`, `rollback` and `history`: who is champion, and why."""

import getpass
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from servicio_ml.cli.options import (
    Debug,
    Json,
    JudgedPeriod,
    PromoteAtOnce,
    PromotionReason,
    RollbackVersion,
    UseCaseName,
)
from servicio_ml.cli.session import CommandSession, open_session
from servicio_ml.domain.ports.registry import Registry
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.promotion import CHAMPION, ChampionTenure, DecisionRecord, PromotionDecision
from servicio_ml.domain.use_case import UseCase
from servicio_ml.lifecycle.admin_actions import rollback as put_back
from servicio_ml.lifecycle.admin_actions import set_champion
from servicio_ml.lifecycle.decision_history import build_tenures, list_decisions
from servicio_ml.lifecycle.decisions import DecisionContext, DecisionRun, apply_decision


def promote(
    name: UseCaseName,
    period: JudgedPeriod = "",
    by_hand: PromotionReason = "",
    now: PromoteAtOnce = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare the challenger with the champion on the same rows; promote it if it passes every gate.

    The gates of the use case's policy are a floor, a paired interval of the gain, the worst slice,
    calibration and latency. A challenger that cannot be compared, such as one that was imported without
    ground truth, is promoted by hand. MLflow keeps the decision and its evidence, also of a rejection. With
    a ramp in the policy, a challenger that passes replaces a champion by a rollout.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.lifecycle.published import read_manifest
        from servicio_ml.pipeline.promotion.judge import get_challenger, judge
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        if now:
            use_case = replace(use_case, promotion=replace(use_case.promotion, rollout=None))
        if by_hand:
            who = build_context(here, *bootstrap.connect_mlflow(here.settings))
            record = set_champion(name, get_challenger(use_case, who).version, by_hand, who)
            here.print_line(f"{record.decision}: version {record.challenger}, by hand")
            here.print_document(record.to_json())
            return
        store = bootstrap.open_lake(here.settings)
        manifest = read_manifest(store, name, period or None)
        # one time and one name for the decision and its record
        who = build_context(here, *bootstrap.connect_mlflow(here.settings))
        run = judge(use_case, manifest, store, who, get_challenger(use_case, who))
        here.print_document(apply_and_show(here, use_case, run, who).to_json())


def rollback(
    name: UseCaseName,
    to: RollbackVersion = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make an earlier version champion again."""
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        # no gates: a rollback must be possible at once and without any data
        record = put_back(use_case.name, to, build_context(here, *bootstrap.connect_mlflow(here.settings)))
        here.print_line(f"champion: version {record.challenger} (was version {record.champion})")
        here.print_document(record.to_json())


def history(name: UseCaseName, as_json: Json = False, debug: Debug = False) -> None:
    """Show the champions with their tenure, the rejected challengers, and the reason of each decision."""
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        tracker, registry = bootstrap.connect_mlflow(here.settings)
        every = list_decisions(use_case.name, tracker)
        tenures = build_tenures(every, registry.resolve(use_case.name, CHAMPION))
        _show_history(here, use_case, every, tenures)
        here.print_document(
            {"champions": [asdict(each) for each in tenures], "decisions": [each.to_json() for each in every]}
        )


def _show_history(
    here: CommandSession,
    use_case: UseCase,
    decisions: Sequence[DecisionRecord],
    tenures: Sequence[ChampionTenure],
) -> None:
    here.print_table(
        f"{use_case.title}: champions",
        ["version", "from", "to", "by", "why"],
        [
            [each.version, _format_day(each.since), _format_day(each.until), each.by, each.reason]
            for each in tenures
        ],
    )
    here.print_table(
        f"{use_case.title}: decisions",
        ["at", "decision", "version", "against", "why"],
        [
            [_format_day(each.at), each.decision, each.challenger, each.champion or "–", each.reason]
            for each in decisions
        ],
    )


def build_context(here: CommandSession, tracker: Tracker, registry: Registry) -> DecisionContext:
    """Who decides: the user of this process, now."""
    from servicio_ml import bootstrap
    from servicio_ml.lifecycle.rollout.actions import begin_decided_rollout

    def begin_rollout(record: DecisionRecord) -> None:
        # opened here: most decisions start no rollout
        begin_decided_rollout(bootstrap.open_traffic_plans(here.settings), record, time.time())

    return DecisionContext(
        tracker=tracker, registry=registry,
        stats=bootstrap.create_stats(here.settings), clock=time.time,
        hold_champion=bootstrap.open_decision_log(here.settings).hold_champion, by=get_user(),
        begin_rollout=begin_rollout,
    )  # fmt: skip


def get_user() -> str:
    """Return the name of the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"user {os.getuid()}"


def apply_and_show(
    here: CommandSession, use_case: UseCase, run: DecisionRun, who: DecisionContext
) -> DecisionRecord:
    """Carry a decision out, and say what it is."""
    record = apply_decision(use_case.name, run.run_id, who)
    gates = record.evidence["gates"]
    against = f"version {record.champion}" if record.champion else "no champion"
    here.print_table(
        f"version {record.challenger} against {against}",
        ["gate", "passed", "measured"],
        [[gate["name"], "yes" if gate["passed"] else "NO", gate["detail"]] for gate in gates],
    )
    here.print_line(f"{record.decision}: version {record.challenger}")
    if record.decision is PromotionDecision.ROLLOUT_STARTED:
        here.print_line(f"the servers take it from here; see `servicio-ml rollout {use_case.name} status`")
    return record


def _format_day(seconds: float | None) -> str:
    # UTC with a mark: decisions may come from several machines
    return "now" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
