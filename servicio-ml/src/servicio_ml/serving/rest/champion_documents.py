"""Documents of the routes about champions."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from servicio_ml.domain.promotion import DecisionRecord, PromotionDecision
from servicio_ml.domain.rollout.rollout import ROLLOUT, build_rollout
from servicio_ml.lifecycle.decision_history import build_tenures
from servicio_ml.lifecycle.model_history_reader import TrainingCandidates
from servicio_ml.serving.rollout.documents import RolloutInfo, build_rollout_info

MAX_REASON_CHARACTERS = 500
# greater numbers do not fit the registry's integer column
MAX_VERSION = (1 << 31) - 1
WEIGHT_DESCRIPTION = "Field by which rows are weighted in the metrics; empty where all count the same."
VersionPath = Annotated[int, Path(ge=1, le=MAX_VERSION)]
ReasonText = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_REASON_CHARACTERS, pattern=r"^[^\x00]*$"
    ),
]


class TenureState(BaseModel):
    """Tenure of a champion; times in seconds since 1970."""

    version: int
    since: float
    until: float | None = Field(description="Null for the current champion.")
    by: str
    reason: str


class GateState(BaseModel):
    """One condition of a promotion."""

    name: str
    passed: bool
    detail: str


class SliceState(BaseModel):
    """One level of one field."""

    field: str
    level: str
    rows: int
    gain: float | None


class GroupRatesState(BaseModel):
    """Rates of the challenger in one group of a protected attribute; undefined numbers are null."""

    field: str
    group: str
    rows: int
    positives: int = Field(description="Rows whose truth is the positive label.")
    selection_rate: float | None = Field(description="Share of the rows that is answered positive.")
    tpr: float | None = Field(description="Share of the positive rows that is answered positive.")
    fpr: float | None = Field(description="Share of the negative rows that is answered positive.")
    calibration_error: float | None = Field(
        description="|mean probability of the positive label - share of positive rows|."
    )


class ModelComparisonState(BaseModel):
    """Champion and challenger on the same rows, not trained on by either; undefined numbers are null."""

    rows: int
    challenger: float | None = Field(description="Metric of the challenger.")
    champion: float | None = Field(description="Metric of the champion; null where there was none.")
    gain: float | None = Field(
        description="Improvement of the challenger, in the metric's unit; for an error, relative to the "
        "champion's."
    )
    interval: tuple[float | None, float | None] | None = Field(description="95 % interval of the gain.")
    slices: list[SliceState] = []
    calibration_error: float | None
    latency_seconds: float | None = Field(description="Median time of one row.")
    fairness: list[GroupRatesState] = []


class PromotionPolicyState(BaseModel):
    """Thresholds of the promotion."""

    metric: str
    floor: float
    margin: float = Field(description="Tolerated loss at the lower end of the interval.")
    max_slice_loss: float
    max_calibration_error: float
    max_latency_seconds: float


class EvidenceState(BaseModel):
    """Evidence of an evaluation."""

    period: str
    data_digest: str
    metric: str
    sample_weight: str = Field(description=WEIGHT_DESCRIPTION)
    policy: PromotionPolicyState
    comparison: ModelComparisonState
    gates: list[GateState]


class ChampionDecisionState(BaseModel):
    """One champion decision."""

    decision: PromotionDecision
    version: int = Field(description="Version that was evaluated, or that a rollback restored.")
    against: int | None = Field(description="Previous champion; null where there was none.")
    by: str
    at: float = Field(description="Seconds since 1970.")
    reason: str
    evidence: EvidenceState | None = Field(
        description="Null for decisions without an evaluation, or of old releases."
    )
    rollout: RolloutInfo | None = Field(
        description="State of the rollout that made the decision, at that time."
    )


class ChampionHistoryState(BaseModel):
    """Tenures and decisions of a model, the newest first."""

    model: str
    champions: list[TenureState]
    decisions: list[ChampionDecisionState]


class CandidateState(BaseModel):
    """Result of a candidate in a training; undefined numbers are null."""

    # later trainings may record more than this release shows
    model_config = ConfigDict(extra="ignore")

    candidate: str
    version: int | None = Field(description="Null for a candidate without a registered artifact.")
    eligible: bool
    reason: str = Field(description="Reason why the candidate is not eligible for promotion; else empty.")
    params: dict[str, Any]
    trials: int = Field(description="Number of finished trials; 0 where they were not counted.")
    validation: float | None = Field(description="The use case's metric in cross-validation.")
    validation_error: float | None = Field(description="Standard error of `validation`.")
    metrics: dict[str, float | None] = Field(description="Metrics on the holdout.")
    latency_seconds: float | None = Field(description="Median time of one row.")
    parity: float | None = Field(description="Maximum difference to the original model on the holdout.")
    threshold: float | None


class CandidatesState(BaseModel):
    """Candidates of the latest successful training; times in seconds since 1970."""

    model: str
    run_id: str
    period: str
    data_digest: str
    started: float
    ended: float | None
    train_rows: int
    test_rows: int
    sample_weight: str = Field(description=WEIGHT_DESCRIPTION)
    decision: str = Field(description="Decision on the winner; empty where there was none.")
    candidates: list[CandidateState] = Field(description="The winner first.")


class PicturesState(BaseModel):
    """Pictures of a version and of its training."""

    model: str
    version: int
    pictures: list[str] = Field(description="Names of the PNG pictures below this path.")


class SetChampionRequest(BaseModel):
    """Request to make a version champion."""

    # strict: "1" or 1.0 as a version is a mistake of the client
    model_config = ConfigDict(strict=True, extra="forbid")

    version: int = Field(ge=1, le=MAX_VERSION)
    reason: ReasonText = Field(description="Reason in your words, for the history.")
    instead_of: int | None = Field(
        default=None, ge=1, le=MAX_VERSION,
        description="Expected current champion: with another one, the request is refused.",
    )  # fmt: skip


def build_decision_state(decision: DecisionRecord) -> ChampionDecisionState:
    """Build the document of a decision."""
    evidence = dict(decision.evidence)
    rollout = evidence.pop(ROLLOUT, None)
    return ChampionDecisionState(
        decision=decision.decision,
        version=decision.challenger,
        against=decision.champion,
        by=decision.by,
        at=decision.at,
        reason=decision.reason,
        evidence=EvidenceState.model_validate(evidence) if evidence else None,
        rollout=build_rollout_info(build_rollout(rollout), decision.at) if rollout else None,
    )


def build_history_state(model: str, decisions: Sequence[DecisionRecord]) -> ChampionHistoryState:
    """Build the document of a model's decisions and of the tenures that follow from them."""
    return ChampionHistoryState(
        model=model,
        champions=[
            TenureState(
                version=each.version, since=each.since, until=each.until, by=each.by, reason=each.reason
            )
            for each in build_tenures(decisions)
        ],
        decisions=[build_decision_state(each) for each in decisions],
    )


def build_candidates_state(model: str, candidates: TrainingCandidates) -> CandidatesState:
    """Build the document of the candidates."""
    return CandidatesState(
        model=model, run_id=candidates.run_id, period=candidates.period, data_digest=candidates.data_digest,
        started=candidates.started, ended=candidates.ended, train_rows=candidates.rows["train"],
        test_rows=candidates.rows["test"], sample_weight=candidates.sample_weight,
        decision=candidates.decision,
        candidates=[CandidateState.model_validate(each) for each in candidates.table],
    )  # fmt: skip
