"""A backtest: which alerts would have fired when, beside the realised performance of each month."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from servicio_ml.domain.history import History
from servicio_ml.domain.ports import ModelVersion, Progress, Tracker
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.backtest_faults import Fault
from servicio_ml.pipeline.backtest_replay import (
    DAY_SECONDS,
    Answers,
    Server,
    Truths,
    midnight,
    pass_through,
)
from servicio_ml.pipeline.backtest_rules import Firing, Rules, day_before, replay
from servicio_ml.pipeline.backtest_stream import Stream
from servicio_ml.pipeline.evaluate import score

PAGE, TICKET = "page", "ticket"
DRIFTED = 'max(model:drifted_features:ratio{window="30d"})'
SHOWN = {
    Task.BINARY: ("roc_auc", "accuracy", "f1_macro"),
    Task.MULTICLASS: ("roc_auc", "accuracy", "f1_macro"),
    Task.REGRESSION: ("mae",),
}
"""Realised metrics of each task that a month is told by."""
EXPECTED = "expected_accuracy"
MONTH_TEXT = "%Y-%m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What happened in a month.

    Attributes:
        month: `YYYY-MM`.
        rows: That came.
        refused: Of them, that were refused.
        labelled: Of them, whose truth came.
        metrics: Realised ones, and `EXPECTED` of a classifier; NaN where undefined.
        drifted_share: Of the features over the 30 days before its end; NaN when it was not known.
        firings: Alerts that fired on one of its days, with those days only. One that has no start among them
            had begun before.
    """

    month: str
    rows: int
    refused: int
    labelled: int
    metrics: Mapping[str, float]
    drifted_share: float
    firings: Sequence[Firing]

    def alerts(self, severity: str) -> list[Firing]:
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


def backtest(
    stream: Stream, server: Server, history: History, rules: Rules, progress: Progress
) -> list[Month]:
    """Replay a stream.

    Args:
        stream: Its rows.
        server: That answers; it has counted nothing yet.
        history: An empty one.
        rules: What is evaluated.
        progress: Who waits.

    Raises:
        SettingsError: The rules cannot be evaluated.
        ProgramError: The history fails.
    """
    first, last = stream.ends
    with progress.bar("replay", total=(last - first).days + 2) as advance:
        past = pass_through(stream, server, advance)
    progress.say(
        f"{len(past.series)} series; evaluating {len(rules.records)} records, {len(rules.alerts)} alerts"
    )
    history.add(past.series)
    firings = replay(rules, history, past.told, past.span)
    drifted = {
        at: value
        for each in history.over(DRIFTED, past.span)
        for at, value in zip(each.times, each.values, strict=True)
    }
    return [
        _month(month, list(days), firings, drifted, stream.use_case.task)
        for month, days in groupby(past.days, key=lambda each: each.day.strftime(MONTH_TEXT))
    ]


def reference(tracker: Tracker, info: ModelVersion, use_case: UseCase) -> dict[str, float]:
    """What a version reached on its holdout, as its run tells; nothing where there is no such run.

    Raises:
        RegistryError: MLflow cannot be reached.
    """
    runs = (run for run in tracker.runs(use_case.name, {}) if run.id == info.run_id)
    logged = next((run.metrics for run in runs), {})
    return {name: logged[name] for name in SHOWN[use_case.task] if name in logged}


def caught(with_fault: Sequence[Month], without: Sequence[Month], fault: Fault) -> list[Firing]:
    """Alerts of the first month of a fault that the same month has not without it, the earliest first."""
    known = {each.key for month in without if month.month == fault.month for each in month.firings}
    fresh = [
        each for month in with_fault if month.month == fault.month for each in month.firings
        if each.key not in known
    ]  # fmt: skip
    return sorted(fresh, key=lambda each: each.times[0])


def _month(
    month: str, days: Sequence[Answers], firings: Sequence[Firing], drifted: Mapping[float, float], task: Task
) -> Month:
    answers, truths = _joined(days)
    known = ~np.isnan(truths)
    refused = sum(each.refused for each in days)
    metrics = {name: float("nan") for name in SHOWN[task]}
    if answers is not None:
        part = answers.part(known)
        metrics = {name: score(name, truths[known], part) for name in SHOWN[task]}
    if answers is not None and answers.probabilities is not None:
        chosen = answers.probabilities[np.arange(len(truths)), answers.outcomes.astype(int)]
        metrics[EXPECTED] = float(chosen.mean())
    return Month(
        month=month,
        rows=len(truths) + refused,
        refused=refused,
        labelled=int(known.sum()),
        metrics=metrics,
        drifted_share=drifted.get(midnight(days[-1].day) + DAY_SECONDS, float("nan")),
        firings=list(_within(month, firings)),
    )


def _joined(days: Sequence[Answers]) -> tuple[Predictions | None, Truths]:
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


def _within(month: str, firings: Sequence[Firing]) -> Iterator[Firing]:
    for each in firings:
        times, starts = (
            [at for at in moments if day_before(at).strftime(MONTH_TEXT) == month]
            for moments in (each.times, each.starts)
        )
        if times:
            yield replace(each, times=times, starts=starts)
