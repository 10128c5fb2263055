"""History of the models of a registry: decisions, the latest training, model cards and pictures."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.registry import Registry
from servicio_ml.domain.ports.stats import Stats
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.promotion import NO_EVIDENCE, DecisionRecord
from servicio_ml.errors import NoSuchModelError, format_names
from servicio_ml.lifecycle.admin_actions import record_outside_move, set_champion
from servicio_ml.lifecycle.decision_history import list_applied_runs
from servicio_ml.lifecycle.decisions import (
    FINISHED,
    DecisionContext,
    apply_held_decision,
    build_record_from_tags,
    read_decision,
    write_decision,
)
from servicio_ml.lifecycle.model_history_reader import DecisionList, TrainingCandidates

TRAINING, TRIAL, TRAIN_RUN = "train", "trial", "train_run"
"""Values and name of the tags that a training sets on its runs and versions."""
COMPARISON, FIGURES, CARD = "comparison.json", "figures", "card.md"
WINNER_FIGURES = frozenset({"feature_importance"})
"""Pictures of a training that show its winner only."""
PICTURE, SIGNATURE = ".png", b"\x89PNG\r\n\x1a\n"
# a picture is held in memory as a whole, and anybody who may write to MLflow decides how large it is
MAX_PICTURE_BYTES = 4 << 20
MAX_CACHED_DOCUMENTS = 512
"""Maximum number of immutable documents in the cache of the process; each has some kB."""
MAX_DECISIONS_WITH_EVIDENCE = 200
"""Maximum number of decisions that are returned with their evidence."""


class ModelHistory:
    """History of the models of one registry.

    Args:
        tracker: Source of the runs.
        registry: Source of the versions.
        stats: Receiver of the counts of decisions.
        clock: Source of the time.
        hold_champion: Holds the right to move the champion of a model, see `DecisionLog`.
    """

    def __init__(
        self, tracker: Tracker, registry: Registry, stats: Stats, clock: Clock,
        hold_champion: Callable[[str], AbstractContextManager[None]],
    ) -> None:  # fmt: skip
        self._tracker, self._registry = tracker, registry
        self._build_context = partial(
            DecisionContext, tracker=tracker, registry=registry, stats=stats, clock=clock,
            hold_champion=hold_champion,
        )  # fmt: skip
        self._cache_lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    def set_champion(
        self,
        model: str,
        version: int,
        reason: str,
        by: str,
        instead_of: int | None = None,
        evidence: Mapping[str, Any] = NO_EVIDENCE,
    ) -> DecisionRecord:
        """Make a version champion, see `admin_actions.set_champion`.

        Raises:
            NoSuchModelError: The version does not exist.
            PromotionError: The version is the champion already, the champion is not `instead_of`, or another
                process moves it.
        """
        return set_champion(model, version, reason, self._build_context(by=by), instead_of, evidence)

    def record_outside_move(self, model: str) -> DecisionRecord | None:
        """Record a champion that no decision named, see `admin_actions.record_outside_move`."""
        return record_outside_move(model, self._build_context(by="unknown"))

    def record_rollout(self, record: DecisionRecord) -> None:
        """Record that a rollout has started, or has ended without its challenger as champion."""
        context = self._build_context(by=record.by)
        apply_held_decision(record.use_case, write_decision(record, context).run_id, context)

    def list_decisions(self, model: str) -> DecisionList:
        """List the applied decisions, the newest `MAX_DECISIONS_WITH_EVIDENCE` with their evidence."""
        runs = list_applied_runs(model, self._tracker)
        every = [build_record_from_tags(model, run) for run in runs]
        full = [
            replace(
                short,
                evidence=self._get_cached(("record", run.id), partial(self._read_evidence, model, run.id)),
            )
            for short, run in zip(every[:MAX_DECISIONS_WITH_EVIDENCE], runs, strict=False)
        ]
        return DecisionList(decisions=[*full, *every[len(full) :]], with_evidence=len(full))

    def _read_evidence(self, model: str, run_id: str) -> Mapping[str, Any]:
        return read_decision(model, run_id, self._tracker).record.evidence

    def get_candidates(self, model: str) -> TrainingCandidates:
        """Return the latest finished training with its candidates.

        Raises:
            NoSuchModelError: No training has finished.
        """
        every = self._tracker.find_runs(model, {"step": TRAINING})
        run = next((each for each in every if each.status == FINISHED), None)
        if run is None:
            raise NoSuchModelError(model, "finished training", f"run `servicio-ml train {model}`")
        rows = {split: int(run.params.get(f"{split}_rows", 0)) for split in ("train", "test")}
        return TrainingCandidates(
            run_id=run.id, period=run.params.get("period", ""), data_digest=run.params.get("data_digest", ""),
            started=run.started, ended=run.ended, rows=rows,
            sample_weight=run.params.get("sample_weight", ""), decision=run.tags.get("decision", ""),
            table=self._get_cached(("table", run.id), partial(self._read_table, model, run.id)),
        )  # fmt: skip

    def _read_table(self, model: str, run_id: str) -> list[Mapping[str, Any]]:
        tried: dict[str, int] = {}
        for trial in self._tracker.find_runs(model, {"step": TRIAL, TRAIN_RUN: run_id}):
            name = trial.tags.get("candidate", "")
            tried[name] = tried.get(name, 0) + 1
        rows = json.loads(self._tracker.read_artifact(run_id, COMPARISON))
        return [{**row, "trials": tried.get(row["candidate"], 0)} for row in rows]

    def list_pictures(self, model: str, version: int) -> list[str]:
        """List the names of the pictures of a version and of its training, sorted.

        Raises:
            NoSuchModelError: The version does not exist.
        """
        return sorted(self._locate_pictures(model, version))

    def get_picture(self, model: str, version: int, name: str) -> bytes:
        """Return a PNG of at most `MAX_PICTURE_BYTES`.

        Raises:
            NoSuchModelError: The version does not exist, or has no picture of that name.
        """
        places = self._locate_pictures(model, version)
        if name not in places:
            remedy = f"it has {format_names(sorted(places))}"
            raise NoSuchModelError(model, f"picture {name!r} of version {version}", remedy)
        found = self._tracker.read_artifact(*places[name])
        if not found.startswith(SIGNATURE):
            raise NoSuchModelError(model, f"picture {name!r} of version {version}", "its file is no PNG")
        return found

    def _locate_pictures(self, model: str, version: int) -> dict[str, tuple[str, str]]:
        """Map the name of each picture to its run and path."""
        # a requested name is looked up here and never used as a path, so it cannot leave the folder
        info = self._registry.get_version(model, version)
        places = self._list_figures(info.run_id)
        training = info.tags.get(TRAIN_RUN, "")
        if training:
            shared = self._list_figures(training)
            rows = (
                self._get_cached(("table", training), partial(self._read_table, model, training))
                if shared
                else []
            )
            first = rows[0]["version"] if rows else None
            hidden = WINNER_FIGURES if first != version else frozenset()
            places.update({name: place for name, place in shared.items() if name not in hidden})
        return places

    def _list_figures(self, run_id: str) -> dict[str, tuple[str, str]]:
        return {
            _build_picture_name(path): (run_id, path)
            for path, size in self._tracker.list_artifacts(run_id, FIGURES).items()
            if path.endswith(PICTURE) and size <= MAX_PICTURE_BYTES
        }

    def get_card(self, model: str, version: int) -> str:
        """Return the model card of a version, Markdown.

        Raises:
            NoSuchModelError: The version does not exist.
        """
        return str(
            self._get_cached(
                ("card", model, str(version)),
                lambda: self._registry.read(model, version, CARD).decode(),
            )
        )

    def _get_cached(self, key: tuple[str, ...], read: Callable[[], Any]) -> Any:
        """Return a document that never changes, read at the first request."""
        with self._cache_lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        # read without the lock: two threads may read the same document, but none waits for another one's
        made = read()
        with self._cache_lock:
            self._cache[key] = made
            while len(self._cache) > MAX_CACHED_DOCUMENTS:
                self._cache.popitem(last=False)
        return made


def _build_picture_name(path: str) -> str:
    """Join the path of a picture below `figures` with hyphens, without its suffix."""
    return "-".join(PurePosixPath(path).relative_to(FIGURES).with_suffix("").parts)
