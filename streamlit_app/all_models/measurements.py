"""What Prometheus has measured of all models."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamlit_app import session
from streamlit_app.client import prometheus
from streamlit_app.client.prometheus import ActiveAlert, MetricSample

FIRING, PAGE = "firing", "page"
PREDICTIONS = 'sum by (model) (increase(servicio_ml_predictions_total{protocol!="shadow"}[24h]))'
PERFORMANCE_WINDOW = "7d"
PERFORMANCE = (
    '{__name__=~"model:(accuracy|f1_macro|mae)_(expected|realised):(ratio|value)", '
    f'window="{PERFORMANCE_WINDOW}"}}'
)
LIMITS = f'model:performance_limit:value{{window="{PERFORMANCE_WINDOW}"}}'
ERRORS = frozenset({"mae"})
"""Metrics that are worse where they are higher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceMargin:
    """A metric of a model's version beside its limit.

    Attributes:
        metric: Name of the metric.
        value: Realised where labels have arrived, else expected.
        limit: Limit of the alert.
    """

    metric: str
    value: float
    limit: float

    @property
    def margin(self) -> float:
        """How far the metric is from its limit, in its unit; negative beyond it."""
        return self.limit - self.value if self.metric in ERRORS else self.value - self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMeasurements:
    """Measurements of a model.

    Attributes:
        predictions: Number of predictions in the last 24 hours; None before the first.
        margins: Margins of each version, by its number as text.
        pages: Number of firing alerts of the severity `page`.
        tickets: Number of other firing alerts.
    """

    predictions: float | None
    margins: dict[str, list[PerformanceMargin]]
    pages: int
    tickets: int


def fetch(models: Sequence[str]) -> dict[str, ModelMeasurements]:
    """Fetch the measurements of models.

    Raises:
        UnreachableError: Prometheus does not respond.
    """
    query, fetch_alerts = prometheus.query_now, prometheus.fetch_alerts
    predictions, values, limits = (
        session.query_prometheus(query, each) for each in (PREDICTIONS, PERFORMANCE, LIMITS)
    )
    firing = [each for each in session.query_prometheus(fetch_alerts) if each.state == FIRING]
    counts = {each.labels.get("model", ""): each.value for each in predictions}
    return {
        model: ModelMeasurements(
            predictions=counts.get(model),
            margins=_join_margins(_select(values, model), _select(limits, model)),
            pages=_count_alerts(firing, model, is_page=True),
            tickets=_count_alerts(firing, model, is_page=False),
        )
        for model in models
    }


def _select(samples: Sequence[MetricSample], model: str) -> list[MetricSample]:
    return [each for each in samples if each.labels.get("model") == model]


def _count_alerts(alerts: Sequence[ActiveAlert], model: str, *, is_page: bool) -> int:
    return sum(
        each.labels.get("model") == model and (each.labels.get("severity") == PAGE) == is_page
        for each in alerts
    )


def _join_margins(
    values: Sequence[MetricSample], limits: Sequence[MetricSample]
) -> dict[str, list[PerformanceMargin]]:
    # `realised` sorts after `expected`, and takes its place
    by_metric = {
        (each.labels.get("version", ""), _parse_metric(each)): each.value
        for each in sorted(values, key=lambda each: each.labels.get("__name__", ""))
    }
    margins: dict[str, list[PerformanceMargin]] = {}
    for limit in limits:
        version, metric = limit.labels.get("version", ""), limit.labels.get("metric", "")
        if (value := by_metric.get((version, metric))) is not None:
            found = PerformanceMargin(metric=metric, value=value, limit=limit.value)
            margins.setdefault(version, []).append(found)
    return margins


def _parse_metric(sample: MetricSample) -> str:
    """Parse the metric of a record such as `model:f1_macro_realised:ratio`."""
    return sample.labels.get("__name__", "::").split(":")[1].rpartition("_")[0]
