"""Documents of experiments, as the REST interface shows them."""

from collections.abc import Mapping
from dataclasses import asdict

from pydantic import BaseModel, Field

from servicio_ml.domain.experiments.design import Bandit, ExperimentMetric
from servicio_ml.domain.experiments.effects import ArmFinding, ArmVerdict
from servicio_ml.domain.experiments.experiment import Experiment, ExperimentState


class DesignInfo(BaseModel):
    """Declaration of an experiment."""

    shares: dict[str, float] = Field(
        description="Share of the clients of each version but the champion, which has the rest."
    )
    metric: ExperimentMetric
    minimum_effect: float = Field(description="Minimum improvement that matters.")
    relative: bool = Field(description="Whether the minimum effect is a share of the champion's mean.")
    greater_is_better: bool | None = Field(description="Null for a loss or an error.")
    error_rate: float = Field(description="Probability that any verdict is ever wrong.")
    max_hours: float
    max_rows: int | None = Field(description="Maximum number of rows with ground truth; null for no limit.")
    label_hours: float = Field(description="Time after the end in which ground truth still counts.")
    design_effect: float = Field(description="Variance of a mean relative to that of independent rows.")
    bandit: Bandit
    min_share: float = Field(description="Minimum share of each version of a bandit.")
    adapt_hours: float = Field(description="Time between two changes of the shares by a bandit.")


class ArmInfo(BaseModel):
    """One version of an experiment, at the last evaluation."""

    version: int
    share: float = Field(description="Share of the clients now, or at the end.")
    rows: int = Field(description="Number of its rows with ground truth.")
    mean: float | None = Field(description="Mean of the metric; null without rows.")
    improvement: float | None = Field(
        description="Improvement over the champion, in the unit of the minimum effect; null for the champion."
    )
    low: float | None = Field(description="Lower bound of the improvement; null where there is none yet.")
    high: float | None = Field(description="Upper bound of the improvement; null where there is none yet.")
    verdict: ArmVerdict | None = Field(description="What the evidence shows; null for the champion.")


class SharePhaseInfo(BaseModel):
    """Time in which the shares are the same."""

    since: float = Field(description="Seconds since 1970.")
    shares: dict[str, float] = Field(description="Share of the clients of each version but the champion.")


class ExperimentEventInfo(BaseModel):
    """Start or end of an experiment."""

    at: float = Field(description="Seconds since 1970.")
    state: ExperimentState = Field(description="State after the change.")
    reason: str
    by: str = Field(description="Name of the key, or of the program, that made the change.")


class ExperimentInfo(BaseModel):
    """One experiment; times in seconds since 1970."""

    id: str
    model: str
    champion: int = Field(description="Version with which the others are compared.")
    state: ExperimentState
    ended: bool = Field(description="Whether the model may have another experiment, or a rollout.")
    since: float = Field(description="Time from which clients are assigned.")
    deadline: float = Field(description="End of the maximum time.")
    ended_at: float | None = Field(description="Null while it runs.")
    judged_at: float | None = Field(description="Time of the last evaluation; null before the first.")
    arms: list[ArmInfo] = Field(description="Versions, the champion first.")
    phases: list[SharePhaseInfo] = Field(description="Shares over time, the oldest first.")
    events: list[ExperimentEventInfo]
    design: DesignInfo


class ExperimentList(BaseModel):
    """Experiments of a model."""

    model: str
    experiments: list[ExperimentInfo] = Field(description="The newest first.")


def build_experiment_info(experiment: Experiment) -> ExperimentInfo:
    """Build the document of an experiment."""
    design = {**asdict(experiment.design), "shares": _name_versions(experiment.design.shares)}
    return ExperimentInfo(
        id=experiment.id, model=experiment.model, champion=experiment.champion, state=experiment.state,
        ended=experiment.has_ended, since=experiment.since, deadline=experiment.deadline,
        ended_at=experiment.ended_at, judged_at=experiment.judged_at or None, arms=_list_arms(experiment),
        phases=[
            SharePhaseInfo(since=each.since, shares=_name_versions(each.shares))
            for each in experiment.phases
        ],
        events=[ExperimentEventInfo.model_validate(asdict(each)) for each in experiment.events],
        design=DesignInfo.model_validate(design),
    )  # fmt: skip


def _list_arms(experiment: Experiment) -> list[ArmInfo]:
    found = {each.version: each for each in experiment.findings}
    unknown = [
        ArmFinding(
            version=version,
            rows=0,
            mean=None,
            verdict=None if version == experiment.champion else ArmVerdict.OPEN,
        )
        for version in experiment.versions
    ]
    return [
        ArmInfo(
            **asdict(found.get(each.version, each)),
            share=experiment.get_share(each.version, len(experiment.phases) - 1),
        )
        for each in unknown
    ]


def _name_versions(shares: Mapping[int, float]) -> dict[str, float]:
    # names of JSON objects are texts
    return {str(version): share for version, share in shares.items()}
