"""Records of the pipeline steps: last success, last failure, and rejections in a row."""

from collections.abc import Iterator

from monitoring.promql import compute_growth, read_last_sample
from monitoring.rule import UNIT_MILLISECONDS, RecordingRule, parse_milliseconds
from monitoring.thresholds import FORGOTTEN_DAYS

STEP_OF = "step, use_case"
SUCCESS = "pipeline:success_timestamp_seconds:last"
FAILURE = "pipeline:failure_timestamp_seconds:last"
REJECTED = "use_case:rejections_in_a_row:count"
DAY_SECONDS = 86400


def build_records(step: str) -> Iterator[RecordingRule]:
    """Build the records; `step` is the time between two evaluations.

    The records keep values that the StatsD exporter loses when it restarts. The time of a success comes from
    the server, too, for the models that it serves; the maximum is the later one.
    """
    expected = f"time() - {FORGOTTEN_DAYS * DAY_SECONDS}"
    reported = f"max by ({STEP_OF}) (servicio_ml_pipeline_success_timestamp_seconds)"
    yield RecordingRule(name=SUCCESS, expr=f"({reported} or {read_last_sample(SUCCESS, step)}) > {expected}")
    failed = compute_growth('servicio_ml_pipeline_runs_total{outcome="failure"}', step)
    # not later than it happened, so that the retry that succeeds counts as the later one
    before = f"timestamp(sum by ({STEP_OF}) ({failed}) > 0) - {_to_seconds(step)}"
    yield RecordingRule(name=FAILURE, expr=f"({before} or {read_last_sample(FAILURE, step)}) > {expected}")
    yield RecordingRule(name="pipeline:age_seconds:max", expr=f"time() - {SUCCESS}")
    more = f"sum by (use_case) ({compute_growth(_select_promotions('rejected'), step)})"
    promoted = f"sum by (use_case) ({compute_growth(_select_promotions('promoted'), step)}) > 0"
    before = read_last_sample(REJECTED, step)
    yield RecordingRule(
        name=REJECTED,
        expr=f"((({before}) + {more}) or {before} or {more}) unless ({promoted}) or 0 * ({promoted})",
    )


def _select_promotions(decision: str) -> str:
    return f'servicio_ml_promotions_total{{decision="{decision}"}}'


def _to_seconds(step: str) -> float:
    return parse_milliseconds(step) / UNIT_MILLISECONDS["s"]
