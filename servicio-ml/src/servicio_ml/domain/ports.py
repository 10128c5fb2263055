"""The ports: what pipeline and serving ask of the world, each met by a real adapter and an in-memory one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from servicio_ml.domain.prediction import Chunk, GroundTruth, Labelled, Prediction, Purpose, Rows
from servicio_ml.domain.retraining import Entry, History
from servicio_ml.domain.stream import Message, Verdict


class ObjectStore(Protocol):
    """Files under keys: the lake.

    A file appears whole or not at all, and replacing one is atomic::

        store.put("rain_australia/2016-06/manifest.json", path)
        store.fetch("rain_australia/2016-06/manifest.json").read_bytes()

    Every method raises `StoreError` when the store refuses.
    """

    @property
    def uri(self) -> str:
        """The root, as shown to people and logged."""
        ...

    def put(self, key: str, source: Path) -> str:
        """Store a copy of a local file and return its URI."""
        ...

    def fetch(self, key: str) -> Path:
        """A local file with the key's content, not to be changed; `NotPublishedError` if there is none."""
        ...

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with the prefix, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Forget a key; one that is not there is no error."""
        ...


class Run(Protocol):
    """A tracked run, open until its context ends."""

    @property
    def id(self) -> str: ...

    def params(self, values: Mapping[str, object]) -> None: ...

    def metrics(self, values: Mapping[str, float]) -> None: ...

    def tags(self, values: Mapping[str, str]) -> None: ...

    def artifact(self, source: Path, folder: str = "") -> None:
        """Log a file, or a folder with all it holds, under `folder`."""
        ...

    def dataset(self, name: str, *, digest: str, source: str, context: str, rows: int) -> None:
        """Log a dataset input; `context` is `raw`, `training` or `evaluation`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as found again. Times are seconds since 1970; `ended` is None while it runs."""

    id: str
    name: str
    status: str
    started: float
    ended: float | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


class Tracker(Protocol):
    """Experiments and their runs.

    A run whose context ends by an error is marked failed, by an interrupt killed. Every method raises
    `RegistryError` when the tracking server cannot be reached::

        with tracker.run("rain_australia", "etl", tags={"step": "etl"}) as run:
            run.params({"period": "2016-06"})
    """

    def run(
        self,
        experiment: str,
        name: str,
        *,
        tags: Mapping[str, str] = ...,
        parent: str = "",
        resume: str = "",
        stays: bool = False,
    ) -> AbstractContextManager[Run]:
        """Open a run, nested in `parent`, or open the run `resume` again.

        One that `stays` goes on running when its context ends well: another process goes on with it.
        """
        ...

    def runs(self, experiment: str, tags: Mapping[str, str]) -> Sequence[RunRecord]:
        """Runs that bear all these tags, the newest first."""
        ...

    def find(self, run_id: str) -> RunRecord:
        """A run by its id; `RegistryError` if there is none."""
        ...

    def delete(self, run_id: str) -> None:
        """Delete a run with its artifacts; one that is deleted already is no error."""
        ...

    def artifact(self, run_id: str, path: str) -> Path:
        """A local copy of a run's artifact file or folder."""
        ...

    def artifacts(self, run_id: str, folder: str) -> Mapping[str, int]:
        """The files below a folder of a run's artifacts: path from the root to size in bytes."""
        ...

    def read(self, run_id: str, path: str) -> bytes:
        """A small artifact file's content."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A registered version; `created` in seconds since 1970."""

    model: str
    version: int
    run_id: str
    created: float
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class ServedRegistry(Protocol):
    """What serving asks of a registry.

    Every method raises `RegistryError` when the registry cannot be reached and `NoSuchModelError` for a
    version that is not there.
    """

    def models(self) -> Sequence[str]:
        """Names of all registered models, sorted."""
        ...

    def versions(self, model: str) -> Sequence[ModelVersion]:
        """The newest first; none for an unknown model."""
        ...

    def download(self, model: str, version: int) -> Path:
        """A local copy of the artifact folder, in a folder of its own, the caller's to delete."""
        ...

    def notes(self, model: str) -> Mapping[str, str]:
        """The tags of the model itself; none for an unknown model."""
        ...

    def note(self, model: str, key: str, value: str) -> None:
        """Set a tag of the model itself."""
        ...


