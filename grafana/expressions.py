"""PromQL expressions that several dashboards share."""

from grafana.colours import BAD, BLUE, GOOD, NEUTRAL, ORANGE, PURPLE, SERIES, SKY, WARN
from grafana.panels import ValueNames

from monitoring import thresholds
from servicio_ml.use_cases.catalogue import load_catalogue

MODEL_COLOURS = dict(zip(load_catalogue(), SERIES, strict=False))
"""Model to its colour, the same on every dashboard."""
PROTOCOL_COLOURS = {
    "rest": BLUE,
    "oip": SKY,
    "grpc": ORANGE,
    "graphql": PURPLE,
    "stream": GOOD,
    "shadow": NEUTRAL,
}
ERROR_BUDGET = 1 - thresholds.SLO_AVAILABILITY
LATENCY_BUDGET = 1 - thresholds.SLO_LATENCY
FAST_BURN, SLOW_BURN = (rate for rate, _, _ in thresholds.PAGE_BURN_RATES)
DAY_SECONDS = 86_400
MILLISECONDS = 1000
"""Milliseconds in a second; Grafana's times are in milliseconds."""
STALE_SECONDS = thresholds.STALE_DAYS * DAY_SECONDS
QUIET, TICKET, PAGE = 0, 1, 2
LEVELS: ValueNames = {QUIET: ("healthy", GOOD), TICKET: ("ticket", WARN), PAGE: ("page", BAD)}
LEVEL = 'ALERTS{alertstate="firing", severity="page"} * 2 or ALERTS{alertstate="firing", severity="ticket"}'
"""Expression for the level of each firing alert: `PAGE` or `TICKET`."""
MODEL = 'model="$model"'
VERSION = 'version=~"$version"'
WINDOW = 'window="$window"'
PREDICTION = 'feature="prediction"'
FEATURES = 'feature!="prediction"'


def select(record: str, *matchers: str, **labels: str) -> str:
    """Select the series of a record by matchers and label values."""
    equal = (f'{name}="{value}"' for name, value in labels.items())
    return f"{record}{{{', '.join((*matchers, *equal))}}}"


def compute_mean(summary: str, by: str, *matchers: str) -> str:
    """Compute the mean of all observations of a summary, by labels."""
    sums, counts = (
        f"sum by ({by}) ({select(f'{summary}_{expression}', *matchers)})" for expression in ("sum", "count")
    )
    return f"{sums} / {counts}"


def filter_champions(expr: str) -> str:
    """Restrict an expression to champions."""
    return f"({expr}) and on (model, version) servicio_ml_model_info"


def select_champion(record: str, *matchers: str) -> str:
    """Select the champion's value of a record, one series per model."""
    return f"max by (model) ({filter_champions(select(record, *matchers))})"


def compute_margin(kind: str, *matchers: str) -> str:
    """Compute the margin of each champion to its performance limit, negative beyond it.

    The margin of accuracy and F1 is a difference (0–1), that of a mean absolute error a share of its limit.
    Of two metrics the smaller margin counts.

    Args:
        kind: `realised` or `expected`.
        matchers: Matchers of models and window.
    """
    same = "on (model, version, window)"
    margins = [
        f"-1 * ({select('model:performance_limit:value', *matchers, metric=metric)}"
        f" - {same} group_left () {select(f'model:{metric}_{kind}:ratio', *matchers)})"
        for metric in ("accuracy", "f1_macro")
    ]
    limit = select("model:performance_limit:value", *matchers, metric="mae")
    margins.append(f"1 - {select(f'model:mae_{kind}:value', *matchers)} / {same} group_right () {limit}")
    return f"min by (model) ({filter_champions(' or '.join(margins))})"


def find_worst_level(by: str) -> str:
    """Find the highest level of the firing alerts by labels; one series at 0 while none fires."""
    quiet = 'label_replace(vector(0), "alertname", "no alert", "", "")'
    return f"max by ({by}) ({LEVEL}) or on () {quiet}"


def count_alerts(severity: str) -> str:
    """Count the firing alerts; an alert for several versions or windows counts once."""
    found = select("ALERTS", alertstate="firing", severity=severity)
    return f"count(count by (alertname, model, feature, segment, value) ({found})) or vector(0)"


def sum_or_zero(expr: str) -> str:
    """Sum an expression; 0 while it has no series yet."""
    return f"sum({expr}) or vector(0)"
