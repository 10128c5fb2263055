"""State of a model in this process: its loaded versions and the traffic of its challenger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.rollout.traffic import VersionShares
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

    def build_shares(self, challenger: ModelVersion | None) -> VersionShares:
        """Build the shares of the challenger; empty without one, or without traffic."""
        # a challenger without traffic is not kept in memory
        if challenger is None or not (self.shadow or self.canary):
            return VersionShares()
        return VersionShares(shadow=self.shadow, shares={challenger.version: self.canary})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """State of one model.

    Attributes:
        champion: Version that answers; None until one is loaded.
        others: Other versions that are loaded because they have traffic, or score in shadow.
        versions: Registered versions as of the last refresh, the newest first.
        traffic: Shares of the challenger that were set by hand.
        shares: Shares of the other versions that follow from it.
        checked_at: Time of the last successful refresh, in seconds since 1970.
        error: Reason why the registry's champion does not answer; empty when it does.
    """

    champion: LoadedModel | None = None
    others: tuple[LoadedModel, ...] = ()
    versions: Sequence[ModelVersion] = ()
    traffic: ChallengerTraffic = field(default_factory=ChallengerTraffic)
    shares: VersionShares = field(default_factory=VersionShares)
    checked_at: float = 0.0
    error: str = "not looked up yet"

    @property
    def challenger(self) -> LoadedModel | None:
        """The first of the other versions."""
        return self.others[0] if self.others else None

    def find_loaded(self, version: int) -> LoadedModel | None:
        """Return the loaded champion or other version of a number."""
        return next((each for each in self.loaded if each.version == version), None)

    @property
    def loaded(self) -> tuple[LoadedModel, ...]:
        """The champion and the other versions."""
        return self.others if self.champion is None else (self.champion, *self.others)

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
