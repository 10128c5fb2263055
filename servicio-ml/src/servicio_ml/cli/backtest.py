"""`servicio-ml backtest`: which alerts a stream of the past would have raised."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.options import (
    Debug,
    Fault,
    FaultField,
    FaultMonth,
    FirstMonth,
    Json,
    LabelledSource,
    LastMonth,
    ModelVersionOrAlias,
    RowsPerMonth,
    RulesFolder,
    UseCaseName,
)
from servicio_ml.cli.session import CommandSession, count_processors, open_session
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import SettingsError
from servicio_ml.pipeline.backtest.fault_kinds import FaultKind

# for annotations only: `--help` must not load the pipeline's libraries
if TYPE_CHECKING:
    from servicio_ml.domain.ports.registry import ModelVersion
    from servicio_ml.features.artifact import Artifact
    from servicio_ml.pipeline.backtest.faults import StreamFault
    from servicio_ml.pipeline.backtest.rule_files import RuleSet
    from servicio_ml.pipeline.backtest.rules import FiringAlert
    from servicio_ml.pipeline.backtest.run import BacktestMonth
    from servicio_ml.pipeline.backtest.stream import LabelledStream

RULES = Path("monitoring/backtest/rules")
SHOWN_FEATURES = 4
"""Number of features shown for an alert: those that fired on the most days."""
PREDICTION = "prediction"
"""The feature that is none."""
# fixed, so that a replay with a fault and one without it draw the same rows
SEED = 0
"""Seed of the choice of rows."""


def backtest(
    name: UseCaseName,
    source: LabelledSource,
    first: FirstMonth,
    last: LastMonth,
    version: ModelVersionOrAlias = "",
    rows_per_month: RowsPerMonth = 0,
    fault: Fault = None,
    fault_from: FaultMonth = "",
    fault_field: FaultField = "",
    rules: RulesFolder = RULES,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Replay a stream day by day through the server's counters and the rules of the alerts.

    It shows which alerts would have fired in each month, beside the realised performance. It needs the
    programs prometheus and promtool.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        tested = _load_version(here, use_case, version, rules)
        # before the file is read: a wrong option is reported at once
        broken = None
        if fault is not None:
            broken = _build_fault(fault, fault_from or last, fault_field, tested, use_case)
            _refuse_outside(broken.month, first, last)
        stream = _read_months(here, source, use_case, tested, (first, last), rows_per_month)
        here.print_document(_replay_and_show(here, tested, stream, broken))


@dataclass(frozen=True, slots=True, kw_only=True)
class _TestedVersion:
    """Version and rules of a backtest, with the version's metrics on its holdout."""

    info: "ModelVersion"
    artifact: "Artifact"
    rules: "RuleSet"
    reference: Mapping[str, float]

    @property
    def title(self) -> str:
        return f"{self.info.model} version {self.info.version}"


def _load_version(here: CommandSession, use_case: UseCase, version: str, rules: Path) -> _TestedVersion:
    from servicio_ml import bootstrap
    from servicio_ml.features.artifact import load_version
    from servicio_ml.lifecycle.versions import find_version
    from servicio_ml.pipeline.backtest.rule_files import read_rules
    from servicio_ml.pipeline.backtest.run import read_reference_metrics

    rule_set = read_rules(rules)
    tracker, registry = bootstrap.connect_mlflow(here.settings)
    info = find_version(registry, use_case.name, version)
    return _TestedVersion(
        info=info,
        artifact=load_version(registry, info, threads=count_processors()),
        rules=rule_set,
        reference=read_reference_metrics(tracker, info, use_case),
    )


def _refuse_outside(month: str, first: str, last: str) -> None:
    if not first <= month <= last:
        raise SettingsError("--fault-from", f"{month} is not from {first} to {last}")


def _build_fault(
    kind: FaultKind, month: str, field: str, tested: _TestedVersion, use_case: UseCase
) -> "StreamFault":
    from servicio_ml.pipeline.backtest.faults import build_fault

    return build_fault(kind, month, field, tested.artifact.encoder.schema, use_case.target)


