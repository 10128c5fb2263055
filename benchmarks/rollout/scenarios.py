"""Rollouts to simulate: equal, worse and better challengers in each traffic."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from benchmarks.rollout.contenders import (
    Array,
    Contenders,
    Version,
    add_auc_loss,
    add_growth,
    scale_halves,
)
from benchmarks.rollout.runs import Setting, Traffic

from servicio_ml.domain.rollout.ramp import Ramp, Undecided

AUC_LOSSES, GROWTHS = (0.02, 0.05), (0.10, 0.25)
FAILURES, LATENCY_GROWTH = 0.02, 0.5
LABEL_HOURS = 24.0
DAY_ROWS, DAYS = 49, 90
"""Rows of a day of rain, as many as there are stations, and days that each step has at that pace."""
SEED = 20
EQUAL, GOOD, BAD = "equal", "good", "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A setting with its names in the tables.

    Attributes:
        kind: `EQUAL`, `GOOD` or `BAD`.
        name: Challenger.
        stream: Order of the rows.
        setting: What is simulated.
    """

    kind: str
    name: str
    stream: str
    setting: Setting


def list_traffic(contenders: Contenders) -> Iterator[tuple[str, Traffic, Ramp]]:
    """List each traffic by its name, with the ramp for it."""
    ramp = Ramp()
    for rows_per_hour, batch in ((100.0, 200), (1000.0, 500)):
        base = Traffic(rows_per_hour=rows_per_hour, batch=batch, label_hours=LABEL_HOURS, in_order=False)
        yield f"independent, {rows_per_hour:,.0f} an hour", base, ramp
        if len(contenders.days):
            yield f"in order, {rows_per_hour:,.0f} an hour", replace(base, in_order=True), ramp
    if len(contenders.days):
        slow = Traffic(rows_per_hour=DAY_ROWS / 24, batch=DAY_ROWS, label_hours=LABEL_HOURS, in_order=True)
        hours = DAYS * 24.0
        patient = replace(ramp, shadow=1.0, min_rows=DAY_ROWS, max_hours=hours, watch_hours=hours)
        yield f"in order, {DAY_ROWS} a day", slow, patient


def list_scenarios(contenders: Contenders) -> Iterator[Scenario]:
    """List all scenarios of a use case."""
    effect, slower = contenders.use_case.drift.design_effect, measure_slower(contenders, 0.0)
    for stream, traffic, ramp in list_traffic(contenders):
        for kind, name, pairs in list_pairs(contenders, ramp):
            setting = Setting(
                pairs=pairs, ramp=ramp, traffic=traffic, design_effect=effect, failure_rate=0.0,
                slower_rate=slower,
            )  # fmt: skip
            yield Scenario(kind=kind, name=name, stream=stream, setting=setting)
            if kind != BAD:
                goes_on = replace(setting, ramp=replace(ramp, undecided=Undecided.ADVANCE))
                yield Scenario(kind=GOOD, name=f"{name}, advance", stream=stream, setting=goes_on)
            if kind == EQUAL:
                failing = replace(setting, failure_rate=FAILURES)
                yield Scenario(kind=BAD, name=f"{FAILURES:.0%} errors", stream=stream, setting=failing)
                slow = replace(setting, slower_rate=measure_slower(contenders, LATENCY_GROWTH))
                yield Scenario(kind=BAD, name=f"+{LATENCY_GROWTH:.0%} latency", stream=stream, setting=slow)


def list_pairs(
    contenders: Contenders, ramp: Ramp
) -> Iterator[tuple[str, str, list[tuple[Version, Version]]]]:
    """List the challengers: their kind, name, and pairs with the champion."""
    rng = np.random.default_rng(SEED)
    first, second = scale_halves(contenders).halves
    yield EQUAL, "equal", [(first, second), (second, first)]
    worst = add_growth(contenders, first, ramp.max_loss_growth, rng)
    yield BAD, f"loss +{ramp.max_loss_growth:.0%}, the limit", [(worst, first)]
    if contenders.has_classes:
        for loss in AUC_LOSSES:
            yield BAD, f"ROC-AUC −{loss:.2f}", [(add_auc_loss(first, contenders.truth, loss, rng), second)]
    else:
        for growth in GROWTHS:
            yield BAD, f"MAE +{growth:.0%}", [(add_growth(contenders, first, growth, rng), second)]
    gain = contenders.better.losses.mean() / contenders.small.losses.mean() - 1
    yield GOOD, f"better, loss {gain:+.1%}", [(contenders.better, contenders.small)]


def measure_slower(contenders: Contenders, growth: float) -> float:
    """Measure the share of trials that take longer than the limit, for times that grow by a share."""
    seconds: Array = contenders.seconds
    slower = (1 + growth) * seconds[:, None] > (1 + Ramp().max_latency_growth) * seconds
    return float(slower.mean())
