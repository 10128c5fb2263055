"""`servicio-ml rollout`: a challenger replaces the champion step by step, by evidence."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.options import (
    Debug,
    Json,
    RampLabels,
    RampMaxHours,
    RampMinHours,
    RampMinRows,
    RampShadow,
    RampSteps,
    RampUndecided,
    RampWatchHours,
    RolledOutVersion,
    RolloutActionName,
    RolloutReason,
    UseCaseName,
)
from servicio_ml.cli.promote import get_user
from servicio_ml.cli.rollout.actions import RolloutAction
from servicio_ml.cli.rollout.report import show_rollout
from servicio_ml.cli.session import CommandSession, open_session
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.transitions import abort_rollout, pause_rollout, resume_rollout
from servicio_ml.errors import RolloutError, ServicioError, SettingsError

if TYPE_CHECKING:
    from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
    from servicio_ml.domain.rollout.rollout import Rollout
    from servicio_ml.domain.use_case import UseCase

TRANSITIONS = {
    RolloutAction.PAUSE: pause_rollout,
    RolloutAction.RESUME: resume_rollout,
    RolloutAction.ABORT: abort_rollout,
}


def rollout(
    name: UseCaseName,
    action: RolloutActionName,
    version: RolledOutVersion = "",
    steps: RampSteps = "",
    shadow: RampShadow = None,
    min_rows: RampMinRows = None,
    min_hours: RampMinHours = None,
    max_hours: RampMaxHours = None,
    undecided: RampUndecided = None,
    labels: RampLabels = None,
    watch_hours: RampWatchHours = None,
    reason: RolloutReason = "",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Replace the champion step by step: start, pause, resume, abort, or show the status.

    The servers carry a rollout out: each step is left by evidence that the guardrails hold, a breach gives
    the clients back at once. Options of the ramp override the policy of the use case.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.lifecycle.rollout.actions import list_rollouts
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        given = {
            "steps": _parse_steps(steps), "shadow": shadow, "min_rows": min_rows, "min_hours": min_hours,
            "max_hours": max_hours, "undecided": undecided, "needs_labels": labels,
            "watch_hours": watch_hours,
        }  # fmt: skip
        changed = {field: value for field, value in given.items() if value is not None}
        _check_options(action, version, changed, reason)
        plans = bootstrap.open_traffic_plans(here.settings)
        if action is RolloutAction.START:
            found: Rollout | None = _start(here, use_case, plans, version or CHALLENGER, changed)
        elif action is RolloutAction.STATUS:
            found = next(iter(list_rollouts(plans, name, 1)), None)
        else:
            found = _change(here, plans, name, action, reason)
        show_rollout(here, name, found, time.time())


def _parse_steps(text: str) -> tuple[float, ...] | None:
    if not text:
        return None
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        raise SettingsError("--steps", f"{text!r} are no numbers; write shares as 0.05,0.5,1") from None


def _check_options(action: RolloutAction, version: str, changed: Mapping[str, Any], reason: str) -> None:
    if action is not RolloutAction.START and (version or changed):
        option = "version" if version else next(iter(changed)).removeprefix("needs_").replace("_", "-")
        raise SettingsError(f"--{option}", "only `start` takes it; leave it out")
    if action in {RolloutAction.START, RolloutAction.STATUS} and reason:
        raise SettingsError("--reason", "only `pause`, `resume` and `abort` take it; leave it out")


def _start(
    here: CommandSession,
    use_case: "UseCase",
    plans: "TrafficPlanStore",
    wanted: str,
    changed: Mapping[str, Any],
) -> "Rollout":
    from servicio_ml import bootstrap
    from servicio_ml.features.artifact import load_version
    from servicio_ml.lifecycle.rollout.actions import begin_rollout, record_rollout
    from servicio_ml.lifecycle.versions import find_version

    name, ramp = use_case.name, replace(use_case.promotion.rollout or Ramp(), **changed)
    tracker, registry = bootstrap.connect_mlflow(here.settings)
    champion = registry.resolve(name, CHAMPION)
    if champion is None:
        raise RolloutError(name, f"it has no champion to replace; run `servicio-ml promote {name}`")
    challenger = find_version(registry, name, wanted)
    # with golden rows: a version that computes differently here must not be rolled out
    load_version(registry, challenger)
    versions = champion.version, challenger.version
    started = begin_rollout(plans, name, versions, ramp, get_user(), time.time())
    record_rollout(plans, started, bootstrap.open_model_history(here.settings, tracker, registry))
    return started


def _change(
    here: CommandSession, plans: "TrafficPlanStore", name: str, action: RolloutAction, reason: str
) -> "Rollout":
    from servicio_ml import bootstrap
    from servicio_ml.lifecycle.rollout.actions import change_rollout, record_rollout

    make, by = TRANSITIONS[action], get_user()
    changed = change_rollout(plans, name, lambda newest: make(newest, by, time.time(), reason))
    try:
        history = bootstrap.open_model_history(here.settings, *bootstrap.connect_mlflow(here.settings))
        record_rollout(plans, changed, history)
    # the change is made: whoever wants to end a rollout must not be kept from it by MLflow
    except ServicioError as error:
        here.progress.report(f"not in the history yet, a server will record it: {error}")
    return changed
