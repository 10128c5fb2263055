"""A backtest: which alerts would have fired when, beside the realised performance of each month."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from servicio_ml.domain.ports.metrics_history import MetricsHistory
from servicio_ml.domain.ports.progress import Progress
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.backtest.faults import StreamFault
from servicio_ml.pipeline.backtest.replay import (
    DAY_SECONDS,
    DayPredictions,
    ReplayServer,
    Truths,
    get_midnight,
    replay_stream,
)
from servicio_ml.pipeline.backtest.rule_files import RuleSet
from servicio_ml.pipeline.backtest.rules import FiringAlert, evaluate_rules, get_previous_day
from servicio_ml.pipeline.backtest.stream import LabelledStream
from servicio_ml.pipeline.evaluate import compute_metric

PAGE, TICKET = "page", "ticket"
# the record that the alerts read, so that table and alerts cannot disagree
DRIFTED = 'max(model:drifted_features:ratio{window="30d"})'
ERROR = 'max(model:mae_expected:value{window="30d"})'
COVERED = 'max(model:interval_coverage:ratio{window="30d"})'
SHOWN = {
    Task.BINARY: ("roc_auc", "accuracy", "f1_macro"),
    Task.MULTICLASS: ("roc_auc", "accuracy", "f1_macro"),
    Task.REGRESSION: ("mae",),
}
"""Realised metrics that a month is summarised by, for each task."""
EXPECTED, EXPECTED_ERROR, COVERAGE = "expected_accuracy", "expected_mae", "interval_coverage"
MONTH_TEXT = "%Y-%m"


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestMonth:
    """What happened in a month.

    Attributes:
        month: `YYYY-MM`.
        rows: Number of rows of the month.
        refused: Number of rows that were refused.
        labelled: Number of rows with ground truth.
        metrics: Realised ones, `EXPECTED` of a classifier or `EXPECTED_ERROR` of a regression, and
            `COVERAGE`, the share of the truths that intervals or sets of 90 % held; the latter two over the
            30 days before the month's end. NaN where undefined.
        drifted_share: Share of drifted features over the 30 days before its end, 0–1; NaN when unknown.
        firings: Alerts that fired on one of its days, with those days only. One that has no start among them
            started before the month.
    """

    month: str
    rows: int
    refused: int
    labelled: int
    metrics: Mapping[str, float]
    drifted_share: float
    firings: Sequence[FiringAlert]

    def list_alerts(self, severity: str) -> list[FiringAlert]:
        """Those of a severity."""
        return [each for each in self.firings if each.labels.get("severity") == severity]

    def to_json(self) -> dict[str, Any]:
        return {
            "month": self.month,
            "rows": self.rows,
            "refused": self.refused,
            "labelled": self.labelled,
            **self.metrics,
            "drifted_share": self.drifted_share,
            "alerts": [each.to_json() for each in self.firings],
        }


def run_backtest(
    stream: LabelledStream, server: ReplayServer, history: MetricsHistory, rules: RuleSet, progress: Progress
) -> list[BacktestMonth]:
    """Replay a stream.

    Args:
        stream: Its rows.
        server: A new server whose counters are at zero.
        history: An empty one.
        rules: What is evaluated.
        progress: Who waits.

    Raises:
        SettingsError: The rules cannot be evaluated.
        ProgramError: The history fails.
    """
    first, last = stream.ends
    with progress.open_bar("replay", total=(last - first).days + 2) as advance:
        past = replay_stream(stream, server, advance)
    progress.report(
        f"{len(past.series)} series; evaluating {len(rules.records)} records, {len(rules.alerts)} alerts"
    )
    history.add(past.series)
    firings = evaluate_rules(rules, history, past.metric_names, past.span)
    recorded = {
        query: {
            at: value
            for each in history.query_range(query, past.span)
            for at, value in zip(each.times, each.values, strict=True)
        }
        for query in (DRIFTED, ERROR, COVERED)
    }
    return [
        _summarize_month(month, list(days), firings, recorded, stream.use_case.task)
        for month, days in groupby(past.days, key=lambda each: each.day.strftime(MONTH_TEXT))
    ]


def read_reference_metrics(tracker: Tracker, info: ModelVersion, use_case: UseCase) -> dict[str, float]:
    """Read the holdout metrics of a version from its run; empty where there is no such run.

    Raises:
        RegistryError: MLflow cannot be reached.
    """
    runs = (run for run in tracker.find_runs(use_case.name, {}) if run.id == info.run_id)
    logged = next((run.metrics for run in runs), {})
    return {name: logged[name] for name in SHOWN[use_case.task] if name in logged}


def find_caught_alerts(
    with_fault: Sequence[BacktestMonth], without: Sequence[BacktestMonth], fault: StreamFault
) -> list[FiringAlert]:
    """Alerts of the first month of a fault that the same month has not without it, the earliest first."""
    # an alert that fires anyway does not show that the fault was noticed; nor does a feature of a ticket
    before, after = (_list_firings(months, fault.month) for months in (without, with_fault))
    known, named = {each.key for each in before}, _list_ticket_features(before)
    found = [replace(each, features=_omit_features(each, named)) for each in after]
    # a ticket that is raised on the same day without the fault names the broken feature too
    fresh = (each for each in found if each.key not in known or (each.starts and each.features))
    return sorted(fresh, key=lambda each: each.times[0])


def _list_firings(months: Sequence[BacktestMonth], wanted: str) -> list[FiringAlert]:
    return [each for month in months if month.month == wanted for each in month.firings]


def _list_ticket_features(firings: Sequence[FiringAlert]) -> set[tuple[str, str]]:
    return {(each.alert, name) for each in firings for name in each.features}


def _omit_features(firing: FiringAlert, named: set[tuple[str, str]]) -> dict[str, Sequence[float]]:
    return {name: times for name, times in firing.features.items() if (firing.alert, name) not in named}


def _summarize_month(
    month: str,
    days: Sequence[DayPredictions],
    firings: Sequence[FiringAlert],
    recorded: Mapping[str, Mapping[float, float]],
    task: Task,
) -> BacktestMonth:
    answers, truths = _join_days(days)
    known = ~np.isnan(truths)
    refused = sum(each.refused for each in days)
    metrics = {name: float("nan") for name in SHOWN[task]}
    if answers is not None:
        labelled = answers.select(known)
        metrics = {name: compute_metric(name, truths[known], labelled) for name in SHOWN[task]}
    if answers is not None and answers.probabilities is not None:
        # the mean probability of the given answers is the accuracy a calibrated model expects
        chosen = answers.probabilities[np.arange(len(truths)), answers.outcomes.astype(int)]
        metrics[EXPECTED] = float(chosen.mean())
    end = get_midnight(days[-1].day) + DAY_SECONDS
    if task is Task.REGRESSION:
        metrics[EXPECTED_ERROR] = recorded[ERROR].get(end, float("nan"))
    metrics[COVERAGE] = recorded[COVERED].get(end, float("nan"))
    return BacktestMonth(
        month=month,
        rows=len(truths) + refused,
        refused=refused,
        labelled=int(known.sum()),
        metrics=metrics,
        drifted_share=recorded[DRIFTED].get(end, float("nan")),
        firings=list(_filter_by_month(month, firings)),
    )


def _join_days(days: Sequence[DayPredictions]) -> tuple[Predictions | None, Truths]:
    """The answers of some days with their truths."""
    truths = np.concatenate([each.truths for each in days])
    some = [each.predictions for each in days if each.predictions is not None]
    if not some:
        return None, truths
    probabilities = [each.probabilities for each in some if each.probabilities is not None]
    return Predictions(
        outcomes=np.concatenate([each.outcomes for each in some]),
        probabilities=np.concatenate(probabilities) if probabilities else None,
    ), truths


def _filter_by_month(month: str, firings: Sequence[FiringAlert]) -> Iterator[FiringAlert]:
    for each in firings:
        mine = each.select_times(lambda at: get_previous_day(at).strftime(MONTH_TEXT) == month)
        if mine.times:
            yield mine
