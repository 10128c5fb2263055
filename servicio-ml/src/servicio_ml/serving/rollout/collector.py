"""The metrics of rollouts, as they are in the store that all processes share."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.rollout.guardrails import GuardrailFinding, Verdict
from servicio_ml.domain.rollout.rollout import TIMED, Rollout
from servicio_ml.domain.rollout.transitions import PROGRAM
from servicio_ml.serving.models.models import LoadedModels

SHOWN_SECONDS = 7 * 86_400
"""Time for which the metrics show a rollout that is over."""
VERDICT_NUMBERS: Mapping[Verdict, int] = {Verdict.HOLDS: 0, Verdict.OPEN: 1, Verdict.BREACHED: 2}
"""Verdicts as numbers, the worst the largest: `max` over replicas is the worst."""


class RolloutCollector(Collector):
    """Newest rollout of each served model, as the server has read it last.

    Args:
        models: Models that this server serves, with their traffic plans.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(self, models: LoadedModels, clock: Clock) -> None:
        self._models, self._clock = models, clock

    def collect(self) -> Iterator[Metric]:
        families, now = _RolloutFamilies(), self._clock()
        for model in sorted(self._models.statuses):
            rollout = self._models.get_plan(model)
            if isinstance(rollout, Rollout) and (
                not rollout.has_ended or now - rollout.events[-1].at < SHOWN_SECONDS
            ):
                families.add(rollout, now)
        yield from families.metrics


class _RolloutFamilies:
    """Metric families of rollouts."""

    def __init__(self) -> None:
        self.changed = GaugeMetricFamily(
            "servicio_ml_rollout_changed_timestamp_seconds", "Time of the last change of the rollout.",
            labels=["model", "champion", "challenger", "state", "share", "by"],
        )  # fmt: skip
        self.share = GaugeMetricFamily(
            "servicio_ml_rollout_share", "Share of the clients that the version answers.",
            labels=["model", "version", "arm"],
        )  # fmt: skip
        self.deadline = GaugeMetricFamily(
            "servicio_ml_rollout_deadline_timestamp_seconds", "End of the step's or watch's maximum time.",
            labels=["model", "state"],
        )  # fmt: skip
        self.values, self.limits, self.verdicts, self.rows = (
            GaugeMetricFamily(f"servicio_ml_rollout_guardrail_{name}", about, labels=["model", "guardrail"])
            for name, about in {
                "value": "Measured value.",
                "limit": "Limit of the value.",
                "verdict": "Evidence: 0 holds, 1 open, 2 breached.",
                "rows": "Rows, or timed trials, behind the evidence.",
            }.items()
        )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (self.changed, self.share, self.deadline, self.values, self.limits, self.verdicts, self.rows)

    def add(self, rollout: Rollout, now: float) -> None:
        """Add the metrics of one rollout."""
        model, last = rollout.model, rollout.events[-1]
        versions = [str(rollout.champion), str(rollout.challenger)]
        by = "program" if last.by == PROGRAM else "person"
        self.changed.add_metric([model, *versions, last.state, f"{last.share:g}", by], last.at)
        share = rollout.get_share(now)
        for version, arm, each in zip(versions, ("champion", "challenger"), (1 - share, share), strict=True):
            self.share.add_metric([model, version, arm], each)
        if rollout.state in TIMED:
            self.deadline.add_metric([model, rollout.state], rollout.deadline)
        for finding in rollout.findings:
            self._add_finding(model, finding)

    def _add_finding(self, model: str, finding: GuardrailFinding) -> None:
        labels = [model, finding.guardrail.value]
        if finding.value is not None:
            self.values.add_metric(labels, finding.value)
        self.limits.add_metric(labels, finding.limit)
        self.verdicts.add_metric(labels, VERDICT_NUMBERS[finding.verdict])
        self.rows.add_metric(labels, finding.rows)
