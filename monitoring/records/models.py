"""Records of performance: expected from calibrated probabilities, and realised from ground truth."""

from collections.abc import Iterator, Sequence

from monitoring.promql import (
    VERSION,
    compute_growth,
    compute_quantile,
    compute_ratio,
    read_last_sample,
    sum_over_window,
)
from monitoring.rule import RecordingRule, parse_milliseconds

from servicio_ml.features.performance.rank_counts import ALL_BINS

CELL = f"{VERSION}, predicted, actual"
SEASON = f"{VERSION}, season"
RANK = f"{VERSION}, bin"
KINDS = ("expected", "realised")
ERROR_PREFIXES = {"expected": "expected_", "realised": ""}
"""Prefix of the errors' metrics by kind."""
ERROR_SUMS = {
    "absolute_error_sum": "absolute_error_sum",
    "absolute_error_count": "absolute_error_count",
    "squared_error_sum": "squared_error_total",
}
"""Record of a sum of errors to its metric."""


def build_base_records(step: str, windows: Sequence[str]) -> Iterator[RecordingRule]:
    """Build the counts of one step, and the limits of seasons with rows in the longest window."""
    sums = {
        "cell:expected:increase5m": (CELL, "servicio_ml_expected_confusion_total"),
        "cell:realised:increase5m": (CELL, "servicio_ml_realised_confusion_total"),
        "covered:intervals:increase5m": (f"{VERSION}, covered", "servicio_ml_interval_covered_total"),
        "model:intervals_expected:increase5m": (VERSION, "servicio_ml_interval_expected_covered_total"),
        "model:label_lag_seconds_bucket:increase5m": ("model, le", "servicio_ml_label_lag_seconds_bucket"),
    }
    for prefix in ERROR_PREFIXES.values():
        for record, metric in ERROR_SUMS.items():
            sums[f"model:{prefix}{record}:increase5m"] = (VERSION, f"servicio_ml_{prefix}{metric}")
    for kind in KINDS:
        for side in ("positives", "negatives_below"):
            sums[f"bin:{kind}_{side}:increase5m"] = (RANK, f"servicio_ml_{kind}_{side}_total")
    for name, (labels, metric) in sums.items():
        yield RecordingRule(name=name, expr=f"sum by ({labels}) ({compute_growth(metric, step)})")
    limits = "season_metric:performance_limit:value"
    used = sum_over_window("season:observations:increase5m", max(windows, key=parse_milliseconds), step)
    yield RecordingRule(
        name=limits,
        expr=f"max by ({SEASON}, metric) (servicio_ml_performance_limit) "
        f"or ({read_last_sample(limits, step)} and on ({SEASON}) ({used} > 0))",
    )


def build_window_records(window: str, step: str) -> Iterator[RecordingRule]:
    """Build the records of one window."""
    found = {
        name: expression
        for kind in KINDS
        for name, expression in {
            **_build_class_expressions(kind, window, step),
            **_build_error_expressions(kind, window, step),
        }.items()
    }
    for name, expression in {
        **found,
        **_build_label_expressions(window, step),
        **_build_interval_expressions(window, step),
        **_build_limit_expression(window, step),
    }.items():
        yield RecordingRule(name=name, expr=expression, labels={"window": window})


def _build_class_expressions(kind: str, window: str, step: str) -> dict[str, str]:
    cell = f'cell:{kind}:count{{window="{window}"}}'
    predicted = f'label_replace({cell}, "label", "$1", "predicted", "(.+)")'
    actual = f'label_replace({cell}, "label", "$1", "actual", "(.+)")'
    # the same labels on both sides: predicted and actual are the same class
    right = f"{predicted} and {actual}"
    both = (
        f'label_replace({predicted}, "side", "predicted", "", "") or '
        f'label_replace({actual}, "side", "actual", "", "")'
    )
    by_class, rows = f"sum by ({VERSION}, label)", f"sum by ({VERSION}) ({cell})"
    return {
        f"cell:{kind}:count": sum_over_window(f"cell:{kind}:increase5m", window, step),
        f"class:{kind}:rows": f"{by_class} ({actual}) or 0 * {by_class} ({both})",
        f"class:f1_{kind}:ratio": f"2 * {compute_ratio(f'{by_class} ({right})', f'{by_class} ({both})')}",
        f"model:accuracy_{kind}:ratio": compute_ratio(f"sum by ({VERSION}) ({right})", rows),
        f"model:f1_macro_{kind}:ratio": f'avg by ({VERSION}) (class:f1_{kind}:ratio{{window="{window}"}})',
        **_build_f1_variance(kind, window, f"{by_class} ({both})", f"{predicted} unless {actual}"),
        f"model:roc_auc_{kind}:ratio": _build_roc_auc(kind, window, step),
    }


def _build_roc_auc(kind: str, window: str, step: str) -> str:
    """Build the share of the pairs of a positive and a negative in the right order; see `RankCounts`."""
    positives, below = (
        f"sum by ({RANK}) ({sum_over_window(f'bin:{kind}_{side}:increase5m', window, step)})"
        for side in ("positives", "negatives_below")
    )
    negatives = sum_over_window(f'bin:{kind}_negatives_below:increase5m{{bin="{ALL_BINS}"}}', window, step)
    right = f"sum by ({VERSION}) ({positives} * {below})"
    return compute_ratio(right, f"(sum by ({VERSION}) ({positives}) * sum by ({VERSION}) ({negatives}))")


