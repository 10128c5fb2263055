"""What a registry's runs tell of a model: its decisions, its latest training, its pictures; and the crown."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Protocol

from servicio_ml.domain.ports import Clock, Registry, Stats, Tracker
from servicio_ml.domain.promotion import Dossier
from servicio_ml.domain.succession import FINISHED, Court, carried_out, case, crown, told
from servicio_ml.errors import NoSuchModelError, listed

TRAINING, TRIAL, TRAIN_RUN = "train", "trial", "train_run"
"""Values and name of the tags that a training leaves on its runs and versions."""
COMPARISON, FIGURES, CARD = "comparison.json", "figures", "card.md"
OF_WINNER = frozenset({"feature_importance"})
"""Pictures of the whole training that show its winner only."""
PICTURE, SIGNATURE = ".png", b"\x89PNG\r\n\x1a\n"
MOST_PICTURE_BYTES = 4 << 20
KEPT = 512
"""Documents that never change, kept by this process: some kB each."""
MOST_DECISIONS = 200
"""That are given with their evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The latest training that ended well.

    Attributes:
        run_id: Its run.
        period: Of its data.
        data_digest: Of them.
        started: Seconds since 1970.
        ended: The same.
        rows: Part to number of rows.
        decision: About its winner; empty where nothing was decided.
        table: One row per candidate, the winner first; as `comparison.json`, with `trials` that finished.
    """

    run_id: str
    period: str
    data_digest: str
    started: float
    ended: float | None
    rows: Mapping[str, int]
    decision: str
    table: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Every decision that was carried out, the newest first; so many of them with their evidence."""

    decisions: Sequence[Dossier]
    with_evidence: int


class ServedRecords(Protocol):
    """What serving asks of the records, as `Records` answers it; `RegistryError` without MLflow."""

    def decisions(self, model: str) -> Told: ...

    def candidates(self, model: str) -> Candidates: ...

    def pictures(self, model: str, version: int) -> Sequence[str]: ...

    def picture(self, model: str, version: int, name: str) -> bytes: ...

    def card(self, model: str, version: int) -> str: ...

    def crown(
        self, model: str, version: int, reason: str, by: str, instead_of: int | None = None
    ) -> Dossier: ...


class Records:
    """The records of the models in one registry.

    Args:
        tracker: Holds the runs.
        registry: Holds the versions.
        stats: Told of decisions.
        clock: Gives the time.
    """

    def __init__(self, tracker: Tracker, registry: Registry, stats: Stats, clock: Clock) -> None:
        self._tracker, self._registry, self._stats, self._clock = tracker, registry, stats, clock
        self._crowning, self._keeping = threading.Lock(), threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    def crown(self, model: str, version: int, reason: str, by: str, instead_of: int | None = None) -> Dossier:
        """As `succession.crown`, one after the other: of two at once, the second sees what the first did.

        Raises:
            NoSuchModelError: There is no such version.
            PromotionError: It is the champion already, or the champion is another than `instead_of`.
        """
        court = Court(
            tracker=self._tracker, registry=self._registry, stats=self._stats, clock=self._clock, by=by
        )
        with self._crowning:
            return crown(model, version, reason, court, instead_of)

    def decisions(self, model: str) -> Told:
        """Every decision, the latest `MOST_DECISIONS` with what was found."""
        runs = carried_out(model, self._tracker)
        every = [told(model, run) for run in runs]
        full = [
            replace(short, evidence=self._once(("dossier", run.id), partial(self._evidence, model, run.id)))
            for short, run in zip(every[:MOST_DECISIONS], runs, strict=False)
        ]
        return Told(decisions=[*full, *every[len(full) :]], with_evidence=len(full))

    def _evidence(self, model: str, run_id: str) -> Mapping[str, Any]:
        return case(model, run_id, self._tracker).dossier.evidence

    def candidates(self, model: str) -> Candidates:
        """How the candidates of the latest training did.

        Raises:
            NoSuchModelError: None has ended well.
        """
        every = self._tracker.runs(model, {"step": TRAINING})
        run = next((each for each in every if each.status == FINISHED), None)
        if run is None:
            raise NoSuchModelError(model, "finished training", f"run `servicio-ml train {model}`")
        rows = {part: int(run.params.get(f"{part}_rows", 0)) for part in ("train", "test")}
        return Candidates(
            run_id=run.id, period=run.params.get("period", ""), data_digest=run.params.get("data_digest", ""),
            started=run.started, ended=run.ended, rows=rows, decision=run.tags.get("decision", ""),
            table=self._once(("table", run.id), partial(self._table, model, run.id)),
        )  # fmt: skip

    def _table(self, model: str, run_id: str) -> list[Mapping[str, Any]]:
        tried: dict[str, int] = {}
        for trial in self._tracker.runs(model, {"step": TRIAL, TRAIN_RUN: run_id}):
            name = trial.tags.get("candidate", "")
            tried[name] = tried.get(name, 0) + 1
        rows = json.loads(self._tracker.read(run_id, COMPARISON))
        return [{**row, "trials": tried.get(row["candidate"], 0)} for row in rows]

    def pictures(self, model: str, version: int) -> list[str]:
        """The names of a version's pictures, and of its training's, sorted.

        Raises:
            NoSuchModelError: There is no such version.
        """
        return sorted(self._places(model, version))

    def picture(self, model: str, version: int, name: str) -> bytes:
        """A PNG of at most `MOST_PICTURE_BYTES`.

        Raises:
            NoSuchModelError: There is no such version, or it has no such picture.
        """
        places = self._places(model, version)
        if name not in places:
            remedy = f"it has {listed(sorted(places))}"
            raise NoSuchModelError(model, f"picture {name!r} of version {version}", remedy)
        found = self._tracker.read(*places[name])
        if not found.startswith(SIGNATURE):
            raise NoSuchModelError(model, f"picture {name!r} of version {version}", "its file is no PNG")
        return found

    def _places(self, model: str, version: int) -> dict[str, tuple[str, str]]:
        """Name to the run and the path of each picture: what is asked for is looked up, never opened."""
        info = self._registry.version(model, version)
        places = self._figures(info.run_id)
        training = info.tags.get(TRAIN_RUN, "")
        if training:
            shared = self._figures(training)
            rows = self._once(("table", training), partial(self._table, model, training)) if shared else []
            first = rows[0]["version"] if rows else None
            hidden = OF_WINNER if first != version else frozenset()
            places.update({name: place for name, place in shared.items() if name not in hidden})
        return places

    def _figures(self, run_id: str) -> dict[str, tuple[str, str]]:
        return {
            _name(path): (run_id, path)
            for path, size in self._tracker.artifacts(run_id, FIGURES).items()
            if path.endswith(PICTURE) and size <= MOST_PICTURE_BYTES
        }

    def card(self, model: str, version: int) -> str:
        """The model card of a version, Markdown.

        Raises:
            NoSuchModelError: There is no such version.
        """
        return str(
            self._once(
                ("card", model, str(version)),
                lambda: self._registry.read(model, version, CARD).decode(),
            )
        )

    def _once(self, key: tuple[str, ...], read: Callable[[], Any]) -> Any:
        """What never changes, read when it is first asked for."""
        with self._keeping:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = read()
        with self._keeping:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def _name(path: str) -> str:
    """The last parts of a picture's path as one word."""
    return "-".join(PurePosixPath(path).relative_to(FIGURES).with_suffix("").parts)
