"""Bodies of the requests about experiments."""

from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.domain.experiments.design import Bandit, ExperimentMetric
from servicio_ml.serving.rest.champion_documents import ReasonText


class StartExperimentRequest(BaseModel):
    """Declaration of an experiment; nothing of it changes later."""

    # strict: "0.2" as a share is a mistake of the client
    model_config = ConfigDict(strict=True, extra="forbid")

    shares: dict[str, float] = Field(
        description="Share of the clients (0–1) of each version, by number or alias; the champion gets the "
        "rest.",
        examples=[{"challenger": 0.3}],
    )
    # not strict: JSON has no enumerations
    metric: ExperimentMetric = Field(
        strict=False,
        description="`loss`: Brier score ((p - y)² for two classes), or absolute error; `error`: share of "
        "wrong classes; `truth`: the ground truth itself, 1 for the positive class.",
    )
    minimum_effect: float = Field(description="Minimum improvement that matters, in the metric's unit.")
    relative: bool = Field(
        default=False, description="Whether the minimum effect is a share of the champion's mean."
    )
    greater_is_better: bool | None = Field(
        default=None, description="Whether a greater truth is better; only for the metric `truth`."
    )
    error_rate: float | None = Field(
        default=None, description="Probability that any verdict is ever wrong; 0.05 by default."
    )
    max_hours: float | None = Field(default=None, description="Maximum time; 336 by default.")
    max_rows: int | None = Field(default=None, description="Maximum number of rows with ground truth.")
    label_hours: float | None = Field(
        default=None, description="Time after the end in which ground truth counts; 72 by default."
    )
    design_effect: float | None = Field(
        default=None, description="Variance of a mean relative to that of independent rows; 1 by default."
    )
    bandit: Bandit | None = Field(default=None, strict=False)
    min_share: float | None = Field(
        default=None, description="Minimum share of each version of a bandit; 0.05 by default."
    )
    adapt_hours: float | None = Field(
        default=None, description="Time between two changes of the shares by a bandit; 1 by default."
    )


class StopExperimentRequest(BaseModel):
    """End of an experiment by a person."""

    model_config = ConfigDict(strict=True, extra="forbid")

    reason: ReasonText | None = Field(default=None, description="Reason in your words.")
