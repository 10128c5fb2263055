"""The models that are served: champions, challengers and other versions, looked after in the background."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from servicio_ml.domain.ports import Clock, ModelVersion, ServedRegistry
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.errors import NoSuchModelError, NotReadyError, ServicioError
from servicio_ml.serving.served import Load, Served

logger = logging.getLogger(__name__)
SHADOW_NOTE, CANARY_NOTE = "traffic.shadow", "traffic.canary"
"""Tags of the registered model by which every process learns of its traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the challenger does.

    Attributes:
        shadow: Share of the live rows that it scores too, unanswered.
        canary: Share of the clients that it answers.
    """

    shadow: float = 0.0
    canary: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one model.

    Attributes:
        champion: Answers; None until one is loaded.
        challenger: Loaded while it has traffic.
        versions: All that are registered, the newest first, as of the last look.
        traffic: As it is now.
        checked: When the registry last answered, in seconds since 1970.
        problem: Why the registry's champion is not the one that answers; empty when it is.
    """

    champion: Served | None = None
    challenger: Served | None = None
    versions: Sequence[ModelVersion] = ()
    traffic: Traffic = field(default_factory=Traffic)
    checked: float = 0.0
    problem: str = "not looked up yet"


class Models:
    """Holds the served models; looked up in requests, refreshed outside of them.

    Args:
        registry: Where they are registered.
        load: Fetches, loads and replays a version.
        clock: Gives the time.
        names: Models to serve; all registered ones when empty.
        traffic: Of a model for which the registry notes nothing else.
        cached: Versions other than champions and challengers that are kept loaded.
        failed: Told the name of a model whose version could not be loaded.
    """

    def __init__(
        self, registry: ServedRegistry, load: Load, clock: Clock, *, names: Sequence[str] = (),
        traffic: Traffic | None = None, cached: int = 4, failed: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._registry, self._load, self._clock = registry, load, clock
        self._names, self._traffic, self._cached, self._failed = names, traffic or Traffic(), cached, failed
        self._known: dict[str, Known] = {name: Known() for name in names}
        self._others: OrderedDict[tuple[str, int], Served] = OrderedDict()
        self._refreshing, self._loading = threading.Lock(), threading.Lock()
        self._looked = False
        self.problem = "the registry is being looked at"

    @property
    def known(self) -> Mapping[str, Known]:
        """Every served model by its name."""
        return self._known

    def champions(self) -> list[Served]:
        """The champions that are loaded."""
        return [known.champion for known in self._known.values() if known.champion is not None]

    @property
    def ready(self) -> bool:
        """Whether every named model, or at least one when none is named, answers after a whole look."""
        answering = [known.champion is not None for known in self._known.values()]
        return self._looked and (all(answering) if self._names else any(answering))

    def state(self, model: str) -> Known:
        """What is known of a model.

        Raises:
            NoSuchModelError: It is not served.
        """
        known = self._known.get(model)
        if known is None and not self._looked and not self._names:
            raise NotReadyError(model, self.problem)
        if known is None:
            raise NoSuchModelError(
                model, "registered version", f"served are {', '.join(self._known) or 'none'}"
            )
        return known

    def champion(self, model: str) -> Served:
        """The version that answers.

        Raises:
            NoSuchModelError: The model is not served.
            NotReadyError: It has no champion that answers yet.
        """
        return self.voices(model)[0]

    def voices(self, model: str) -> tuple[Served, Served | None, Traffic]:
        """Champion, challenger if it is loaded, and traffic, as of one moment.

        Raises:
            ServicioError: As `champion`.
        """
        known = self.state(model)
        if known.champion is None:
            raise NotReadyError(model, known.problem)
        return known.champion, known.challenger, known.traffic

    def loaded(self, model: str, wanted: str) -> Served | None:
        """An alias or version that is loaded already."""
        info = self._wanted(model, wanted)
        known = self._known[model]
        for each in (known.champion, known.challenger):
            if each is not None and each.version == info.version:
                return each
        other = self._others.get((model, info.version))
        if other is not None:
            with suppress(KeyError):  # dropped in this very moment, and good for this once
                self._others.move_to_end((model, info.version))
        return other

    def obtain(self, model: str, wanted: str) -> Served:
        """An alias or version, loaded when it is asked for the first time: not to be called in the loop.

        Raises:
            NoSuchModelError: There is no such model, alias or version.
            ServicioError: It cannot be loaded.
        """
        with self._loading:
            found = self.loaded(model, wanted)
            if found is not None:
                return found
            made = self._load(self._wanted(model, wanted))
            self._others[model, made.version] = made
            while len(self._others) > self._cached:
                self._others.popitem(last=False)
            return made

    def forget(self, model: str, version: int) -> None:
        """Drop a version from the cache; champions and challengers stay."""
        self._others.pop((model, version), None)

    def _wanted(self, model: str, wanted: str) -> ModelVersion:
        for info in self.state(model).versions:
            if wanted == str(info.version) or wanted in info.aliases:
                return info
        remedy = "see its versions and aliases at /models/" + model
        raise NoSuchModelError(model, f"version or alias {wanted!r}", remedy)

    def refresh(self) -> None:
        """Look at the registry and load what changed; never raises, never in a request.

        What answers goes on answering while something fails.
        """
        with self._refreshing:
            try:
                names = self._names or self._registry.models()
            except ServicioError as error:
                self._down(error)
                return
            self.problem = ""
            # all are known before the first is loaded: until it is, a model is not ready, but not unknown
            self._known.update({name: Known() for name in names if name not in self._known})
            for name in names:
                self._known[name] = self._refreshed(name, self._known[name])
            self._looked = True

    def _down(self, error: ServicioError) -> None:
        if self.problem != str(error):
            logger.warning("registry lost: %s", error)
        self.problem = str(error)
        for name, known in self._known.items():
            self._known[name] = replace(known, problem=self.problem)

    def _refreshed(self, name: str, before: Known) -> Known:
        try:
            versions = self._registry.versions(name)
            notes = self._registry.notes(name)
        except ServicioError as error:
            return replace(before, problem=str(error))
        traffic = Traffic(
            shadow=_share(notes.get(SHADOW_NOTE), self._traffic.shadow),
            canary=_share(notes.get(CANARY_NOTE), self._traffic.canary),
        )
        known = replace(before, versions=versions, traffic=traffic, checked=self._clock(), problem="")
        champion = _bearer(versions, CHAMPION)
        if champion is None:
            return replace(known, problem=f"no version is {CHAMPION}; run `servicio-ml promote {name}`")
        known = self._swapped(known, "champion", champion)
        wanted = _bearer(versions, CHALLENGER) if traffic.shadow or traffic.canary else None
        if wanted is None or wanted.version == champion.version:
            return replace(known, challenger=None)
        return self._swapped(known, "challenger", wanted)

    def _swapped(self, known: Known, part: str, wanted: ModelVersion) -> Known:
        current: Served | None = getattr(known, part)
        if current is not None and current.version == wanted.version:
            return known
        try:
            made = self._others.get((wanted.model, wanted.version)) or self._load(wanted)
        except Exception as error:
            self._failed(wanted.model)
            logger.exception("%s version %d of %s not loaded", part, wanted.version, wanted.model)
            return replace(known, problem=str(error))
        logger.info("%s version %d is %s", wanted.model, wanted.version, part)
        return replace(known, **{part: made})  # type: ignore[arg-type]  # the field's name is a variable


def _bearer(versions: Sequence[ModelVersion], alias: str) -> ModelVersion | None:
    return next((each for each in versions if alias in each.aliases), None)


def _share(noted: str | None, otherwise: float) -> float:
    try:
        share = float(noted or "")
    except ValueError:
        return otherwise
    return share if 0 <= share <= 1 else otherwise
