"""Requests that come by Redis streams, and the workers that answer them."""

from grafana.board import Section, board
from grafana.colours import BAD, GOOD
from grafana.expressions import MODEL_COLOURS
from grafana.panels import Lines, Number, Query, below, beyond
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

ANSWERED = 'sum by (model) (model:predictions:rate5m{protocol="stream"})'
SECONDS = 'servicio_ml_prediction_duration_seconds_bucket{protocol="stream"}'
REFUSED = 'servicio_ml_rejected_values_total{job="stream-worker"}'
NOW = (
    Number(
        "Workers up",
        "short",
        "Stream workers that Prometheus reaches.",
        [Query('sum(up{job="stream-worker"})')],
        width=6,
        steps=below(1),
        alerts=["StreamLagging"],
    ),
    Number(
        "Requests without an answer",
        "short",
        "Of all models.",
        [Query("sum(model:stream_lag:max)")],
        width=6,
        steps=beyond(thresholds.STREAM_LAG_REQUESTS),
        alerts=["StreamLagging"],
    ),
    Number("Answered", "rowsps", "Rows per second, all models.", [Query(f"sum({ANSWERED})")], width=6),
    Number(
        "Time to catch up",
        "s",
        "At the rate of the last 5 minutes; endless while nothing is answered.",
        [Query(f"sum(model:stream_lag:max) / (sum({ANSWERED}) > 0)")],
        width=6,
    ),
)
HISTORY = (
    Lines(
        "Requests without an answer, by model",
        "short",
        "A slope: fewer workers than the traffic needs. A step that stays: a worker died with them;"
        " another takes them over after 30 seconds.",
        [Query("max by (model) (model:stream_lag:max)", "{{model}}")],
        named=MODEL_COLOURS,
        steps=((None, GOOD), (thresholds.STREAM_LAG_REQUESTS, BAD)),
        alerts=["StreamLagging"],
    ),
    Lines(
        "Answered, by model",
        "rowsps",
        "Rows per second by model.",
        [Query(ANSWERED, "{{model}}")],
        named=MODEL_COLOURS,
    ),
    Lines(
        "Duration of a batch",
        "s",
        "From a decoded batch of requests to its logged answers.",
        [
            Query(f"histogram_quantile(0.5, sum by (le) (rate({SECONDS}[$__rate_interval])))", "median"),
            Query(
                f"histogram_quantile(0.99, sum by (le) (rate({SECONDS}[$__rate_interval])))",
                "99th percentile",
            ),
        ],
        alerts=["StreamLagging"],
    ),
    Lines(
        "Values refused by the workers",
        "cps",
        "Values per second that broke a model's contract; their requests are in the stream of dead letters.",
        [
            Query(
                f"sum by (reason) (rate({REFUSED}[$__rate_interval]))"
                ' or label_replace(vector(0), "reason", "none", "", "")',
                "{{reason}}",
            )
        ],
        alerts=["RejectedValues", "UnseenLevels"],
    ),
)


def stream() -> dashboard.Dashboard:
    return board(
        "stream",
        "Requests that come by Redis streams, and the workers that answer them.",
        [Section("Now", NOW), Section("How it came about", HISTORY)],
        since="now-6h",
    )
