"""One model: its traffic, its answers, its performance, its labels, its versions."""

from grafana.board import CHOOSE_MODEL, Event, Section, Variable, board
from grafana.charts import Pairs
from grafana.colours import BAD, GOOD, WARN
from grafana.expressions import (
    MODEL,
    PREDICTION,
    PROTOCOL_COLOURS,
    STALE_SECONDS,
    VERSION,
    WINDOW,
    champions,
    none_is_zero,
    of,
    of_champion,
    room,
)
from grafana.panels import YES_NO, Line, Lines, Number, Query, below
from grafana.tables import Column, Rows
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

LOADED = of("servicio_ml_champion_loaded_timestamp_seconds", MODEL)
MILLISECONDS = 1000
"""Of a second: Grafana's times."""
EVENTS = (
    Event(
        name="Champion loaded",
        expr=f"min by (model, version) ({LOADED}) * {MILLISECONDS}",
        title="Champion: version {{version}}",
        by_value=True,
    ),
    Event(
        name="Page",
        expr=of("ALERTS", 'alertstate="firing"', 'severity="page"', MODEL),
        title="{{alertname}}",
        colour=BAD,
    ),
)
"""Each champion's loading is told by a value, so that the marks are right at any zoom."""
AGE = f"time() - max({of('servicio_ml_champion_registered_timestamp_seconds', MODEL)})"
NOW = (
    Number(
        "Ready",
        "none",
        "Whether the champion answers its golden rows on every server.",
        [Query(f"min({of('servicio_ml_model_ready', MODEL)})")],
        width=3,
        steps=below(1),
        words=YES_NO,
        alerts=["ModelNotReady"],
    ),
    Number(
        "Champion's version",
        "none",
        "Greatest version that answers as the champion.",
        [Query(f"max by (version) ({of('servicio_ml_model_info', MODEL)})", "{{version}}")],
        width=3,
        only_name=True,
    ),
    Number(
        "Champion's age",
        "s",
        "Time since the champion was registered.",
        [Query(AGE)],
        width=3,
        steps=((None, GOOD), (STALE_SECONDS, WARN)),
        alerts=["ChampionStale"],
    ),
    Number(
        "Rows in the window",
        "short",
        "Rows that the champion scored.",
        [Query(of_champion("model:observations:rows", MODEL, WINDOW))],
        width=3,
    ),
    Number(
        "Room, realised",
        "percentunit",
        "How far the champion is from its limit by the labels of the window: accuracy or F1 in points, a mean"
        " absolute error as a share of the limit. Below 0 it pages. No data: no labels yet.",
        [Query(room("realised", MODEL, WINDOW))],
        steps=below(0),
        alerts=["PerformanceLow"],
    ),
    Number(
        "Labelled",
        "percentunit",
        "Share of the window's rows whose truth came.",
        [Query(of_champion("model:label_coverage:ratio", MODEL, WINDOW))],
        alerts=["LabelCoverageLow"],
    ),
    Number(
        "Features drifted",
        "percentunit",
        "Share of the features whose index is above its threshold.",
        [Query(of_champion("model:drifted_features:ratio", MODEL, WINDOW))],
        steps=((None, GOOD), (thresholds.DRIFTED_SHARE, WARN)),
        alerts=["DataDrift", "FeatureDrift"],
    ),
)
OUTCOMES = of("servicio_ml_predictions_total", MODEL, VERSION, 'protocol!="shadow"')
TRAFFIC = (
    Lines(
        "Rows by protocol",
        "rowsps",
        "Rows per second by road, stacked; shadow: scored by the challenger as well.",
        [Query(f"sum by (protocol) ({of('model:predictions:rate5m', MODEL)})", "{{protocol}}")],
        width=8,
        stacked=True,
        named=PROTOCOL_COLOURS,
    ),
    Lines(
        "Rows by answer",
        "rowsps",
        "Rows per second by the class that was answered; of a regression all are one.",
        [Query(f"sum by (outcome) (rate({OUTCOMES}[$__rate_interval]))", "{{outcome}}")],
        width=8,
        stacked=True,
    ),
    Lines(
        "Duration of a prediction",
        "s",
        "From a decoded request to its logged answer.",
        [
            Query(f"max({of('model:prediction_duration_seconds:p50_rate5m', MODEL)})", "median"),
            Query(f"max({of('model:prediction_duration_seconds:p99_rate5m', MODEL)})", "99th percentile"),
        ],
        width=8,
    ),
)
SHARES = champions(of("bin:current:ratio", MODEL, WINDOW, PREDICTION))
REFERENCE = champions(of("bin:reference:ratio", MODEL, WINDOW, PREDICTION))
INDEX = champions(of("feature:psi:index", MODEL, WINDOW, PREDICTION))
THRESHOLD = champions(of("feature:psi_threshold:index", MODEL, WINDOW, PREDICTION))
ANSWERS = (
    Pairs(
        "Predictions beside the reference",
        "percentunit",
        "Share of the window's answers in each bin; grey: what the training rows of the same season expect.",
        [
            Query(f"sum by (bin) ({SHARES})", "now"),
            Query(f"sum by (bin) ({REFERENCE})", "expected", Line.REFERENCE),
        ],
        label="bin",
        width=8,
    ),
    Lines(
        "Distribution of the predictions",
        "percentunit",
        "Share of the window's answers in each bin, stacked.",
        [Query(f"sum by (bin) ({SHARES})", "{{bin}}")],
        width=8,
        stacked=True,
        top=1,
    ),
    Lines(
        "Drift of the predictions",
        "short",
        "Population stability index of the answers; above the dashed threshold they have moved.",
        [Query(f"max({INDEX})", "index"), Query(f"max({THRESHOLD})", "threshold", Line.LIMIT)],
        width=8,
        alerts=["PredictionDrift"],
    ),
)


