"""Pieces of PromQL that several dashboards share."""

from grafana.colours import BAD, BLUE, GOOD, NEUTRAL, ORANGE, PURPLE, SERIES, SKY, WARN
from grafana.panels import Words

from monitoring import thresholds
from servicio_ml.use_cases.catalogue import catalogue

MODEL_COLOURS = dict(zip(catalogue(), SERIES, strict=False))
"""Each model has its colour on every dashboard."""
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
FAST_BURN, SLOW_BURN = (rate for rate, _, _ in thresholds.PAGES)
DAY_SECONDS = 86_400
STALE_SECONDS = thresholds.STALE_DAYS * DAY_SECONDS
QUIET, TICKET, PAGE = 0, 1, 2
LEVELS: Words = {QUIET: ("well", GOOD), TICKET: ("ticket", WARN), PAGE: ("page", BAD)}
LEVEL = 'ALERTS{alertstate="firing", severity="page"} * 2 or ALERTS{alertstate="firing", severity="ticket"}'
"""Of each alert that fires: `PAGE` or `TICKET`."""
MODEL = 'model="$model"'
VERSION = 'version=~"$version"'
WINDOW = 'window="$window"'
PREDICTION = 'feature="prediction"'
FEATURES = 'feature!="prediction"'


def of(record: str, *matchers: str, **labels: str) -> str:
    """The series of a record that match, and have these labels."""
    equal = (f'{name}="{value}"' for name, value in labels.items())
    return f"{record}{{{', '.join((*matchers, *equal))}}}"


def champions(expr: str) -> str:
    """The series of champions only."""
    return f"({expr}) and on (model, version) servicio_ml_model_info"


def of_champion(record: str, *matchers: str) -> str:
    """One value for each model: its champion's."""
    return f"max by (model) ({champions(of(record, *matchers))})"


def room(kind: str, *matchers: str) -> str:
    """How far each champion is from its limit; below 0 it is beyond.

    Accuracy and F1 are told in points (0–1), a mean absolute error as a share of its limit; of two metrics
    the worse one.

    Args:
        kind: `realised` or `expected`; no error is expected of a regression.
        matchers: Which models and window.
    """
    same = "on (model, version, window)"
    parts = [
        f"-1 * ({of('model:performance_limit:value', *matchers, metric=metric)}"
        f" - {same} group_left () {of(f'model:{metric}_{kind}:ratio', *matchers)})"
        for metric in ("accuracy", "f1_macro")
    ]
    if kind == "realised":
        limit = of("model:performance_limit:value", *matchers, metric="mae")
        parts.append(f"1 - {of('model:mae_realised:value', *matchers)} / {same} group_right () {limit}")
    return f"min by (model) ({champions(' or '.join(parts))})"


def firing(by: str) -> str:
    """The worst level that fires, by labels; one series at 0 while nothing fires."""
    quiet = 'label_replace(vector(0), "alertname", "no alert", "", "")'
    return f"max by ({by}) ({LEVEL}) or on () {quiet}"


def how_many(severity: str) -> str:
    """Alerts that fire; one that fires for several versions or windows is one."""
    found = of("ALERTS", alertstate="firing", severity=severity)
    return f"count(count by (alertname, model, feature) ({found})) or vector(0)"


def none_is_zero(expr: str) -> str:
    """A sum that is 0 while what it sums has no series yet."""
    return f"sum({expr}) or vector(0)"
