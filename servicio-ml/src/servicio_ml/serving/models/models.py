"""The loaded models: champions, challengers and other versions, refreshed in the background."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.registry import ModelVersion, RegistryReader
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.domain.rollout.traffic import VersionShares
from servicio_ml.domain.rollout.traffic_plan import TrafficPlan
from servicio_ml.errors import ForeignModelError, NoSuchModelError, NotReadyError, ServicioError
from servicio_ml.serving.models.loaded_model import LoadedModel, LoadModel
from servicio_ml.serving.models.model_status import ChallengerTraffic, ModelStatus

logger = logging.getLogger(__name__)


class LoadedModels:
    """The loaded models; requests look them up, a background task refreshes them.

    Args:
        registry: Registry of the versions.
        load: Fetches, loads and verifies a version.
        clock: Returns the time in seconds since 1970.
        names: Models to load; all registered ones when empty.
        traffic: Shares of a challenger whose model has no tags of its own.
        load_plan: Loads the newest traffic plan of a model; raises `ServicioError` when it cannot.
        cache_size: Maximum number of cached versions other than champions and challengers.
        on_load_failure: Called with the name of a model whose version could not be loaded.
    """

    def __init__(
        self,
        registry: RegistryReader,
        load: LoadModel,
        clock: Clock,
        *,
        names: Sequence[str] = (),
        traffic: ChallengerTraffic | None = None,
        load_plan: Callable[[str], TrafficPlan | None] = lambda _: None,
        cache_size: int = 4,
        on_load_failure: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._registry, self._load, self._clock = registry, load, clock
        self._names, self._traffic, self._cache_size, self._on_load_failure = (
            names,
            traffic or ChallengerTraffic(),
            cache_size,
            on_load_failure,
        )
        self._load_plan = load_plan
        self._plans: dict[str, _PlanShares] = {}
        self._statuses: dict[str, ModelStatus] = {name: ModelStatus() for name in names}
        self._cache: OrderedDict[tuple[str, int], LoadedModel] = OrderedDict()
        self._foreign: dict[tuple[str, int], ForeignModelError] = {}
        # two locks: a slow load on request must not delay the background refresh
        self._refresh_lock, self._load_lock = threading.Lock(), threading.Lock()
        self._has_refreshed = False
        self.registry_error = "the registry has not been read yet"

    @property
    def statuses(self) -> Mapping[str, ModelStatus]:
        """State of every model by its name."""
        return self._statuses

    def list_champions(self) -> list[LoadedModel]:
        """List the loaded champions."""
        return [status.champion for status in self._statuses.values() if status.champion is not None]

    def list_loaded(self) -> list[LoadedModel]:
        """List the loaded versions: champions, challengers and others."""
        roles = [each for status in self._statuses.values() for each in status.loaded]
        return [*roles, *self._cache.values()]

    @property
    def is_ready(self) -> bool:
        """Whether every named model, or at least one when none is named, answers after a complete refresh."""
        # not before the first complete refresh: a load balancer would send requests to half the models
        answering = [status.champion is not None for status in self._statuses.values()]
        return self._has_refreshed and (all(answering) if self._names else any(answering))

    def get_status(self, model: str) -> ModelStatus:
        """Return the state of a model.

        Raises:
            NoSuchModelError: There is no such model here.
            NotReadyError: The registry has not been read yet.
        """
        status = self._statuses.get(model)
        # before the first refresh nobody knows whether the model exists: 503, not 404
        if status is None and not self._has_refreshed and not self._names:
            raise NotReadyError(model, self.registry_error)
        if status is None:
            raise NoSuchModelError(
                model, "registered version", f"served are {', '.join(self._statuses) or 'none'}"
            )
        return status

    def get_champion(self, model: str) -> LoadedModel:
        """Return the champion of a model.

        Raises:
            NoSuchModelError: There is no such model here.
            NotReadyError: The model has no loaded champion yet.
        """
        return self.get_serving_versions(model)[0]

    def get_serving_versions(self, model: str) -> tuple[LoadedModel, tuple[LoadedModel, ...], VersionShares]:
        """Return the champion, the other loaded versions, and their shares, as of one moment.

        Raises:
            ServicioError: As in `get_champion`.
        """
        status = self.get_status(model)
        if status.champion is None:
            raise NotReadyError(model, status.error)
        return status.champion, status.others, self.get_shares(model)

    def get_plan(self, model: str) -> TrafficPlan | None:
        """Return the newest traffic plan of a model, as it was read last; None without one."""
        found = self._plans.get(model)
        return found.plan if found else None

    def get_shares(self, model: str) -> VersionShares:
        """Return the shares of the versions besides the champion: those of its plan, or set by hand."""
        found, status = self._plans.get(model), self._statuses[model]
        if found is None or found.plan.has_ended:
            return status.shares
        if status.champion is not None and status.champion.version not in found.champions:
            # set by hand, in an emergency perhaps: it answers all at once
            return VersionShares()
        return found.handover if status.checked_at < found.since else found.shares

    def get_loaded(self, model: str, version_or_alias: str) -> LoadedModel | None:
        """Return an alias or version that is loaded already, else None."""
        info = self._find_version(model, version_or_alias)
        status = self._statuses[model]
        found = status.find_loaded(info.version)
        if found is not None:
            return found
        other = self._cache.get((model, info.version))
        if other is not None:
            with suppress(KeyError):  # evicted by another thread meanwhile, and still good for this request
                self._cache.move_to_end((model, info.version))
        return other

    def get_or_load(self, model: str, version_or_alias: str) -> LoadedModel:
        """Return an alias or version and load it if necessary; blocks, so never call it in the event loop.

        Raises:
            NoSuchModelError: There is no such model, alias or version.
            ServicioError: The version cannot be loaded.
        """
        with self._load_lock:
            # looked up again under the lock: another thread may have loaded it meanwhile
            loaded = self.get_loaded(model, version_or_alias)
            if loaded is not None:
                return loaded
            loaded = self._load(self._find_version(model, version_or_alias))
            self._cache[model, loaded.version] = loaded
            # least recently used first: `get_loaded` moves what it finds to the end
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
            return loaded

    def evict(self, model: str, version: int) -> None:
        """Remove a version from the cache; champions and challengers stay."""
        self._cache.pop((model, version), None)

    def _find_version(self, model: str, version_or_alias: str) -> ModelVersion:
        for info in self.get_status(model).versions:
            if version_or_alias == str(info.version) or version_or_alias in info.aliases:
                return info
        remedy = "see its versions and aliases at /models/" + model
        raise NoSuchModelError(model, f"version or alias {version_or_alias!r}", remedy)

    def refresh_plans(self) -> bool:
        """Read the traffic plans, without the registry, and return whether the versions in use have changed.

        The last plans hold while the store fails.
        """
        changed = False
        for name in list(self._statuses):
            try:
                plan = self._load_plan(name)
            # the store is one for all models: the others would fail in the same manner
            except ServicioError as error:
                logger.warning("cannot read the traffic plans: %s", error)
                return changed
            if plan is not None:
                before = self._plans.get(name)
                # made once: requests ask for the shares
                self._plans[name] = found = _build_plan_shares(plan)
                changed |= before is None or before.shares != found.shares
        return changed

    def refresh(self) -> None:
        """Read the registry and load the versions that changed; never called in a request.

        Loaded versions go on answering while the registry or a version fails.
        """
        with self._refresh_lock:
            try:
                names = self._names or self._registry.list_models()
            except ServicioError as error:
                self._mark_unreachable(error)
                return
            self.registry_error = ""
            # listed before the first is loaded: until then a model is not ready, but not unknown
            self._statuses.update({name: ModelStatus() for name in names if name not in self._statuses})
            self.refresh_plans()
            for name in names:
                self._statuses[name] = self._refresh_model(name, self._statuses[name])
            for name in self._statuses.keys() - {*names}:
                problem = "MLflow has no such model any more; what answers is the version loaded before"
                self._statuses[name] = replace(self._statuses[name], versions=(), error=problem)
            self._has_refreshed = True

    def _mark_unreachable(self, error: ServicioError) -> None:
        # logged once per outage, not at every refresh
        if self.registry_error != str(error):
            logger.warning("registry lost: %s", error)
        self.registry_error = str(error)
        for name, status in self._statuses.items():
            self._statuses[name] = replace(status, error=self.registry_error)

    def _refresh_model(self, name: str, before: ModelStatus) -> ModelStatus:
        try:
            versions = self._registry.list_versions(name)
            tags = self._registry.get_model_tags(name)
        except ServicioError as error:
            return replace(before, error=str(error))
        traffic, shares = self._decide_traffic(name, versions, tags)
        status = replace(
            before, versions=versions, traffic=traffic, shares=shares, checked_at=self._clock(), error=""
        )
        champion = status.find_alias(CHAMPION)
        if champion is None:
            return replace(status, error=f"no version is {CHAMPION}; run `servicio-ml promote {name}`")
        status = self._load_champion(status, champion)
        return self._load_others(status, champion.version, self._list_needed(name, shares))

    def _decide_traffic(
        self, name: str, versions: Sequence[ModelVersion], tags: Mapping[str, str]
    ) -> tuple[ChallengerTraffic, VersionShares]:
        traffic = self._traffic.override(tags)
        challenger = next((each for each in versions if CHALLENGER in each.aliases), None)
        plan = self.get_plan(name)
        if plan is not None and challenger is not None and plan.has_rejected(challenger.version):
            # shares by hand are older than the evidence against the version
            return traffic, VersionShares()
        return traffic, traffic.build_shares(challenger)

    def _list_needed(self, name: str, shares: VersionShares) -> list[int]:
        """List the versions besides the champion that have traffic or score in shadow."""
        found = self._plans.get(name)
        if found is not None and not found.plan.has_ended:
            shares = found.shares
        return [*dict.fromkeys((*shares.shares, *shares.later))]

    def _load_champion(self, status: ModelStatus, info: ModelVersion) -> ModelStatus:
        loaded = status.find_loaded(info.version)
        try:
            return replace(status, champion=loaded or self._load_role("champion", info))
        except Exception as error:  # noqa: BLE001  logged; the loaded version goes on answering
            return replace(status, error=str(error))

    def _load_others(self, status: ModelStatus, champion: int, needed: Sequence[int]) -> ModelStatus:
        known = {each.version: each for each in status.versions}
        others: list[LoadedModel] = []
        for version in needed:
            if version == champion or version not in known:
                continue
            try:
                others.append(status.find_loaded(version) or self._load_role("challenger", known[version]))
            except Exception as error:  # noqa: BLE001  logged; the champion goes on answering
                status = replace(status, error=str(error))
        return replace(status, others=tuple(others))

    def _load_role(self, role: str, info: ModelVersion) -> LoadedModel:
        """Load a version; an error is logged and counted."""
        # a version never changes, so that one of another origin is not fetched at every refresh
        if (known := self._foreign.get((info.model, info.version))) is not None:
            raise known
        try:
            loaded = self._cache.get((info.model, info.version)) or self._load(info)
        # any error: the loaded versions go on answering, whatever is wrong with the new one
        except Exception as error:
            if foreign := isinstance(error, ForeignModelError):
                self._foreign[info.model, info.version] = error
            self._on_load_failure(info.model)
            # the message of a foreign version says it all
            logger.error(  # noqa: TRY400
                "%s version %d of %s not loaded: %s",
                role,
                info.version,
                info.model,
                error,
                exc_info=not foreign,
            )
            raise
        logger.info("%s version %d is %s", info.model, info.version, role)
        return loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlanShares:
    """Traffic plan with its shares, which requests ask for, and those until the registry is read again.

    They hold for the champions of the plan only.
    """

    plan: TrafficPlan
    champions: frozenset[int]
    shares: VersionShares
    handover: VersionShares
    since: float


def _build_plan_shares(plan: TrafficPlan) -> _PlanShares:
    if isinstance(plan, Rollout):
        champions = frozenset({plan.champion, plan.challenger})
        return _PlanShares(
            plan=plan, champions=champions, shares=plan.traffic, handover=plan.handover, since=plan.since
        )
    shares = plan.traffic
    return _PlanShares(
        plan=plan, champions=frozenset({plan.champion}), shares=shares, handover=shares, since=0.0
    )
