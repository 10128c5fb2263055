"""Deleting by retention: old periods and reports of the lake, what steps left, old runs and versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from servicio_ml.domain.ports import ModelVersion, ObjectStore, Registry, RunRecord, Tracker
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.published import manifest_key, published_periods, read_manifest
from servicio_ml.domain.report import Pointer, latest_key, read_latest, reports_prefix
from servicio_ml.domain.succession import STEP as PROMOTION
from servicio_ml.domain.succession import history
from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.etl_steps import BEGUN, STAGING
from servicio_ml.pipeline.record import TRAIN_RUN

STAGING_SECONDS = 2 * 86_400.0
"""Age from which what steps have left is of no use: no run of a scheduler takes so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept.

    Attributes:
        periods: Of a use case, the latest.
        seconds: Age from which runs, versions and drift reports are deleted.
        now: Seconds since 1970.
    """

    periods: int
    seconds: float
    now: float

    @property
    def before(self) -> float:
        return self.now - self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was deleted of a use case: periods, folders that steps left, reports, versions, how many runs."""

    periods: Sequence[str]
    staging: Sequence[str]
    reports: Sequence[str]
    versions: Sequence[int]
    runs: int


def prune(
    use_case: UseCase, store: ObjectStore, tracker: Tracker, registry: Registry, retention: Retention
) -> Pruned:
    """Delete what is older than its retention.

    Kept are, however old: every version with an alias, the champion before the present one, what these and
    all younger versions were trained on, the dossiers of every decision, and the latest drift report.

    Raises:
        StoreError: The lake refuses.
        RegistryError: MLflow cannot be reached.
    """
    versions = registry.versions(use_case.name)
    kept = _kept(use_case, versions, tracker, retention)
    periods = _prune_periods(use_case, store, kept, retention)
    staging = _prune_staging(use_case, store, retention)
    reports = _prune_reports(use_case, store, retention)
    # a run goes after the version that names it
    old = [each.version for each in versions if each not in kept]
    for version in old:
        registry.delete(use_case.name, version)
    runs = _old_runs(use_case, tracker, kept, retention)
    for run in runs:
        tracker.delete(run.id)
    return Pruned(
        periods=periods, staging=staging, reports=reports, versions=sorted(old), runs=len(runs)
    )  # fmt: skip


def _kept(
    use_case: UseCase, versions: Sequence[ModelVersion], tracker: Tracker, retention: Retention
) -> list[ModelVersion]:
    champions = [reign.version for reign in history(use_case.name, tracker)]
    present = next((each.version for each in versions if CHAMPION in each.aliases), None)
    previous = next((version for version in champions if version != present), None)
    return [
        each
        for each in versions
        if each.aliases or each.version == previous or not each.created < retention.before
    ]


def _prune_periods(
    use_case: UseCase, store: ObjectStore, kept: Sequence[ModelVersion], retention: Retention
) -> list[str]:
    name = use_case.name
    every = published_periods(store, name)
    needed = {*every[-retention.periods :], *(each.tags.get("period", "") for each in kept)}
    old = [period for period in every if period not in needed]
    manifests = {period: read_manifest(store, name, period) for period in every}
    raw = {manifests[period].raw for period in every if period in needed}
    for period in old:
        # the pointer first: nobody shall find it without its files
        store.delete(manifest_key(name, period))
        for key in store.keys(f"{name}/{period}/"):
            store.delete(key)
        if manifests[period].raw not in raw:
            store.delete(manifests[period].raw)
    return old


def _prune_staging(use_case: UseCase, store: ObjectStore, retention: Retention) -> list[str]:
    folders: dict[str, list[str]] = {}
    for key in store.keys(f"{use_case.name}/{STAGING}/"):
        folders.setdefault(_folder(key), []).append(key)
    old = []
    for folder, keys in folders.items():
        begun = f"{folder}/{BEGUN}"
        if begun in keys and _begun(store, begun) >= retention.now - STAGING_SECONDS:
            continue
        for key in keys:
            store.delete(key)
        old.append(folder)
    return old


def _begun(store: ObjectStore, key: str) -> float:
    return float(json.loads(store.fetch(key).read_text(encoding="utf-8"))["at"])


def _prune_reports(use_case: UseCase, store: ObjectStore, retention: Retention) -> list[str]:
    name = use_case.name
    every = store.keys(reports_prefix(name))
    first_kept = Pointer.of(name, 0, max(retention.before, 0)).html
    old = {_folder(key) for key in every if key < first_kept}
    if latest_key(name) in every:
        old.discard(_folder(read_latest(store, name).html))
    for folder in old:
        for key in store.keys(f"{folder}/"):
            store.delete(key)
    return sorted(old)


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


def _old_runs(
    use_case: UseCase, tracker: Tracker, kept: Sequence[ModelVersion], retention: Retention
) -> list[RunRecord]:
    fits = {each.run_id for each in kept}
    trainings = {each.tags.get(TRAIN_RUN, "") for each in kept}
    data = {each.tags.get("data_digest", "") for each in kept}
    return [
        run
        for run in tracker.runs(use_case.name, {})
        if run.tags.get("step") != PROMOTION
        and run.started < retention.before
        and run.id not in fits | trainings
        and run.tags.get(TRAIN_RUN) not in trainings
        and run.params.get("data_digest") not in data
    ]
