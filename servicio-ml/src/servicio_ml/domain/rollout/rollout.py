"""State of a rollout, which all replicas share."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any, ClassVar

from servicio_ml.domain.retraining import SECONDS_PER_HOUR
from servicio_ml.domain.rollout.guardrails import Guardrail, GuardrailFinding, Verdict
from servicio_ml.domain.rollout.ramp import Ramp, build_ramp
from servicio_ml.domain.rollout.traffic import VersionShares

ROLLOUT = "rollout"


class RolloutState(StrEnum):
    """States of a rollout; their values are public."""

    RAMPING = "ramping"
    PAUSED = "paused"
    # decided, and the alias in the registry not moved yet
    PROMOTING = "promoting"
    WATCHING = "watching"
    ROLLING_BACK = "rolling_back"
    FINISHED = "finished"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"


ENDED = frozenset({RolloutState.FINISHED, RolloutState.ROLLED_BACK, RolloutState.ABORTED})
"""States after which the model may have another rollout."""
SWITCHED = frozenset({RolloutState.WATCHING, RolloutState.ROLLING_BACK})
"""States in which the challenger is champion."""
TIMED = frozenset({RolloutState.RAMPING, RolloutState.WATCHING})
"""States with a deadline."""


class Recorded(IntEnum):
    """What of a rollout is in the history of the model."""

    NOTHING = 0
    START = 1
    END = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEvent:
    """Change of a rollout.

    Attributes:
        at: Time, in seconds since 1970.
        state: State after the change.
        share: Share of the clients (0–1) that the challenger answers from then on.
        reason: Explanation in one sentence.
        by: Name of the person or program that made the change.
    """

    at: float
    state: RolloutState
    share: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One rollout.

    Attributes:
        id: Identifier, unique for a model.
        model: Name of the model.
        champion: Version that was champion at the start.
        challenger: Version that is rolled out.
        ramp: Steps, limits and deadlines.
        state: Present state.
        step: Number of the step; 0 for the challenger in shadow only.
        since: Time from which the step or the state applies, in seconds since 1970.
        started_at: Time of the start, in seconds since 1970.
        resumed_at: Time of the last resumption, in seconds since 1970; 0 without one.
        rows_before: Number of rows that the challenger had scored when the step began.
        judged_at: Time of the last evaluation, in seconds since 1970.
        findings: Evidence at the last evaluation.
        events: Changes, the oldest first.
        recorded: What of it is in the history of the model.
    """

    id: str
    model: str
    champion: int
    challenger: int
    ramp: Ramp
    state: RolloutState
    step: int
    since: float
    started_at: float
    resumed_at: float = 0.0
    rows_before: int = 0
    judged_at: float = 0.0
    findings: tuple[GuardrailFinding, ...] = ()
    events: tuple[RolloutEvent, ...] = ()
    recorded: Recorded = Recorded.NOTHING

    kind: ClassVar[str] = ROLLOUT
    """Kind of the traffic plan, as it is stored."""

    @property
    def has_ended(self) -> bool:
        """Whether the model may have another rollout."""
        return self.state in ENDED

    def has_rejected(self, version: int) -> bool:
        """Whether the rollout has ended against a version."""
        return version == self.challenger and self.state in {RolloutState.ROLLED_BACK, RolloutState.ABORTED}

    @property
    def evidence_id(self) -> str:
        """Identifier of what the servers count: the watch has evidence of its own.

        A model that turns bad after many good rows would be found late by their common mean.
        """
        return f"{self.id} watch" if self.state in SWITCHED else self.id

    @property
    def evidence_since(self) -> float:
        """Time from which rows are evidence, in seconds since 1970."""
        return self.since if self.state in SWITCHED else self.started_at

    @property
    def share(self) -> float:
        """Share of the clients that the challenger answers, or will answer from `since` on."""
        if self.has_ended or self.state in SWITCHED:
            return 0.0
        return self.get_step_share(self.step)

    def get_share(self, now: float) -> float:
        """Return the share of the clients that the challenger answers at a time, as champion or not."""
        if self.state in {RolloutState.WATCHING, RolloutState.FINISHED}:
            return 1.0
        return self.traffic.get_shares(now).get(self.challenger, 0.0)

    @property
    def deadline(self) -> float:
        """End of the maximum time of the step or of the watch, in seconds since 1970."""
        hours = self.ramp.watch_hours if self.state is RolloutState.WATCHING else self.ramp.max_hours
        return max(self.since, self.resumed_at) + hours * SECONDS_PER_HOUR

    def get_step_share(self, step: int) -> float:
        """Return the share of a step; 0 of the shadow before the first."""
        return self.ramp.steps[step - 1] if step else 0.0

    @property
    def traffic(self) -> VersionShares:
        """Shares of the versions besides the champion of the registry."""
        if self.has_ended:
            return VersionShares()
        if self.state in SWITCHED:
            # the roles are changed: the former champion scores in shadow, and takes all back at a rollback
            share = float(self.state is RolloutState.ROLLING_BACK)
            return VersionShares(shadow=self.ramp.shadow, shares={self.champion: share})
        before = self.get_step_share(max(self.step - 1, 0))
        return VersionShares(
            shadow=self.ramp.shadow,
            shares={self.challenger: before},
            later={self.challenger: self.share},
            since=self.since,
        )

    @property
    def handover(self) -> VersionShares:
        """Shares where the registry was read before the alias moved, so that its champion is the former."""
        if self.state is not RolloutState.WATCHING:
            return self.traffic
        return VersionShares(shadow=self.ramp.shadow, shares={self.challenger: 1.0, self.champion: 0.0})

    def to_json(self) -> dict[str, Any]:
        """Build the stored document."""
        return asdict(self)


def build_rollout(document: Mapping[str, Any]) -> Rollout:
    """Build a rollout from its stored document."""
    return Rollout(
        **{
            **document,
            "ramp": build_ramp(document["ramp"]),
            "state": RolloutState(document["state"]),
            "recorded": Recorded(document["recorded"]),
            "findings": tuple(
                GuardrailFinding(
                    **{
                        **each,
                        "guardrail": Guardrail(each["guardrail"]),
                        "verdict": Verdict(each["verdict"]),
                    }
                )
                for each in document["findings"]
            ),
            "events": tuple(
                RolloutEvent(**{**each, "state": RolloutState(each["state"])}) for each in document["events"]
            ),
        }
    )
