"""`servicio-ml experiment`: versions compared on live traffic, with intervals that hold at all times."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.experiments.actions import BetterTruth, ExperimentAction
from servicio_ml.cli.experiments.report import show_experiment
from servicio_ml.cli.options import (
    ArmShares,
    AssignmentsFile,
    Debug,
    ExperimentActionName,
    ExperimentAdaptHours,
    ExperimentBandit,
    ExperimentDesignEffect,
    ExperimentErrorRate,
    ExperimentLabelHours,
    ExperimentMaxHours,
    ExperimentMaxRows,
    ExperimentMetricName,
    ExperimentMinShare,
    ExperimentReason,
    Json,
    MinimumEffect,
    TruthDirection,
    UseCaseName,
)
from servicio_ml.cli.promote import get_user
from servicio_ml.cli.session import CommandSession, open_session
from servicio_ml.errors import NoSuchModelError, SettingsError

if TYPE_CHECKING:
    from servicio_ml.domain.experiments.experiment import Experiment
    from servicio_ml.domain.ports.registry import Registry
    from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore

PERCENT = 100


def experiment(
    name: UseCaseName,
    action: ExperimentActionName,
    shares: ArmShares = "",
    metric: ExperimentMetricName = None,
    minimum_effect: MinimumEffect = "",
    better: TruthDirection = None,
    error_rate: ExperimentErrorRate = None,
    max_hours: ExperimentMaxHours = None,
    max_rows: ExperimentMaxRows = None,
    label_hours: ExperimentLabelHours = None,
    design_effect: ExperimentDesignEffect = None,
    bandit: ExperimentBandit = None,
    min_share: ExperimentMinShare = None,
    adapt_hours: ExperimentAdaptHours = None,
    reason: ExperimentReason = "",
    output: AssignmentsFile = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare versions on live traffic: start, stop, show the status, or export what was answered.

    Clients with a key are assigned to versions by share. What is declared at the start, with metric and
    minimum effect, never changes; the intervals hold however often one looks at them.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap

        given = {
            "shares": shares or None, "metric": metric, "minimum_effect": minimum_effect or None,
            "better": better, "error_rate": error_rate, "max_hours": max_hours, "max_rows": max_rows,
            "label_hours": label_hours, "design_effect": design_effect, "bandit": bandit,
            "min_share": min_share, "adapt_hours": adapt_hours,
        }  # fmt: skip
        declared = {field: value for field, value in given.items() if value is not None}
        _check_options(action, declared, reason, output)
        plans = bootstrap.open_traffic_plans(here.settings)
        if action is ExperimentAction.EXPORT:
            _export(here, name, plans, output)
            return
        show_experiment(here, name, _take_action(here, name, plans, action, declared, reason))


def _check_options(
    action: ExperimentAction, declared: Mapping[str, Any], reason: str, output: Path | None
) -> None:
    if action is ExperimentAction.START:
        for field in ("shares", "metric", "minimum_effect"):
            if field not in declared:
                raise SettingsError(_name_option(field), "it is not given; `start` needs it")
    elif declared:
        raise SettingsError(_name_option(next(iter(declared))), "only `start` takes it; leave it out")
    if reason and action is not ExperimentAction.STOP:
        raise SettingsError("--reason", "only `stop` takes it; leave it out")
    if output is not None and action is not ExperimentAction.EXPORT:
        raise SettingsError("--output", "only `export` takes it; leave it out")


def _name_option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _take_action(
    here: CommandSession,
    name: str,
    plans: "TrafficPlanStore",
    action: ExperimentAction,
    declared: Mapping[str, Any],
    reason: str,
) -> "Experiment | None":
    from servicio_ml.domain.experiments.transitions import stop_experiment
    from servicio_ml.lifecycle.experiments.actions import change_experiment, list_experiments

    if action is ExperimentAction.START:
        return _start(here, name, plans, declared)
    if action is ExperimentAction.STOP:
        return change_experiment(
            plans, name, lambda newest: stop_experiment(newest, get_user(), time.time(), reason)
        )
    return next(iter(list_experiments(plans, name, 1)), None)


def _start(
    here: CommandSession, name: str, plans: "TrafficPlanStore", declared: Mapping[str, Any]
) -> "Experiment":
    from servicio_ml import bootstrap
    from servicio_ml.domain.experiments.design import ExperimentDesign
    from servicio_ml.features.artifact import read_row_documents
    from servicio_ml.lifecycle.experiments.actions import begin_experiment
    from servicio_ml.lifecycle.versions import find_version

    _, registry = bootstrap.connect_mlflow(here.settings)
    champion = find_version(registry, name, "").version
    values = dict(declared)
    better = values.pop("better", None)
    effect, relative = _parse_effect(values.pop("minimum_effect"))
    design = ExperimentDesign(
        shares=_load_shares(registry, name, _parse_shares(values.pop("shares"))), minimum_effect=effect,
        relative=relative, greater_is_better=None if better is None else better is BetterTruth.MORE, **values,
    )  # fmt: skip
    classes, now = len(read_row_documents(registry, name, champion).output.labels), time.time()
    times = now, now + here.settings.lead_seconds
    return begin_experiment(plans, name, champion, design, classes, get_user(), times)


def _parse_shares(text: str) -> dict[str, float]:
    """Parse shares of versions by number or alias, as `challenger=0.3,7=0.2`."""
    found: dict[str, float] = {}
    for part in text.split(","):
        version, _, share = part.partition("=")
        try:
            found[version.strip()] = float(share)
        except ValueError:
            problem = f"{part!r} is no share of a version; write challenger=0.3,7=0.2"
            raise SettingsError("--shares", problem) from None
    return found


def _load_shares(registry: "Registry", name: str, shares: Mapping[str, float]) -> dict[int, float]:
    """Return the shares by version; each version loads here, and answers its golden rows."""
    from servicio_ml.features.artifact import load_version
    from servicio_ml.lifecycle.versions import find_version

    found: dict[int, float] = {}
    for wanted, share in shares.items():
        version = find_version(registry, name, wanted)
        if version.version in found:
            raise SettingsError("--shares", f"version {version.version} has two; name each one once")
        # a version that computes differently here must get no clients
        load_version(registry, version)
        found[version.version] = share
    return found


def _parse_effect(text: str) -> tuple[float, bool]:
    """Parse a minimum effect, and whether it is a share of the champion's mean: `0.01` or `5%`."""
    relative = text.endswith("%")
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        problem = f"{text!r} is no number; write 0.01, or 5% of the champion's mean"
        raise SettingsError("--minimum-effect", problem) from None
    return value / PERCENT if relative else value, relative


def _export(here: CommandSession, name: str, plans: "TrafficPlanStore", output: Path | None) -> None:
    from functools import partial

    from servicio_ml import bootstrap
    from servicio_ml.cli.prediction_log.predictions import CountedTables, select_format, write_predicted
    from servicio_ml.cli.prediction_log.versions import load_logged_version
    from servicio_ml.features.logged_rows.assignments import open_assignments
    from servicio_ml.lifecycle.experiments.actions import list_experiments

    table_format = select_format(output)
    newest = next(iter(list_experiments(plans, name, 1)), None)
    if newest is None:
        raise NoSuchModelError(name, "experiment", f"begin one: servicio-ml experiment {name} start")
    _, registry = bootstrap.connect_mlflow(here.settings)
    log = bootstrap.open_prediction_log(here.settings)
    opened = open_assignments(log, newest, time.time(), partial(load_logged_version, registry, name))
    counted = CountedTables(opened.tables)
    write_predicted(opened.columns, counted, table_format, output)
    if output is not None:
        here.print_line(f"{counted.rows:,} answers of the experiment in {output}")
