"""Deletion by retention: old periods and reports of the lake, staging folders, old runs and versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.registry import ModelVersion, Registry
from servicio_ml.domain.ports.tracker import FinishedRun, Tracker
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.use_case import UseCase
from servicio_ml.lifecycle.decision_history import list_tenures
from servicio_ml.lifecycle.decisions import STEP as PROMOTION
from servicio_ml.lifecycle.published import build_manifest_key, list_published_periods, read_manifest
from servicio_ml.lifecycle.reports import LatestReport, build_latest_key, build_reports_prefix, read_latest
from servicio_ml.pipeline.etl.staging_folder import STAGING, START_FILE
from servicio_ml.pipeline.training.run_recorder import TRAIN_RUN

STAGING_SECONDS = 2 * 86_400.0
"""Age from which a staging folder is useless: no run of a scheduler takes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """Limits of what is kept.

    Attributes:
        periods: Number of the latest periods of a use case that are kept.
        seconds: Age in seconds from which runs, versions and drift reports are deleted.
        now: Present time in seconds since 1970.
    """

    periods: int
    seconds: float
    now: float

    @property
    def cutoff(self) -> float:
        return self.now - self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """Deleted periods, staging folders, reports and versions of a use case, and the number of runs."""

    periods: Sequence[str]
    staging: Sequence[str]
    reports: Sequence[str]
    versions: Sequence[int]
    runs: int


def prune(
    use_case: UseCase, store: ObjectStore, tracker: Tracker, registry: Registry, retention: RetentionPolicy
) -> PruneResult:
    """Delete what is older than its retention.

    Kept are, however old: every version with an alias, the champion before the present one, what these and
    all younger versions were trained on, the record of every decision, and the latest drift report.

    Raises:
        StoreError: The lake refuses.
        RegistryError: MLflow cannot be reached.
    """
    versions = registry.list_versions(use_case.name)
    kept = _select_kept_versions(use_case, versions, tracker, retention)
    periods = _prune_periods(use_case, store, kept, retention)
    staging = _prune_staging(use_case, store, retention)
    reports = _prune_reports(use_case, store, retention)
    # a version names its run: deleting the run first could leave a version without one
    old = [each.version for each in versions if each not in kept]
    for version in old:
        registry.delete(use_case.name, version)
    runs = _find_old_runs(use_case, tracker, kept, retention)
    for run in runs:
        tracker.delete_run(run.id)
    return PruneResult(
        periods=periods, staging=staging, reports=reports, versions=sorted(old), runs=len(runs)
    )  # fmt: skip


def _select_kept_versions(
    use_case: UseCase, versions: Sequence[ModelVersion], tracker: Tracker, retention: RetentionPolicy
) -> list[ModelVersion]:
    champions = [tenure.version for tenure in list_tenures(use_case.name, tracker)]
    present = next((each.version for each in versions if CHAMPION in each.aliases), None)
    previous = next((version for version in champions if version != present), None)
    return [
        each
        for each in versions
        if each.aliases or each.version == previous or not each.created < retention.cutoff
    ]


def _prune_periods(
    use_case: UseCase, store: ObjectStore, kept: Sequence[ModelVersion], retention: RetentionPolicy
) -> list[str]:
    name = use_case.name
    every = list_published_periods(store, name)
    # a kept version must stay reproducible, so its training period stays
    needed = {*every[-retention.periods :], *(each.tags.get("period", "") for each in kept)}
    old = [period for period in every if period not in needed]
    manifests = {period: read_manifest(store, name, period) for period in every}
    raw = {manifests[period].raw for period in every if period in needed}
    for period in old:
        # the manifest first, so that no reader finds one whose files are gone
        store.delete(build_manifest_key(name, period))
        for key in store.list_keys(f"{name}/{period}/"):
            store.delete(key)
        if manifests[period].raw not in raw:
            store.delete(manifests[period].raw)
    return old


def _prune_staging(use_case: UseCase, store: ObjectStore, retention: RetentionPolicy) -> list[str]:
    folders: dict[str, list[str]] = {}
    for key in store.list_keys(f"{use_case.name}/{STAGING}/"):
        folders.setdefault(_get_folder(key), []).append(key)
    old = []
    for folder, keys in folders.items():
        start_key = f"{folder}/{START_FILE}"
        # without a start file no step can resume the folder
        if start_key in keys and _read_start_time(store, start_key) >= retention.now - STAGING_SECONDS:
            continue
        for key in keys:
            store.delete(key)
        old.append(folder)
    return old


def _read_start_time(store: ObjectStore, key: str) -> float:
    return float(json.loads(store.fetch(key).read_text(encoding="utf-8"))["at"])


def _prune_reports(use_case: UseCase, store: ObjectStore, retention: RetentionPolicy) -> list[str]:
    name = use_case.name
    every = store.list_keys(build_reports_prefix(name))
    first_kept = LatestReport.build(name, 0, max(retention.cutoff, 0)).html
    old = {_get_folder(key) for key in every if key < first_kept}
    if build_latest_key(name) in every:
        # the pointer names it, and the server shows it however old it is
        old.discard(_get_folder(read_latest(store, name).html))
    for folder in old:
        for key in store.list_keys(f"{folder}/"):
            store.delete(key)
    return sorted(old)


def _get_folder(key: str) -> str:
    return key.rpartition("/")[0]


def _find_old_runs(
    use_case: UseCase, tracker: Tracker, kept: Sequence[ModelVersion], retention: RetentionPolicy
) -> list[FinishedRun]:
    fits = {each.run_id for each in kept}
    trainings = {each.tags.get(TRAIN_RUN, "") for each in kept}
    data = {each.tags.get("data_digest", "") for each in kept}
    return [
        run
        for run in tracker.find_runs(use_case.name, {})
        if run.tags.get("step") != PROMOTION
        and run.started < retention.cutoff
        and run.id not in fits | trainings
        and run.tags.get(TRAIN_RUN) not in trainings
        and run.params.get("data_digest") not in data
    ]
