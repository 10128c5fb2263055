"""Records of requests: rate, errors, durations, and how fast the error budgets burn."""

from collections.abc import Iterator

from monitoring.promql import growth, quantile, ratio, total
from monitoring.rule import Record
from monitoring.thresholds import BURN_WINDOWS, LATENCY_ROUTES, LATENCY_SECONDS, UNCOUNTED_ROUTES

COUNTED = f'route!~"{UNCOUNTED_ROUTES}"'
ROUTE = "route, method"


def records(step: str) -> Iterator[Record]:
    """All of them; `step` is between two evaluations."""
    for name, expression in {**_routes(), **_models(), **_base(step), **_burn(step)}.items():
        yield Record(name=name, expr=expression)


def _routes() -> dict[str, str]:
    requests = f"sum by ({ROUTE}) (rate(http_requests_total{{{COUNTED}}}[5m]))"
    failed = f'sum by ({ROUTE}) (rate(http_requests_total{{{COUNTED}, status=~"5.."}}[5m]))'
    buckets = f"sum by ({ROUTE}, le) (rate(http_request_duration_seconds_bucket{{{COUNTED}}}[5m]))"
    return {
        "route:http_requests:rate5m": requests,
        "route:http_errors:ratio_rate5m": ratio(failed, requests),
        **{
            f"route:http_request_duration_seconds:p{share * 100:.0f}_rate5m": quantile(share, buckets)
            for share in (0.5, 0.95, 0.99)
        },
        "service:http_requests:rate5m": f"sum (rate(http_requests_total{{{COUNTED}}}[5m]))",
    }


def _models() -> dict[str, str]:
    buckets = "sum by (model, le) (rate(servicio_ml_prediction_duration_seconds_bucket[5m]))"
    return {
        "model:predictions:rate5m": "sum by (model, version, protocol) "
        "(rate(servicio_ml_predictions_total[5m]))",
        **{
            f"model:prediction_duration_seconds:p{share * 100:.0f}_rate5m": quantile(share, buckets)
            for share in (0.5, 0.99)
        },
        "model:rejected_values:rate5m": "sum by (model) (rate(servicio_ml_rejected_values_total[5m]))",
        "model:stream_lag:max": "max by (model) (servicio_ml_stream_lag)",
        "service:prediction_log_pending:sum": "sum (servicio_ml_prediction_log_pending)",
    }


def _base(step: str) -> dict[str, str]:
    single = f'route=~"{LATENCY_ROUTES}"'
    timed = growth(f"http_request_duration_seconds_count{{{single}}}", step)
    fast = growth(f'http_request_duration_seconds_bucket{{{single}, le="{LATENCY_SECONDS}"}}', step)
    lost = growth("servicio_ml_prediction_log_dropped_total", step)
    unloaded = growth("servicio_ml_model_load_failures_total", step)
    return {
        "service:http_requests:increase1m": f"sum ({growth(f'http_requests_total{{{COUNTED}}}', step)})",
        "service:http_errors:increase1m": "sum ("
        + growth(f'http_requests_total{{{COUNTED}, status=~"5.."}}', step)
        + ") or 0 * service:http_requests:increase1m",
        "service:http_timed:increase1m": f"sum ({timed})",
        "service:http_slow:increase1m": f"sum ({timed}) - sum ({fast})",
        "model:predictions_lost:increase1m": f"sum by (model) ({lost})",
        "model:load_failures:increase1m": f"sum by (model) ({unloaded})",
    }


def _burn(step: str) -> dict[str, str]:
    found = {}
    for window in BURN_WINDOWS:
        requests = total("service:http_requests:increase1m", window, step)
        timed = total("service:http_timed:increase1m", window, step)
        errors = total("service:http_errors:increase1m", window, step)
        slow = total("service:http_slow:increase1m", window, step)
        found[f"service:http_errors:ratio_rate{window}"] = f"{errors} / ({requests} > 0)"
        found[f"service:http_slow:ratio_rate{window}"] = f"{slow} / ({timed} > 0)"
    return found