class Registry(ServedRegistry, Protocol):
    """Registered models, their versions and aliases.

    ::

        version = registry.register("rain_australia", folder, run_id=run.id, tags={"candidate": "lightgbm"})
        registry.point("rain_australia", "champion", version.version)
    """

    def register(self, model: str, artifact: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Log an artifact folder under the run and register it as the model's next version."""
        ...

    def point(self, model: str, alias: str, version: int) -> None:
        """Move an alias in one call."""
        ...

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        """The version that an alias points at, None where model or alias is not there."""
        ...

    def version(self, model: str, version: int) -> ModelVersion: ...

    def read(self, model: str, version: int, name: str) -> bytes:
        """The content of one small file of a version's artifact folder."""
        ...

    def delete(self, model: str, version: int) -> None:
        """Delete a version with its artifact and aliases; one that is not there is no error."""
        ...


class Journal(Protocol):
    """The first place of every prediction: written before it is answered, on this machine.

    ::

        journal.write([chunk])
    """

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Write chunks in one commit; a key that is there already is left as it was.

        May be called from several threads. `JournalError` when it cannot be written.
        """
        ...

    def pending(self) -> int:
        """Rows of this machine that are not yet in the prediction log."""
        ...

    def close(self) -> None:
        """Bring everything to the disk and stop."""
        ...


class PredictionLog(Protocol):
    """Every logged prediction and its ground truth, read by id and by window of time.

    Times are seconds since 1970; a window holds `start <= at < end`. Every method raises `LogError` when the
    store refuses and may be called from several threads::

        for chunk in log.chunks("rain_australia", start, end):
            ...
    """

    def find(self, ids: Sequence[str]) -> Mapping[str, Prediction]:
        """The predictions of those ids that are logged."""
        ...

    def chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        """What a model was asked in a window, oldest first."""
        ...

    def rows(self, model: str, version: int, start: float, end: float) -> Iterator[Rows]:
        """All that a version scored in a window, whatever for, in no order: much quicker than by chunks.

        Some thousand rows at a time, or a chunk that has more.
        """
        ...

    def label(self, truths: Sequence[GroundTruth]) -> Sequence[Labelled | None]:
        """Take in ground truth in one transaction, each once.

        The same truth again changes nothing, another one is a new revision. None stands for an unknown
        prediction.
        """
        ...

    def labelled(self, model: str, start: float, end: float) -> Iterator[Labelled]:
        """The newest revision of each ground truth of the predictions of a window; `new` is True."""
        ...


class DecisionLog(Protocol):
    """What was decided about retrainings, shared by every process and replica.

    Every method raises `LogError` when the store refuses and may be called from several threads::

        entry = log.settle("rain_australia", since, lambda history: decide(told, history))
    """

    def settle(self, model: str, since: float, decide: Callable[[History], Entry]) -> Entry:
        """Add what `decide` makes of the history; nobody else settles on the model meanwhile.

        Nothing is added when it raises, or gives the newest entry of the history again.
        """
        ...

    def history(self, model: str, since: float) -> History:
        """The entries of a model since a time, and the newest one however old; the newest first."""
        ...


class Retrainer(Protocol):
    """Starts retrainings; what becomes of them it does not say."""

    def start(self, model: str, key: str, reason: str) -> str:
        """Start one and give where it can be followed; of one with a key that was started before, the same.

        Args:
            model: Its name.
            key: Names the run.
            reason: Why, in words.

        Raises:
            RetrainingError: It cannot be started.
        """
        ...


class Broker(Protocol):
    """The streams of every model, as one consumer of the group that all workers share.

    Every method raises `BrokerError` when the broker cannot be reached or refuses, and may be called from
    several threads::

        broker.join("rain_australia")
        for model, messages in broker.read(["rain_australia"], rows=256, wait_seconds=1).items():
            broker.finish(model, [answer(message) for message in messages])
    """

    def append(self, model: str, fields: Mapping[str, str]) -> str:
        """Add a request and give its message id; refused when too many wait already."""
        ...

    def join(self, model: str) -> None:
        """Enter the model's group, which is made when it is new and begins with the first request ever."""
        ...

    def read(
        self, models: Sequence[str], *, rows: int, wait_seconds: float
    ) -> Mapping[str, Sequence[Message]]:
        """Requests that nobody has yet: at most `rows` of each model, those with none left out.

        Waits for the first one; not at all when `wait_seconds` is 0.
        """
        ...

    def claim(self, model: str, *, idle_seconds: float) -> Message | None:
        """Take over the oldest request that was handed out so long ago and is not finished yet."""
        ...

    def finish(self, model: str, verdicts: Sequence[Verdict]) -> int:
        """Write results and dead letters and forget their requests, each pair at once.

        A request that another consumer has taken over, or finished, is left to it. Gives the number of those
        that were finished here.
        """
        ...

    def backlog(self, model: str) -> int:
        """Requests without an answer, handed out or not."""
        ...

    def leave(self, model: str) -> None:
        """Take this consumer out of the group, unless it holds requests that are not finished."""
        ...

    def close(self) -> None: ...


class Progress(Protocol):
    """What a long step tells whoever waits.

    ::

        with progress.bar("tune lightgbm", total=20) as advance:
            advance(1)
    """

    def say(self, line: str) -> None: ...

    def warn(self, line: str) -> None: ...

    def bar(self, what: str, total: int) -> AbstractContextManager["Advance"]: ...


class Advance(Protocol):
    """Moves a bar on by some steps; `note` replaces the text beside it."""

    def __call__(self, steps: int = 1, note: str = "") -> None: ...


class Stats(Protocol):
    """Counts, gauges and timings of pipeline steps, fire and forget."""

    def count(self, name: str, value: int = 1) -> None: ...

    def gauge(self, name: str, value: float) -> None: ...

    def timer(self, name: str) -> AbstractContextManager[None]: ...

    def timing(self, name: str, seconds: float) -> None:
        """As `timer`, of what was timed already."""
        ...


class Clock(Protocol):
    """The time, in seconds since 1970."""

    def __call__(self) -> float: ...
