"""From when on something is told, each threshold with its unit.

What depends on the model comes from the server's metrics: the drift threshold and the performance limits of
its use case's policy (`servicio_ml_drift_*`, `servicio_ml_performance_limit`).
"""

from servicio_ml.domain.policy import JUDGED_DEVIATIONS, JUDGED_ROWS

STEP = "5m"
"""Between two evaluations of the rules about models; also the time that one base sample counts."""
SERVICE_STEP_SHARE = 0.2
"""Of the step: a broken service is noticed sooner than a model that fades."""
WINDOWS = ("1h", "1d", "7d", "30d")
LEAST_ALERT_WINDOW = "1d"
"""Shorter windows are looked at, but hold too much of the time of day for an alert."""

# Service

UNCOUNTED_ROUTES = "/metrics|/health.*|/v2/health/.*"
"""Routes of probes: they are no traffic."""
SLO_AVAILABILITY = 0.999
"""Share of the requests that are answered without a 5xx. A 4xx is the client's."""
SLO_LATENCY = 0.99
"""Share of the single predictions that take at most `LATENCY_SECONDS`."""
LATENCY_SECONDS = 0.1
"""One of the buckets of http_request_duration_seconds."""
LATENCY_ROUTES = "/predict|/models/{model}/predict"
"""Requests for one row: how long a batch takes is up to its size."""
BURN_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
PAGES = ((14.4, "1h", "5m"), (6.0, "6h", "30m"))
"""Burn rate, long window, short window: 2 % of a 30-day budget in an hour, 5 % in six."""
TICKETS = ((3.0, "1d", "2h"), (1.0, "3d", "6h"))
"""The same: 10 % of the budget in a day, 10 % in three."""
LEAST_BAD_REQUESTS = 10
"""In the long window: a single failure in little traffic is no burn."""
GONE_WINDOW = "1h"
"""How long a server that has left the service discovery is missed."""
LOST_WINDOW = "15m"
"""After a prediction was lost, or a version failed to load, it is told for so long."""
BACKLOG_ROWS = 10_000
"""Rows that wait for the prediction log."""
STREAM_LAG_REQUESTS = 1_000
"""Requests of a stream without an answer."""

# Models

CONFIDENCE_DEVIATIONS = JUDGED_DEVIATIONS
"""A one-sided bound at 99.9 %, widened by the design effect of the use case's policy."""
LEAST_ROWS = JUDGED_ROWS
"""Rows, or labelled rows, of a window that is judged; also of the rarest class where F1 is."""
DRIFTED_SHARE = 0.3
"""Of the features."""
MISSING_EXCESS = 0.05
"""Share of the rows by which a feature may be missing more often than in the reference."""
MISSING_DEVIATIONS = 4.0
"""Standard deviations beyond which that is no chance, also among dozens of features."""
REJECTED_WINDOW = "1d"
REJECTED_VALUES = 10
"""Values of a feature refused in that window, at least."""
REJECTED_SHARE = 0.01
"""Of the rows that came in that window."""
COVERAGE_WINDOW = "7d"
COVERAGE_USUAL = 0.1
"""Share of the rows with a label in the window before: below it labels never used to come."""
COVERAGE_LOSS = 0.5
"""Of the coverage of the window before."""
STALE_DAYS = 180
"""Since the champion was registered."""
REJECTIONS_IN_A_ROW = 3
"""Challengers, with no promotion in between."""

# Pipelines

LATEST_SECONDS = {"etl": 35 * 86400, "train": 35 * 86400, "report": 2 * 86400}
"""By step: age of its last success; the first two run monthly, the report daily."""
FORGOTTEN_DAYS = 90
"""A step that has not succeeded for so long is no longer expected: its use case was given up."""
MEMORY_STEPS = 2016
"""Steps for which a series is remembered whose exporter has gone; a week of 5 minutes each."""