def _build_f1_variance(kind: str, window: str, sides: str, wrong: str) -> dict[str, str]:
    """Build the variance of the macro F1 of independent rows by the delta method.

    A row that was predicted as a and is b changes the mean of K classes by (2·[a = b] / s_a - h_a - h_b) / K.
    Here s_a are the predicted plus the actual rows of a, and h_a = F1_a / s_a. The sum of the squares over
    the rows is Σ h_a (1 - F1_a) (2 - F1_a) + 2 Σ_{a≠b} n_ab h_a h_b, over K² (Takahashi et al. 2022, Applied
    Intelligence 52).

    Args:
        kind: `expected` or `realised`.
        window: Window of the records.
        sides: Expression for the predicted plus the actual rows of each class.
        wrong: Expression for the cells whose predicted and actual class differ.
    """
    f1, slope = (f'class:f1_{kind}:{name}{{window="{window}"}}' for name in ("ratio", "slope"))
    of_side = {
        side: f'on ({VERSION}, {side}) group_left () label_replace({slope}, "{side}", "$1", "label", "(.+)")'
        for side in ("predicted", "actual")
    }
    alone = f"sum by ({VERSION}) ({slope} * (1 - {f1}) * (2 - {f1}))"
    both = f"sum by ({VERSION}) (({wrong}) * {of_side['predicted']} * {of_side['actual']})"
    return {
        f"class:f1_{kind}:slope": f"sum by ({VERSION}, label) ({f1}) / ({sides} > 0)",
        f"model:f1_macro_{kind}:variance": f"({alone} + 2 * ({both} or 0 * {alone})) "
        f"/ count by ({VERSION}) ({f1}) ^ 2",
    }


def _build_error_expressions(kind: str, window: str, step: str) -> dict[str, str]:
    """Build the mean errors of a regression, and the variance of the absolute one for independent rows."""
    errors, number, squares = (
        f"sum by ({VERSION}) "
        f"({sum_over_window(f'model:{ERROR_PREFIXES[kind]}{record}:increase5m', window, step)})"
        for record in ERROR_SUMS
    )
    mae, rmse = (f'model:{name}_{kind}:value{{window="{window}"}}' for name in ("mae", "rmse"))
    rows = f'model:errors_{kind}:rows{{window="{window}"}}'
    return {
        f"model:errors_{kind}:rows": number,
        f"model:mae_{kind}:value": f"{errors} / ({number} > 0)",
        f"model:rmse_{kind}:value": f"sqrt({squares} / ({number} > 0))",
        # zero where squares were not counted yet: an alert then has no interval, and still its limit
        f"model:mae_{kind}:variance": f"(clamp_min({rmse} ^ 2 - {mae} ^ 2, 0) or 0 * {mae}) / ({rows} > 0)",
    }


def _build_label_expressions(window: str, step: str) -> dict[str, str]:
    number = f'sum by ({VERSION}) (model:errors_realised:rows{{window="{window}"}})'
    cells = f'sum by ({VERSION}) (cell:realised:count{{window="{window}"}})'
    lags = (
        f"sum by (model, le) ({sum_over_window('model:label_lag_seconds_bucket:increase5m', window, step)})"
    )
    return {
        "model:labels:rows": f"{cells} > 0 or {number} > 0",
        "model:label_coverage:ratio": compute_ratio(
            f'sum by ({VERSION}) (model:labels:rows{{window="{window}"}})', _count_rows(window, step)
        ),
        "model:label_lag_seconds:p50": compute_quantile(0.5, lags),
    }


def _build_interval_expressions(window: str, step: str) -> dict[str, str]:
    """Build how often intervals and sets hold the truth, and how often they did on the calibration rows."""
    base = "covered:intervals:increase5m"
    held = sum_over_window(f'{base}{{covered="true"}}', window, step)
    rows = f"sum by ({VERSION}) ({sum_over_window(base, window, step)})"
    expected = f"sum by ({VERSION}) ({sum_over_window('model:intervals_expected:increase5m', window, step)})"
    return {
        "model:intervals:rows": f"{rows} > 0",
        "model:interval_coverage:ratio": compute_ratio(f"sum by ({VERSION}) ({held})", rows),
        "model:interval_coverage_expected:ratio": f"{expected} / ({rows} > 0)",
    }


def _build_limit_expression(window: str, step: str) -> dict[str, str]:
    limits, seasons = "season_metric:performance_limit:value", _count_seasons(window, step)
    by = f"sum by ({VERSION}, metric)"
    weighed = f"{by} ({limits} * on ({SEASON}) group_left () {seasons})"
    known = f"{by} (0 * {limits} + on ({SEASON}) group_left () {seasons})"
    # labels of rows that were scored before the window have no seasons in it
    plain = f"avg by ({VERSION}, metric) ({limits})"
    return {"model:performance_limit:value": f"{weighed} / ({known} > 0) or {plain}"}


def _count_seasons(window: str, step: str) -> str:
    return sum_over_window("season:observations:increase5m", window, step)


def _count_rows(window: str, step: str) -> str:
    return f"sum by ({VERSION}) ({_count_seasons(window, step)})"
