"""Alerts about the rows: drift, missing values and rejected values."""

from collections.abc import Iterator

import monitoring.thresholds as limits
from monitoring.promql import VERSION, filter_champions
from monitoring.records.tickets import (
    IMPACT,
    MISSING,
    TICKETS,
    build_lasting_share,
    build_raised_name,
    select_acknowledged,
)
from monitoring.rule import AlertRule, Cause, multiply_duration

WAIT_STEPS = 3
REJECTED = f'feature:rejected:count{{window="{limits.REJECTED_WINDOW}"'


def build_alerts(step: str) -> Iterator[AlertRule]:
    """Build the alerts; their records have the windows."""
    wait = multiply_duration(step, WAIT_STEPS)
    yield from _build_ticket_alerts(wait)
    yield from _build_rejection_alerts(wait)


def _build_ticket_alerts(wait: str) -> Iterator[AlertRule]:
    intro = "Model `{{ $labels.model }}` v{{ $labels.version }}: "
    raised = "The ticket was raised on {{ $labels.raised }}; a feature that joins or grows raises it again."
    yield _build_ticket(
        "FeatureDrift", wait, "drift",
        summary="Model `{{ $labels.model }}`: features have drifted",
        description=f"{intro}features whose population stability index (PSI) exceeds its threshold for "
        f"this number of rows, by PSI times importance:{_list_features(IMPACT)}. {raised} See the runbook.",
    )  # fmt: skip
    yield _build_ticket(
        "PredictionDrift", wait, "drift",
        summary="Model `{{ $labels.model }}`: the predictions have drifted",
        description=f"{intro}the population stability index (PSI) of the predictions exceeds its threshold "
        f"for this number of rows. {raised} See the runbook.",
    )  # fmt: skip
    yield AlertRule(
        name="DataDrift",
        expr=build_lasting_share(),
        wait=wait,
        severity="ticket",
        cause="drift",
        summary="Model `{{ $labels.model }}`: many features have drifted",
        description=f"{intro}{{{{ $value | humanizePercentage }}}} of its features have drifted; "
        f"the limit is {limits.DRIFTED_SHARE:.0%}. See the runbook.",
    )
    yield _build_ticket(
        "MissingValues", wait, "sensor",
        summary="Model `{{ $labels.model }}`: features are missing more often",
        description=f"{intro}features that are missing in more rows than in the training rows of the same "
        f"season, by at least {limits.MISSING_EXCESS:.0%} of the rows:{_list_features(MISSING)}. "
        f"{raised} Check their source; see the runbook.",
    )  # fmt: skip


def _build_ticket(name: str, wait: str, cause: Cause, *, summary: str, description: str) -> AlertRule:
    """Build the alert of a ticket, whose label `raised` is the day on which it was raised last."""
    _, level, columns = TICKETS[name]
    day = f"max by ({VERSION}) (max_over_time({build_raised_name(name)}[{limits.TICKET_MEMORY}]))"
    now = f"{level}{{{columns}}}"
    # an acknowledgement closes the ticket at once, also one that is held open
    held = f"max_over_time({now}[{limits.TICKET_HOLD}]) unless on (model, feature) {select_acknowledged()}"
    is_open = filter_champions(f"max by ({VERSION}) ({now} or {held})")
    named = f'count_values by ({VERSION}) ("raised", {day} and on ({VERSION}) ({is_open}))'
    # without a change for longer than the memory, the day is forgotten, but the drift is still there
    unnamed = f'label_replace(0 * ({is_open}) + 1, "raised", "earlier", "", "")'
    return AlertRule(
        name=name, expr=f"{named} or on ({VERSION}) {unnamed}", wait=wait, severity="ticket",
        cause=cause, summary=summary, description=description,
    )  # fmt: skip


def _list_features(weight: str) -> str:
    """List the features of a ticket in the language of templates: names and weights, the largest first."""
    query = f"topk({limits.TICKET_FEATURES}, {weight}{{model='%s', version='%s', feature!='prediction'}})"
    each = ' `{{ .Labels.feature }}` {{ . | value | printf "%.2g" }};'
    return f'{{{{ range printf "{query}" $labels.model $labels.version | query }}}}{each}{{{{ end }}}}'


def _build_rejection_alerts(wait: str) -> Iterator[AlertRule]:
    rows = f'sum by (model) (model:observations:rows{{window="{limits.REJECTED_WINDOW}"}})'
    refused = f"sum by (model) ({REJECTED}}})"
    came = f"(({rows} or 0 * {refused}) + {refused})"

    def compare_rejections(reason: str) -> str:
        share = f"{REJECTED}, {reason}}} / on (model) group_left () {came} >= {limits.REJECTED_SHARE}"
        return f"({share}) and ({REJECTED}}} >= {limits.REJECTED_VALUES})"

    period = f"over {limits.REJECTED_WINDOW}"
    limit = f"the limit is {limits.REJECTED_SHARE:.0%}"
    yield AlertRule(
        name="UnseenLevels",
        expr=compare_rejections('reason="level"'),
        wait=wait,
        severity="ticket",
        cause="schema",
        summary="Model `{{ $labels.model }}`: feature `{{ $labels.feature }}` has unknown levels",
        description="Model `{{ $labels.model }}` rejected {{ $value | humanizePercentage }} of the rows "
        f"{period} because it does not know their level of `{{{{ $labels.feature }}}}`; {limit}. "
        "See the runbook.",
    )
    yield AlertRule(
        name="RejectedValues",
        expr=compare_rejections('reason!="level"'),
        wait=wait,
        severity="ticket",
        cause="schema",
        summary="Model `{{ $labels.model }}`: values of `{{ $labels.feature }}` violate the schema",
        description="Model `{{ $labels.model }}` rejected {{ $value | humanizePercentage }} of the rows "
        f"{period} because of `{{{{ $labels.feature }}}}` (reason: {{{{ $labels.reason }}}}); {limit}. "
        "See the runbook.",
    )
