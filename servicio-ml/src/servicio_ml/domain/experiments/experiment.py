"""State of an experiment, which all replicas share."""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

from servicio_ml.domain.experiments.design import Bandit, ExperimentDesign, ExperimentMetric
from servicio_ml.domain.experiments.effects import ArmFinding, ArmVerdict
from servicio_ml.domain.retraining import SECONDS_PER_HOUR
from servicio_ml.domain.rollout.traffic import VersionShares

EXPERIMENT = "experiment"


class ExperimentState(StrEnum):
    """States of an experiment; their values are public."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePhase:
    """Time in which the shares are the same.

    Attributes:
        since: Start, in seconds since 1970; all replicas change at that time.
        shares: Share of the clients (0–1) of each version but the champion.
    """

    since: float
    shares: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentEvent:
    """Start or end of an experiment.

    Attributes:
        at: Time, in seconds since 1970.
        state: State after the change.
        reason: Explanation in one sentence.
        by: Name of the person or program that made the change.
    """

    at: float
    state: ExperimentState
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment.

    Attributes:
        id: Identifier, unique for a model.
        model: Name of the model.
        champion: Version that was champion at the start, with which the others are compared.
        design: Declaration.
        classes: Number of classes of the model's target; 0 for a number.
        state: Present state.
        phases: Shares over time, the oldest first.
        judged_at: Time of the last evaluation, in seconds since 1970; 0 before the first.
        findings: Evidence at the last evaluation, the champion first.
        events: Start and end.
    """

    id: str
    model: str
    champion: int
    design: ExperimentDesign
    classes: int
    state: ExperimentState
    phases: tuple[SharePhase, ...]
    judged_at: float = 0.0
    findings: tuple[ArmFinding, ...] = ()
    events: tuple[ExperimentEvent, ...] = ()

    kind: ClassVar[str] = EXPERIMENT
    """Kind of the traffic plan, as it is stored."""

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions that are compared, the champion first."""
        return (self.champion, *self.design.shares)

    @property
    def has_ended(self) -> bool:
        """Whether the model may have another experiment, or a rollout."""
        return self.state is not ExperimentState.RUNNING

    @property
    def ended_at(self) -> float | None:
        """Time of the end, in seconds since 1970; None before."""
        return self.events[-1].at if self.has_ended else None

    @property
    def since(self) -> float:
        """Time from which clients are assigned, in seconds since 1970."""
        return self.phases[0].since

    @property
    def deadline(self) -> float:
        """End of the maximum time, in seconds since 1970."""
        return self.since + self.design.max_hours * SECONDS_PER_HOUR

    @property
    def is_share(self) -> bool:
        """Whether each value of the metric is 0 or 1."""
        metric = self.design.metric
        return metric is ExperimentMetric.ERROR or (metric is ExperimentMetric.TRUTH and self.classes > 0)

    @property
    def traffic(self) -> VersionShares:
        """Shares of the versions besides the champion of the registry."""
        if self.has_ended:
            return VersionShares()
        *earlier, last = self.phases
        return VersionShares(
            shares=earlier[-1].shares if earlier else {},
            later=last.shares,
            since=last.since,
            marks_champion=True,
        )

    def has_rejected(self, version: int) -> bool:
        """Whether the evidence shows that a version is worse than the champion."""
        return any(each.version == version and each.verdict is ArmVerdict.WORSE for each in self.findings)

    def get_share(self, version: int, phase: int) -> float:
        """Return the share of the clients (0–1) that a version has in a phase."""
        shares = self.phases[phase].shares
        return 1 - math.fsum(shares.values()) if version == self.champion else shares[version]

    def find_phase(self, at: float) -> int | None:
        """Return the number of the phase at a time, from 0; None before the first."""
        found = bisect_right(self.phases, at, key=lambda phase: phase.since) - 1
        return found if found >= 0 else None

    def to_json(self) -> dict[str, Any]:
        """Build the stored document."""
        return asdict(self)


def build_experiment(document: Mapping[str, Any]) -> Experiment:
    """Build an experiment from its stored document."""
    design = document["design"]
    return Experiment(
        **{
            **document,
            "design": ExperimentDesign(
                **{
                    **design,
                    "shares": _build_shares(design["shares"]),
                    "metric": ExperimentMetric(design["metric"]),
                    "bandit": Bandit(design["bandit"]),
                }
            ),
            "state": ExperimentState(document["state"]),
            "phases": tuple(
                SharePhase(since=each["since"], shares=_build_shares(each["shares"]))
                for each in document["phases"]
            ),
            "findings": tuple(
                ArmFinding(**{**each, "verdict": each["verdict"] and ArmVerdict(each["verdict"])})
                for each in document["findings"]
            ),
            "events": tuple(
                ExperimentEvent(**{**each, "state": ExperimentState(each["state"])})
                for each in document["events"]
            ),
        }
    )


def _build_shares(document: Mapping[str, float]) -> Mapping[int, float]:
    # JSON has text keys only
    return {int(version): share for version, share in document.items()}
