"""Records of requests: rate, errors, durations, and burn rates of the error budgets."""

from collections.abc import Iterator

from monitoring.promql import compute_growth, compute_quantile, compute_ratio, sum_over_window
from monitoring.rule import RecordingRule
from monitoring.thresholds import BURN_WINDOWS, LATENCY_ROUTES, LATENCY_SECONDS, UNCOUNTED_ROUTES

TRAFFIC_ROUTES = f'route!~"{UNCOUNTED_ROUTES}"'
ROUTE = "route, method"


def build_records(step: str) -> Iterator[RecordingRule]:
    """Build the records; `step` is the time between two evaluations."""
    for name, expression in {
        **_build_route_expressions(),
        **_build_model_expressions(),
        **_build_base_expressions(step),
        **_build_burn_expressions(step),
    }.items():
        yield RecordingRule(name=name, expr=expression)


def _build_route_expressions() -> dict[str, str]:
    requests = f"sum by ({ROUTE}) (rate(http_requests_total{{{TRAFFIC_ROUTES}}}[5m]))"
    failed = f'sum by ({ROUTE}) (rate(http_requests_total{{{TRAFFIC_ROUTES}, status=~"5.."}}[5m]))'
    buckets = f"sum by ({ROUTE}, le) (rate(http_request_duration_seconds_bucket{{{TRAFFIC_ROUTES}}}[5m]))"
    return {
        "route:http_requests:rate5m": requests,
        "route:http_errors:ratio_rate5m": compute_ratio(failed, requests),
        **{
            f"route:http_request_duration_seconds:p{share * 100:.0f}_rate5m": compute_quantile(share, buckets)
            for share in (0.5, 0.95, 0.99)
        },
        "service:http_requests:rate5m": f"sum (rate(http_requests_total{{{TRAFFIC_ROUTES}}}[5m]))",
    }


def _build_model_expressions() -> dict[str, str]:
    buckets = "sum by (model, le) (rate(servicio_ml_prediction_duration_seconds_bucket[5m]))"
    return {
        "model:predictions:rate5m": "sum by (model, version, protocol) "
        "(rate(servicio_ml_predictions_total[5m]))",
        **{
            f"model:prediction_duration_seconds:p{share * 100:.0f}_rate5m": compute_quantile(share, buckets)
            for share in (0.5, 0.99)
        },
        "model:rejected_values:rate5m": "sum by (model) (rate(servicio_ml_rejected_values_total[5m]))",
        "model:stream_lag:max": "max by (model) (servicio_ml_stream_lag)",
        "service:prediction_log_pending:sum": "sum (servicio_ml_prediction_log_pending)",
    }


def _build_base_expressions(step: str) -> dict[str, str]:
    single = f'route=~"{LATENCY_ROUTES}"'
    timed = compute_growth(f"http_request_duration_seconds_count{{{single}}}", step)
    fast = compute_growth(f'http_request_duration_seconds_bucket{{{single}, le="{LATENCY_SECONDS}"}}', step)
    lost = compute_growth("servicio_ml_prediction_log_dropped_total", step)
    unloaded = compute_growth("servicio_ml_model_load_failures_total", step)
    failed = compute_growth("servicio_ml_model_worker_failures_total", step)
    requests = compute_growth(f"http_requests_total{{{TRAFFIC_ROUTES}}}", step)
    return {
        "service:http_requests:increase1m": f"sum ({requests})",
        "service:http_errors:increase1m": "sum ("
        + compute_growth(f'http_requests_total{{{TRAFFIC_ROUTES}, status=~"5.."}}', step)
        + ") or 0 * service:http_requests:increase1m",
        "service:http_timed:increase1m": f"sum ({timed})",
        "service:http_slow:increase1m": f"sum ({timed}) - sum ({fast})",
        "model:predictions_lost:increase1m": f"sum by (model) ({lost})",
        "model:load_failures:increase1m": f"sum by (model) ({unloaded})",
        "model:worker_failures:increase1m": f"sum by (model) ({failed})",
    }


def _build_burn_expressions(step: str) -> dict[str, str]:
    found = {}
    for window in BURN_WINDOWS:
        requests = sum_over_window("service:http_requests:increase1m", window, step)
        timed = sum_over_window("service:http_timed:increase1m", window, step)
        errors = sum_over_window("service:http_errors:increase1m", window, step)
        slow = sum_over_window("service:http_slow:increase1m", window, step)
        found[f"service:http_errors:ratio_rate{window}"] = f"{errors} / ({requests} > 0)"
        found[f"service:http_slow:ratio_rate{window}"] = f"{slow} / ({timed} > 0)"
    return found
