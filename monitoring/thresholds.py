"""Thresholds of the alerts, each with its unit.

Thresholds that depend on the model come from the server's metrics: the drift threshold and the performance
limits of its use case's policy (`servicio_ml_drift_*`, `servicio_ml_performance_limit`).
"""

from servicio_ml.domain.policy import MAX_MISSING_EXCESS, MIN_DEVIATIONS, MIN_EVALUATED_ROWS
from servicio_ml.features.performance.looks import WINDOW_DAYS

STEP = "5m"
"""Time between two evaluations of the rules about models, which a sample of a base record counts."""
SERVICE_STEP_SHARE = 0.2
"""Evaluation step of the rules about the service as a share of `STEP`: a broken service is more urgent."""
WINDOWS = ("1h", "1d", "7d", "30d")
MIN_ALERT_WINDOW = "1d"
"""Minimum window of an alert; shorter windows are recorded, but vary with the time of day."""

# Service

UNCOUNTED_ROUTES = "/metrics|/health.*|/v2/health/.*"
"""Pattern of routes that do not count as traffic: probes and scrapes."""
SLO_AVAILABILITY = 0.999
"""Objective: minimum share of requests (0–1) without a status 5xx; a 4xx is the client's fault."""
SLO_LATENCY = 0.99
"""Objective: minimum share of single predictions (0–1) that take at most `LATENCY_SECONDS`."""
LATENCY_SECONDS = 0.1
"""Maximum duration of a fast prediction, in seconds; an edge of a bucket of http_request_duration_seconds."""
LATENCY_ROUTES = "/predict|/models/{model}/predict"
"""Pattern of the routes that the objective covers: one row each, as a batch takes longer the larger it is."""
BURN_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
PAGE_BURN_RATES = ((14.4, "1h", "5m"), (6.0, "6h", "30m"))
"""Burn rate, long window, short window: 2 % of a 30-day budget in 1 h, 5 % in 6 h."""
TICKET_BURN_RATES = ((3.0, "1d", "2h"), (1.0, "3d", "6h"))
"""Burn rate, long window, short window: 10 % of a 30-day budget in 1 d, 10 % in 3 d."""
MIN_BAD_REQUESTS = 10
"""Minimum number of bad requests in the long window; one failure in little traffic raises no alert."""
MISSING_SERVER_WINDOW = "1h"
"""Time for which an alert reports a server that has left the service discovery."""
LOST_WINDOW = "15m"
"""Time for which an alert fires after a lost prediction or a failure to load a version."""
BACKLOG_ROWS = 10_000
"""Maximum number of rows that wait for the prediction log."""
WORKER_FAILURES = 5
"""Minimum number of failures of an isolated model's process in `LOST_WINDOW` for an alert."""
STREAM_LAG_REQUESTS = 1_000
"""Maximum number of unanswered requests of a stream."""

# Models

CONFIDENCE_DEVIATIONS = MIN_DEVIATIONS
"""Standard deviations of a one-sided bound at 99.9 %; the use case's design effect widens it."""
MIN_ROWS = MIN_EVALUATED_ROWS
"""Minimum number of rows, or labelled rows, in an evaluated window; for F1 also those of the rarest class."""
DRIFTED_SHARE = 0.3
"""Maximum share of drifted features (0–1)."""
DRIFTED_SHARE_END = DRIFTED_SHARE / 2
"""Share of drifted features below which their alert ends at once; above, it ends after `TICKET_HOLD`."""
MISSING_EXCESS = MAX_MISSING_EXCESS
"""Maximum excess of a feature's share of missing values over that of the reference (0–1)."""
MISSING_DEVIATIONS = 4.0
"""Standard deviations from which on an excess of missing values is significant among dozens of features."""
DRIFT_GROWTH, MISSING_GROWTH = 4, 2
"""Factors between the levels of a PSI and of an excess of missing values, each of which raises a ticket once.

A PSI grows with the square of a shift: four times the PSI is twice the shift.
"""
ACKNOWLEDGED_GROWTH = 2
"""Factor by which a PSI or an excess of missing values may grow beyond what was acknowledged."""
TICKET_MEMORY = "90d"
"""Time for which the largest level of a feature is remembered: it raises its ticket once."""
TICKET_HOLD = "7d"
"""Time for which a ticket stays open after the last drift: one about the threshold does not come and go."""
TICKET_FEATURES = 10
"""Maximum number of features that a ticket names."""
ACKNOWLEDGED_MEMORY = "15m"
"""Time for which an acknowledgement holds without the server that exports it."""
REJECTED_WINDOW = "1d"
REJECTED_VALUES = 10
"""Minimum number of rejected values of a feature in `REJECTED_WINDOW` for an alert."""
REJECTED_SHARE = 0.01
"""Minimum share of the rows in `REJECTED_WINDOW` with a rejected value of a feature (0–1) for an alert."""
COVERAGE_WINDOW = "7d"
COVERAGE_USUAL = 0.1
"""Minimum label coverage of the window before (0–1); below it, labels are not expected."""
COVERAGE_LOSS = 0.5
"""Share of the label coverage of the window before (0–1) below which the alert fires."""
SEGMENT_WINDOWS = tuple(f"{days}d" for days in WINDOW_DAYS)
"""Windows in which segments are evaluated; shorter ones hold few rows of a segment."""
MIN_SEGMENT_ROWS = 20
"""Minimum number of labelled rows of a segment's value; its threshold knows how few they are."""
INTERVAL_DEVIATION = 0.02
"""Minimum difference between the coverage of intervals and the expected one (0–1) for an alert."""
OUTLIER_EXCESS = 0.02
"""Minimum excess of the share of outliers over the usual one (0–1) for an alert."""
STALE_DAYS = 180
"""Maximum age of a champion since its registration, in days."""
REJECTED_SHOWN_SECONDS = 3600
"""Duration of the alert about a retraining whose challenger was rejected, in seconds."""
REJECTIONS_IN_A_ROW = 3
"""Number of rejected challengers without a promotion in between that raises an alert."""
ROLLOUT_END_SHOWN_SECONDS = 86_400
"""Duration of the alerts about a rollout that has ended badly, in seconds."""
MAX_PAUSE_SECONDS = 86_400
"""Maximum time for which a rollout is paused, in seconds."""
MAX_MOVE_SECONDS = 900
"""Maximum time from a rollout's decision, or from its deadline, to its effect, in seconds."""

# Pipelines

MAX_AGE_SECONDS = {"etl": 35 * 86400, "train": 35 * 86400, "report": 2 * 86400}
"""Maximum age of each step's last success, in seconds; `etl` and `train` run monthly, `report` daily."""
FORGOTTEN_DAYS = 90
"""Days without a success after which a step is no longer expected: its use case is out of use."""
MEMORY_STEPS = 2016
"""Number of steps for which the last sample of a series is kept without its exporter; 2016 × 5 min = 7 d."""
