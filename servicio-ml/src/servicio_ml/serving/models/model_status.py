"""State of a model in this process: its loaded versions and the traffic of its challenger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.serving.models.loaded_model import LoadedModel

SHADOW_TAG, CANARY_TAG = "traffic.shadow", "traffic.canary"
"""Tags of the registered model from which every process reads its challenger's traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengerTraffic:
    """Shares of the traffic that the challenger gets.

    Attributes:
        shadow: Share of the live rows, 0 to 1, that the challenger also scores without answering them.
        canary: Share of the clients, 0 to 1, that the challenger answers.
    """

    shadow: float = 0.0
    canary: float = 0.0

    def override(self, tags: Mapping[str, str]) -> "ChallengerTraffic":
        """Return the shares that the tags of a registered model set, else these."""
        return ChallengerTraffic(
            shadow=_parse_share(tags.get(SHADOW_TAG), self.shadow),
            canary=_parse_share(tags.get(CANARY_TAG), self.canary),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """State of one model.

    Attributes:
        champion: Version that answers; None until one is loaded.
        challenger: Challenger, loaded while it has traffic.
        versions: Registered versions as of the last refresh, the newest first.
        traffic: Current shares of the challenger.
        checked_at: Time of the last successful refresh, in seconds since 1970.
        error: Reason why the registry's champion does not answer; empty when it does.
    """

    champion: LoadedModel | None = None
    challenger: LoadedModel | None = None
    versions: Sequence[ModelVersion] = ()
    traffic: ChallengerTraffic = field(default_factory=ChallengerTraffic)
    checked_at: float = 0.0
    error: str = "not looked up yet"

    def find_alias(self, alias: str) -> ModelVersion | None:
        """Return the registered version with an alias."""
        return next((each for each in self.versions if alias in each.aliases), None)


def _parse_share(tag: str | None, default: float) -> float:
    try:
        share = float(tag or "")
    except ValueError:
        return default
    # a tag that a person has mistyped must not route every client to the challenger
    return share if 0 <= share <= 1 else default