def _metric(name: str, title: str) -> Lines:
    limit = of("model:performance_limit:value", MODEL, WINDOW, f'metric="{name}"')
    return Lines(
        title,
        "percentunit",
        "Of the champion. Realised: by the labels that came. Expected: from its calibrated probabilities, at"
        " once. Below the dashed limit it pages. No data for a regression.",
        [
            Query(f"max({champions(of(f'model:{name}_realised:ratio', MODEL, WINDOW))})", "realised"),
            Query(f"max({champions(of(f'model:{name}_expected:ratio', MODEL, WINDOW))})", "expected"),
            Query(f"max({champions(limit)})", "limit", Line.LIMIT),
        ],
        width=6,
        top=1,
        alerts=["PerformanceLow", "ExpectedPerformanceLow"],
    )


ERROR_LIMIT = of("model:performance_limit:value", MODEL, WINDOW, 'metric="mae"')
PERFORMANCE = (
    Lines(
        "Room to the limit",
        "percentunit",
        "How far the champion is from its limit, whatever its metric; below 0 the limit is broken. Realised:"
        " by the labels that came. Expected: from its calibrated probabilities, at once; not for a"
        " regression.",
        [
            Query(room("realised", MODEL, WINDOW), "realised"),
            Query(room("expected", MODEL, WINDOW), "expected"),
        ],
        bottom=None,
        steps=below(0),
        alerts=["PerformanceLow", "ExpectedPerformanceLow"],
    ),
    Lines(
        "Labels",
        "percentunit",
        "Share of the window's rows whose truth came.",
        [Query(of_champion("model:label_coverage:ratio", MODEL, WINDOW), "labelled")],
        width=6,
        top=1,
        alerts=["LabelCoverageLow"],
    ),
    Lines(
        "Until the truth comes",
        "s",
        "Median time from a prediction to its label.",
        [Query(f"max({of('model:label_lag_seconds:p50', MODEL, WINDOW)})", "median")],
        width=6,
    ),
    _metric("accuracy", "Accuracy"),
    _metric("f1_macro", "F1, mean of the classes"),
    Lines(
        "F1 by class",
        "percentunit",
        "Of the champion, by the labels that came; dotted grey: expected. No data for a regression.",
        [
            Query(f"max by (label) ({champions(of('class:f1_realised:ratio', MODEL, WINDOW))})", "{{label}}"),
            Query(
                f"max by (label) ({champions(of('class:f1_expected:ratio', MODEL, WINDOW))})",
                "{{label}} expected",
                Line.REFERENCE,
            ),
        ],
        width=6,
        top=1,
    ),
    Lines(
        "Mean absolute error",
        "short",
        "Of a regression's champion by the labels that came, in the unit of the target. Above the dashed"
        " limit it pages.",
        [
            Query(f"max({champions(of('model:mae_realised:value', MODEL, WINDOW))})", "realised"),
            Query(f"max({champions(ERROR_LIMIT)})", "limit", Line.LIMIT),
        ],
        width=6,
        alerts=["PerformanceLow"],
    ),
)
LABELLED = f"sum by (version) ({of('model:labels:rows', MODEL, WINDOW)})"
SHADOWED = of("model:predictions:rate5m", MODEL, 'protocol="shadow"')
MISSED = none_is_zero(f"increase({of('servicio_ml_shadow_dropped_total', MODEL)}[1h])")
HOUR_SECONDS = 3600


def _of_version(record: str) -> str:
    return f"max by (version) ({of(record, MODEL, WINDOW)})"


VERSIONS = (
    Rows(
        "Versions beside each other",
        "short",
        "Every version that scored rows in the window; the challenger scores shadow rows.",
        width=14,
        labels={"version": "Version"},
        columns=[
            Column(
                "Champion",
                f"max by (version) ({of('servicio_ml_model_info', MODEL)})",
                words={1: ("champion", GOOD)},
            ),
            Column("Rows", _of_version("model:observations:rows")),
            Column("Labels", LABELLED),
            Column("Accuracy", _of_version("model:accuracy_realised:ratio"), "percentunit"),
            Column("Expected accuracy", _of_version("model:accuracy_expected:ratio"), "percentunit"),
            Column("F1", _of_version("model:f1_macro_realised:ratio"), "percentunit"),
            Column("Absolute error", _of_version("model:mae_realised:value")),
            Column("Features drifted", _of_version("model:drifted_features:ratio"), "percentunit"),
        ],
    ),
    Lines(
        "Shadow",
        "rowsps",
        "Rows per second that the challenger scored as well, and those it missed.",
        [
            Query(f"sum by (version) ({SHADOWED})", "version {{version}}"),
            Query(f"({MISSED}) / {HOUR_SECONDS}", "missed", Line.LIMIT),
        ],
        width=10,
    ),
)


def model() -> dashboard.Dashboard:
    version = Variable(
        name="version",
        label="Version",
        values='label_values(servicio_ml_reference_rows{model="$model"}, version)',
        multi=True,
    )
    return board(
        "model",
        "Traffic, answers, performance, labels and versions of one model.",
        [
            Section("Now", NOW),
            Section("Performance", PERFORMANCE),
            Section("Traffic", TRAFFIC),
            Section("Answers", ANSWERS),
            Section("Versions", VERSIONS),
        ],
        variables=[CHOOSE_MODEL, version],
        window=True,
        events=EVENTS,
    )
