"""Dashboard of the Redis streams and the stream workers."""

from grafana.board import BoardSection, build_board
from grafana.colours import BAD, GOOD
from grafana.expressions import MODEL_COLOURS
from grafana.panels import LinesPanel, NumberPanel, PanelQuery, mark_below, mark_from
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

ANSWER_RATE = 'sum by (model) (model:predictions:rate5m{protocol="stream"})'
SECONDS = 'servicio_ml_prediction_duration_seconds_bucket{protocol="stream"}'
REFUSED = 'servicio_ml_rejected_values_total{job="stream-worker"}'
NOW = (
    NumberPanel(
        "Workers up",
        "short",
        "Stream workers that Prometheus reaches.",
        [PanelQuery('sum(up{job="stream-worker"})')],
        width=6,
        steps=mark_below(1),
        alerts=["StreamLagging"],
    ),
    NumberPanel(
        "Unanswered requests",
        "short",
        "Unanswered requests of all models.",
        [PanelQuery("sum(model:stream_lag:max)")],
        width=6,
        steps=mark_from(thresholds.STREAM_LAG_REQUESTS),
        alerts=["StreamLagging"],
    ),
    NumberPanel(
        "Answered", "rowsps", "Rows per second of all models.", [PanelQuery(f"sum({ANSWER_RATE})")], width=6
    ),
    NumberPanel(
        "Time to catch up",
        "s",
        "Time to answer all requests at the rate of the last 5 minutes; no data while none is answered.",
        [PanelQuery(f"sum(model:stream_lag:max) / (sum({ANSWER_RATE}) > 0)")],
        width=6,
    ),
)
HISTORY = (
    LinesPanel(
        "Unanswered requests, by model",
        "short",
        "Unanswered requests by model. A slope: too few workers for the traffic. A step: a worker ended"
        " without answering its requests; another one takes them over after 30 seconds.",
        [PanelQuery("max by (model) (model:stream_lag:max)", "{{model}}")],
        series_colours=MODEL_COLOURS,
        steps=((None, GOOD), (thresholds.STREAM_LAG_REQUESTS, BAD)),
        alerts=["StreamLagging"],
    ),
    LinesPanel(
        "Answered, by model",
        "rowsps",
        "Rows per second by model.",
        [PanelQuery(ANSWER_RATE, "{{model}}")],
        series_colours=MODEL_COLOURS,
    ),
    LinesPanel(
        "Duration of a batch",
        "s",
        "Time from a decoded batch of requests to its logged predictions.",
        [
            PanelQuery(f"histogram_quantile(0.5, sum by (le) (rate({SECONDS}[$__rate_interval])))", "median"),
            PanelQuery(
                f"histogram_quantile(0.99, sum by (le) (rate({SECONDS}[$__rate_interval])))",
                "99th percentile",
            ),
        ],
        alerts=["StreamLagging"],
    ),
    LinesPanel(
        "Values rejected by the workers",
        "cps",
        "Values per second that violated a model's schema; their requests are in the dead-letter stream.",
        [
            PanelQuery(
                f"sum by (reason) (rate({REFUSED}[$__rate_interval]))"
                ' or label_replace(vector(0), "reason", "none", "", "")',
                "{{reason}}",
            )
        ],
        alerts=["RejectedValues", "UnseenLevels"],
    ),
)


def build_stream_board() -> dashboard.Dashboard:
    return build_board(
        "stream",
        "Requests by Redis streams, and the workers that answer them.",
        [BoardSection("Now", NOW), BoardSection("History", HISTORY)],
        since="now-6h",
    )
