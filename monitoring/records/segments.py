"""Records of segments: rows, missing values, coverage, and losses beside those of unseen rows."""

from collections.abc import Iterator

from monitoring.promql import SEGMENT, compute_growth, compute_ratio, sum_over_window
from monitoring.rule import RecordingRule

from servicio_ml.features.performance.loss_excess import MIN_SHARE

SUMS = {
    "predictions": "predictions_total",
    "missing_values": "missing_values_total",
    "expected_loss": "expected_loss_total",
    "labels": "labels_total",
    "loss": "loss_total",
    "squared_loss": "squared_loss_total",
    "interval_covered": "interval_covered_total",
}
"""Base record to the end of its metric's name."""


def build_base_records(step: str) -> Iterator[RecordingRule]:
    """Build the counts of one step."""
    for record, metric in SUMS.items():
        growth = compute_growth(f"servicio_ml_segment_{metric}", step)
        yield RecordingRule(name=f"segment:{record}:increase5m", expr=f"sum by ({SEGMENT}) ({growth})")


def build_window_records(window: str, step: str) -> Iterator[RecordingRule]:
    """Build the records of one window."""
    sums = {
        record: f"sum by ({SEGMENT}) ({sum_over_window(f'segment:{record}:increase5m', window, step)})"
        for record in SUMS
    }
    rows, labels = (f'segment:{name}:rows{{window="{window}"}}' for name in ("predictions", "labels"))
    mine = f'window="{window}"'
    for name, expression in {
        "segment:predictions:rows": f"{sums['predictions']} > 0",
        "segment:labels:rows": f"{sums['labels']} > 0",
        "segment:missing_values:mean": _divide(sums["missing_values"], rows),
        "segment:loss_expected:value": _divide(sums["expected_loss"], rows),
        "segment:loss_realised:value": _divide(sums["loss"], labels),
        "segment:interval_coverage:ratio": _divide(sums["interval_covered"], labels),
        "segment:loss:deviations": _build_deviations(mine, sums["squared_loss"]),
    }.items():
        yield RecordingRule(name=name, expr=expression, labels={"window": window})


def _divide(total: str, rows: str) -> str:
    return compute_ratio(total, f"sum by ({SEGMENT}) ({rows})")


def _build_deviations(mine: str, squares: str) -> str:
    """Build how far the realised loss is beyond that of unseen rows, as `compute_loss_excess` does."""
    loss, reference, variance, known = (
        f"sum by ({SEGMENT}) ({each})"
        for each in (
            f"segment:loss_realised:value{{{mine}}}",
            _select_reference("loss"),
            _select_reference("variance"),
            _select_reference("rows"),
        )
    )
    labels = f"sum by ({SEGMENT}) (segment:labels:rows{{{mine}}})"
    effect = (
        "on (model, version, segment) group_left () "
        "max by (model, version, segment) (servicio_ml_segment_design_effect)"
    )
    rows = f"(1 / ((1 / {labels} + 1 / {known}) * {effect}))"
    own = f"({squares} / {labels} - ({loss}) ^ 2)"
    own_shape, shape = f"(({loss}) ^ 2 / {own})", f"({reference} ^ 2 / {variance})"
    smaller = f"(({own_shape} < {shape}) or {shape})"
    ratio = f"clamp_min({loss} / {reference}, {MIN_SHARE})"
    gamma = f"{smaller} * ({ratio} - 1 - ln({ratio}))"
    share = f"clamp({loss}, {MIN_SHARE}, {1 - MIN_SHARE})"
    bernoulli = (
        f"({share} * ln({share} / {reference}) + (1 - {share}) * ln((1 - {share}) / (1 - {reference})))"
    )
    divergence = f"(({gamma}) or ({bernoulli} unless {variance}))"
    # rounding may make a divergence of zero negative
    return f"sgn({loss} - {reference}) * sqrt(2 * {rows} * clamp_min({divergence}, 0))"


def _select_reference(name: str) -> str:
    return f"max by ({SEGMENT}) (servicio_ml_segment_reference_{name})"
