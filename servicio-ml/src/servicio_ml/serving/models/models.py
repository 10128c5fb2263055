"""The loaded models: champions, challengers and other versions, refreshed in the background."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.registry import ModelVersion, RegistryReader
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
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
        self._statuses: dict[str, ModelStatus] = {name: ModelStatus() for name in names}
        self._cache: OrderedDict[tuple[str, int], LoadedModel] = OrderedDict()
        self._foreign: dict[tuple[str, int], str] = {}
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
        roles = [each for status in self._statuses.values() for each in (status.champion, status.challenger)]
        return [*filter(None, roles), *self._cache.values()]

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

    def get_serving_versions(self, model: str) -> tuple[LoadedModel, LoadedModel | None, ChallengerTraffic]:
        """Return the champion, the challenger if it is loaded, and the traffic, as of one moment.

        Raises:
            ServicioError: As in `get_champion`.
        """
        status = self.get_status(model)
        if status.champion is None:
            raise NotReadyError(model, status.error)
        return status.champion, status.challenger, status.traffic

    def get_loaded(self, model: str, version_or_alias: str) -> LoadedModel | None:
        """Return an alias or version that is loaded already, else None."""
        info = self._find_version(model, version_or_alias)
        status = self._statuses[model]
        for each in (status.champion, status.challenger):
            if each is not None and each.version == info.version:
                return each
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
        traffic = self._traffic.override(tags)
        status = replace(before, versions=versions, traffic=traffic, checked_at=self._clock(), error="")
        champion = status.find_alias(CHAMPION)
        if champion is None:
            return replace(status, error=f"no version is {CHAMPION}; run `servicio-ml promote {name}`")
        status = self._load_role(status, "champion", champion)
        challenger = status.find_alias(CHALLENGER) if traffic.shadow or traffic.canary else None
        # a challenger without traffic is not kept in memory
        if challenger is None or challenger.version == champion.version:
            return replace(status, challenger=None)
        return self._load_role(status, "challenger", challenger)

    def _load_role(self, status: ModelStatus, role: str, info: ModelVersion) -> ModelStatus:
        current: LoadedModel | None = getattr(status, role)
        if current is not None and current.version == info.version:
            return status
        # a version never changes, so that one of another origin is not fetched at every refresh
        if (problem := self._foreign.get((info.model, info.version))) is not None:
            return replace(status, error=problem)
        try:
            loaded = self._cache.get((info.model, info.version)) or self._load(info)
        # any error: the loaded version goes on answering, whatever is wrong with the new one
        except Exception as error:
            foreign = isinstance(error, ForeignModelError)
            if foreign:
                self._foreign[info.model, info.version] = str(error)
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
            return replace(status, error=str(error))
        logger.info("%s version %d is %s", info.model, info.version, role)
        return replace(status, **{role: loaded})  # type: ignore[arg-type]  # the field's name is a variable