def _read_months(
    here: CommandSession,
    source: str,
    use_case: UseCase,
    tested: _TestedVersion,
    months: tuple[str, str],
    rows_per_month: int,
) -> "LabelledStream":
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.backtest.stream import read_stream, sample_months, select_months

    schema = tested.artifact.encoder.schema
    with (
        tempfile.TemporaryDirectory(prefix="servicio-ml-backtest-") as folder,
        bootstrap.open_source(here.settings, source) as path,
    ):
        stream = read_stream(path, source, use_case, schema, Path(folder), here.progress)
    stream = select_months(stream, *months)
    return sample_months(stream, rows_per_month, SEED) if rows_per_month else stream


def _replay_and_show(
    here: CommandSession, tested: _TestedVersion, stream: "LabelledStream", fault: "StreamFault | None"
) -> dict[str, Any]:
    from servicio_ml.pipeline.backtest.run import find_caught_alerts

    months = _run_replay(here, stream, tested)
    document = {"model": tested.info.model, "version": tested.info.version, "reference": tested.reference}
    if fault is None:
        _show(here, tested.title, tested.reference, months)
    else:
        # both replays start from an empty server, so their alerts can be compared
        without, months = months, _run_replay(here, fault.apply(stream), tested)
        found = find_caught_alerts(months, without, fault)
        _show(here, f"{tested.title}: {fault.what} from {fault.month}", tested.reference, months)
        here.print_line(f"caught in {fault.month} by: {_format_alerts(found) or 'nothing'}")
        document |= {"fault": fault.what, "caught": [each.to_json() for each in found]}
    return {**document, "months": [each.to_json() for each in months]}


def _run_replay(
    here: CommandSession, stream: "LabelledStream", tested: _TestedVersion
) -> "list[BacktestMonth]":
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.backtest.run import run_backtest as run
    from servicio_ml.serving.replay import ReplayServer

    with (
        tempfile.TemporaryDirectory(prefix="servicio-ml-backtest-") as folder,
        bootstrap.open_metrics_history() as history,
        # a log in memory: replayed rows must never reach the real prediction log
        closing(
            ReplayServer(tested.info, tested.artifact, bootstrap.create_scratch_log(), Path(folder))
        ) as server,
    ):
        return run(stream, server, history, tested.rules, here.progress)


def _show(
    here: CommandSession, title: str, known: Mapping[str, float], months: "Sequence[BacktestMonth]"
) -> None:
    from servicio_ml.pipeline.backtest.run import PAGE, TICKET

    names = list(months[0].metrics)
    head = ["month", "rows", "refused", "labelled", *(name.replace("_", " ") for name in names)]
    rows = [
        [
            each.month, each.rows, each.refused, each.labelled,
            *(_format_number(each.metrics[name]) for name in names), _format_number(each.drifted_share),
            _format_alerts(each.list_alerts(PAGE)), _format_alerts(each.list_alerts(TICKET)),
        ]
        for each in months
    ]  # fmt: skip
    reference = [
        "reference",
        "",
        "",
        "",
        *(_format_number(known[name]) if name in known else "" for name in names),
    ]
    here.print_table(title, [*head, "drifted", "pages", "tickets"], [[*reference, "", "", ""], *rows])


def _format_alerts(firings: "Iterable[FiringAlert]") -> str:
    """Alerts by name, with the features that they are about."""
    by_name = groupby(sorted(firings, key=lambda each: each.alert), key=lambda each: each.alert)
    return "; ".join(_format_alert(name, list(group)) for name, group in by_name)


def _format_alert(name: str, firings: "Sequence[FiringAlert]") -> str:
    days: Counter[str] = Counter()
    for each in firings:
        days.update({name: len(each.features.get(name, each.times)) for name in each.ranked_features})
    features = [feature for feature, _ in days.most_common() if feature not in {"", PREDICTION}]
    more = f", +{len(features) - SHOWN_FEATURES}" if len(features) > SHOWN_FEATURES else ""
    named = f"{name} ({', '.join(features[:SHOWN_FEATURES])}{more})" if features else name
    return named if any(each.starts for each in firings) else f"{named} still"


def _format_number(value: float) -> str:
    return "–" if value != value else f"{value:.4g}"  # noqa: PLR0124  NaN
