"""Bodies of the requests about rollouts."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.domain.rollout.ramp import Undecided
from servicio_ml.serving.rest.champion_documents import MAX_VERSION, ReasonText


class RampOverrides(BaseModel):
    """Fields of the ramp that differ from those of the use case; see the `ramp` of a rollout."""

    # strict: 1 as a truth or "0.2" as a share is a mistake of the client
    model_config = ConfigDict(strict=True, extra="forbid")

    shadow: float | None = None
    steps: list[float] | None = Field(default=None, examples=[[0.05, 0.5, 1.0]])
    min_rows: int | None = None
    min_hours: float | None = None
    max_hours: float | None = None
    # not strict: JSON has no enumerations
    undecided: Undecided | None = Field(default=None, strict=False)
    needs_labels: bool | None = None
    max_loss_growth: float | None = None
    max_expected_loss_growth: float | None = None
    max_shift: float | None = None
    max_failure_rate: float | None = None
    max_latency_growth: float | None = None
    error_rate: float | None = None
    watch_hours: float | None = None

    def list_given(self) -> dict[str, Any]:
        """List the given fields by name."""
        return self.model_dump(exclude_none=True)


class StartRolloutRequest(BaseModel):
    """Version to roll out, by its number or an alias."""

    model_config = ConfigDict(strict=True, extra="forbid")

    version: int | None = Field(default=None, ge=1, le=MAX_VERSION)
    alias: str | None = Field(
        default=None, min_length=1, description="The default is `challenger`. Not together with `version`."
    )
    ramp: RampOverrides = RampOverrides()


class ChangeRolloutRequest(BaseModel):
    """Change of a rollout."""

    model_config = ConfigDict(strict=True, extra="forbid")

    reason: ReasonText | None = Field(default=None, description="Reason in your words, for the history.")
