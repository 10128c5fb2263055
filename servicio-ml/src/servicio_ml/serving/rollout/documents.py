"""Documents of the routes for rollouts."""

from dataclasses import asdict

from pydantic import BaseModel, Field

from servicio_ml.domain.rollout.guardrails import Guardrail, Verdict
from servicio_ml.domain.rollout.ramp import Undecided
from servicio_ml.domain.rollout.rollout import TIMED, Rollout, RolloutState


class RampInfo(BaseModel):
    """Steps, limits and deadlines of a rollout; shares from 0 to 1."""

    shadow: float = Field(description="Share of the rows that the version which does not answer scores, too.")
    steps: list[float] = Field(description="Shares of the clients that the challenger answers.")
    min_rows: int = Field(description="Minimum number of rows that the challenger has scored in a step.")
    min_hours: float = Field(description="Minimum time of a step.")
    max_hours: float = Field(description="Maximum time of a step.")
    undecided: Undecided = Field(description="What happens after the maximum time without enough evidence.")
    needs_labels: bool = Field(description="Whether a step waits for evidence on the loss.")
    max_loss_growth: float = Field(
        description="Maximum growth of the loss on labelled rows, as a share of the champion's."
    )
    max_expected_loss_growth: float = Field(
        description="Maximum growth of the loss that each version expects of itself."
    )
    max_shift: float = Field(
        description="Maximum shift of the mean of a score, in pooled standard deviations of both."
    )
    max_failure_rate: float = Field(description="Maximum share of rows that the challenger fails to score.")
    max_latency_growth: float = Field(
        description="Maximum growth of the time to score the same rows, as a share of the champion's."
    )
    error_rate: float = Field(
        description="Probability that a challenger within all limits is rolled back, in ramp and watch each."
    )
    watch_hours: float = Field(
        description="Time after the last step in which the former champion scores in shadow."
    )


class GuardrailInfo(BaseModel):
    """Evidence on one guardrail at the last evaluation."""

    guardrail: Guardrail
    verdict: Verdict = Field(description="Whether the evidence shows a breach, that it holds, or neither.")
    rows: int = Field(description="Number of rows, or of timed trials, behind it.")
    value: float | None = Field(description="Measured value in the unit of the limit; null without rows.")
    limit: float
    text: str = Field(description="The finding in words.")


class RolloutEventInfo(BaseModel):
    """Change of a rollout."""

    at: float = Field(description="Seconds since 1970.")
    state: RolloutState = Field(description="State after the change.")
    share: float = Field(description="Share of the clients that the challenger answers from then on.")
    reason: str
    by: str = Field(description="Name of the key, or of the program, that made the change.")


class RolloutInfo(BaseModel):
    """One rollout; times in seconds since 1970."""

    id: str
    model: str
    champion: int = Field(description="Version that was champion at the start.")
    challenger: int = Field(description="Version that is rolled out.")
    state: RolloutState
    ended: bool = Field(description="Whether the model may have another rollout.")
    share: float = Field(
        description="Share of the clients that the challenger answers now, or at the end of the rollout."
    )
    step: int = Field(description="Number of the step, from 1; 0 for the challenger in shadow only.")
    steps: list[float] = Field(description="Share of each step.")
    since: float = Field(description="Time from which the step or the state applies.")
    deadline: float | None = Field(
        description="End of the maximum time of step or watch; null in the other states."
    )
    started_at: float
    judged_at: float | None = Field(description="Time of the last evaluation; null before the first.")
    rows_before: int = Field(description="Number of rows that the challenger had scored before the step.")
    findings: list[GuardrailInfo] = Field(description="Evidence at the last evaluation.")
    events: list[RolloutEventInfo] = Field(description="Changes, the oldest first.")
    ramp: RampInfo


class RolloutList(BaseModel):
    """Rollouts of a model."""

    model: str
    rollouts: list[RolloutInfo] = Field(description="The newest first.")


def build_rollout_info(rollout: Rollout, now: float) -> RolloutInfo:
    """Build the document of a rollout.

    Args:
        rollout: Rollout.
        now: Time in seconds since 1970.
    """
    return RolloutInfo(
        id=rollout.id, model=rollout.model, champion=rollout.champion, challenger=rollout.challenger,
        state=rollout.state, ended=rollout.has_ended, share=rollout.get_share(now), step=rollout.step,
        steps=list(rollout.ramp.steps), since=rollout.since,
        deadline=rollout.deadline if rollout.state in TIMED else None,
        started_at=rollout.started_at, judged_at=rollout.judged_at or None, rows_before=rollout.rows_before,
        findings=[
            GuardrailInfo(
                guardrail=each.guardrail, verdict=each.verdict, rows=each.rows, value=each.value,
                limit=each.limit, text=str(each),
            )
            for each in rollout.findings
        ],
        events=[
            RolloutEventInfo(
                at=each.at, state=each.state, share=each.share, reason=each.reason, by=each.by
            )
            for each in rollout.events
        ],
        ramp=RampInfo.model_validate(asdict(rollout.ramp)),
    )  # fmt: skip
