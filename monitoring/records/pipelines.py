"""Records of the pipeline steps: when each last succeeded and failed, and rejections in a row."""

from collections.abc import Iterator

from monitoring.promql import growth, remembered
from monitoring.rule import UNIT_MILLISECONDS, Record, milliseconds
from monitoring.thresholds import FORGOTTEN_DAYS

STEP_OF = "step, use_case"
SUCCESS = "pipeline:success_timestamp_seconds:last"
FAILURE = "pipeline:failure_timestamp_seconds:last"
REJECTED = "use_case:rejections_in_a_row:count"
DAY_SECONDS = 86400


def records(step: str) -> Iterator[Record]:
    """All of them; `step` is between two evaluations.

    What StatsD's exporter has forgotten by a restart is remembered here.
    """
    expected = f"time() - {FORGOTTEN_DAYS * DAY_SECONDS}"
    told = f"max by ({STEP_OF}) (servicio_ml_pipeline_success_timestamp_seconds)"
    yield Record(name=SUCCESS, expr=f"({told} or {remembered(SUCCESS, step)}) > {expected}")
    failed = growth('servicio_ml_pipeline_runs_total{outcome="failure"}', step)
    # not later than it happened, so that the retry that succeeds counts as the later one
    before = f"timestamp(sum by ({STEP_OF}) ({failed}) > 0) - {_seconds(step)}"
    yield Record(name=FAILURE, expr=f"({before} or {remembered(FAILURE, step)}) > {expected}")
    yield Record(name="pipeline:age_seconds:max", expr=f"time() - {SUCCESS}")
    more = f"sum by (use_case) ({growth(_promotions('rejected'), step)})"
    promoted = f"sum by (use_case) ({growth(_promotions('promoted'), step)}) > 0"
    before = remembered(REJECTED, step)
    yield Record(
        name=REJECTED,
        expr=f"((({before}) + {more}) or {before} or {more}) unless ({promoted}) or 0 * ({promoted})",
    )


def _promotions(decision: str) -> str:
    return f'servicio_ml_promotions_total{{decision="{decision}"}}'


def _seconds(step: str) -> float:
    return milliseconds(step) / UNIT_MILLISECONDS["s"]
