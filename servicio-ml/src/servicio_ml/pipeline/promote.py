"""Promotion, rollback and the history of champions."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.ports import Clock, ModelVersion, ObjectStore, Registry, Stats, Tracker
from servicio_ml.domain.promotion import (
    CHALLENGER,
    CHAMPION,
    Comparison,
    Decision,
    Dossier,
    Reign,
    gates,
    verdict,
)
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import NoSuchModelError, TrainingError, listed
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.pipeline.compare import compare
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.rows import true_values, unseen

STEP = "promotion"
DOSSIER = "dossier.json"
LEAST_ROWS = 30
"""That neither has seen; fewer decide nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """The ports that a decision uses, and who decides when."""

    tracker: Tracker
    registry: Registry
    stats: Stats
    clock: Clock
    by: str


def promote(use_case: UseCase, manifest: Manifest, store: ObjectStore, court: Court) -> Dossier:
    """Judge the challenger and move the alias if it passes.

    Raises:
        NoSuchModelError: There is no challenger.
        TrainingError: The challenger is the champion already, or too few rows are new to both.
    """
    name = use_case.name
    challenger, champion = court.registry.resolve(name, CHALLENGER), court.registry.resolve(name, CHAMPION)
    if challenger is None:
        raise NoSuchModelError(name, "challenger", f"run `servicio-ml train {name}` first")
    if champion is not None and champion.version == challenger.version:
        raise TrainingError(name, f"version {challenger.version} is the champion already; nothing to decide")
    comparison = _compared(use_case, manifest, store, court.registry, challenger, champion)
    found = gates(use_case.promotion, METRICS[use_case.promotion.metric], comparison)
    decision, reason = verdict(found)
    dossier = Dossier(
        use_case=name, decision=decision, reason=reason, challenger=challenger.version,
        champion=champion.version if champion else None, by=court.by, at=court.clock(),
        evidence={
            "period": manifest.period, "data_digest": manifest.digest, "metric": use_case.promotion.metric,
            "challenger_data_digest": challenger.tags.get("data_digest", ""),
            "champion_data_digest": champion.tags.get("data_digest", "") if champion else "",
            "policy": asdict(use_case.promotion), "comparison": asdict(comparison),
            "gates": [asdict(gate) for gate in found],
        },
    )  # fmt: skip
    _record(dossier, court)
    return dossier


def rollback(use_case: UseCase, to: int | None, court: Court) -> Dossier:
    """Make an earlier version champion again.

    Args:
        use_case: Whose model.
        to: The version; the champion before the present one when None.
        court: Who decides.

    Raises:
        NoSuchModelError: There is no such version, or no earlier champion.
    """
    name = use_case.name
    champion = court.registry.resolve(name, CHAMPION)
    if champion is None:
        raise NoSuchModelError(name, "champion", f"run `servicio-ml promote {name}` first")
    version = to if to is not None else _previous(use_case, champion.version, court)
    if version == champion.version:
        raise TrainingError(
            name, f"version {version} is the champion already; see `servicio-ml history {name}`"
        )
    court.registry.version(name, version)
    dossier = Dossier(
        use_case=name, decision=Decision.ROLLED_BACK, reason=f"from version {champion.version}",
        challenger=version, champion=champion.version, by=court.by, at=court.clock(),
    )  # fmt: skip
    _record(dossier, court)
    return dossier


def decisions(use_case: UseCase, tracker: Tracker) -> list[Dossier]:
    """Every decision that was carried out, the newest first."""
    runs = tracker.runs(use_case.name, {"step": STEP})
    return [_from_tags(run.tags, use_case.name) for run in runs if run.status == "FINISHED"]


def history(use_case: UseCase, tracker: Tracker) -> list[Reign]:
    """Who was champion from when to when, the newest first."""
    moves = [each for each in decisions(use_case, tracker) if each.decision is not Decision.REJECTED]
    ends = [None, *(each.at for each in moves)]
    return [
        Reign(
            version=each.challenger, since=each.at, until=end, by=each.by,
            reason=f"{each.decision}: {each.reason}",
        )
        for each, end in zip(moves, ends, strict=False)
    ]  # fmt: skip


def _previous(use_case: UseCase, present: int, court: Court) -> int:
    for reign in history(use_case, court.tracker):
        if reign.version != present:
            return reign.version
    name = use_case.name
    raise NoSuchModelError(name, "earlier champion", "name a version: --to VERSION")


def _compared(
    use_case: UseCase,
    manifest: Manifest,
    store: ObjectStore,
    registry: Registry,
    challenger: ModelVersion,
    champion: ModelVersion | None,
) -> Comparison:
    published, both = read_part(store, manifest, "test"), [each for each in (challenger, champion) if each]
    frame = unseen(use_case, published, [each.tags.get("trained_until", "") for each in both])
    if len(frame) < LEAST_ROWS:
        raise TrainingError(
            use_case.name,
            f"of the {len(published)} test rows of {manifest.period}, {len(frame)} are later than what"
            f" {listed(f'version {each.version}' for each in both)} learnt from, and {LEAST_ROWS} are needed;"
            " judge on a later month: --period",
        )
    truth = true_values(use_case.target, frame)
    new = _load(registry, challenger)
    old = _load(registry, champion) if champion is not None else None
    return compare(use_case, frame, truth, new, old)


def _load(registry: Registry, version: ModelVersion) -> Artifact:
    folder = registry.download(version.model, version.version)
    try:
        artifact = load_artifact(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    artifact.replay()
    return artifact


def _record(dossier: Dossier, court: Court) -> None:
    """Log the dossier, then move the alias: a decision that was not carried out stays unfinished."""
    tags = {"step": STEP, **_to_tags(dossier)}
    name = f"{dossier.decision} {dossier.challenger}"
    with (
        court.tracker.run(dossier.use_case, name, tags=tags) as run,
        tempfile.TemporaryDirectory() as scratch,
    ):
        path = Path(scratch) / DOSSIER
        path.write_text(json.dumps(dossier.to_json(), indent=1))
        run.artifact(path)
        if dossier.decision is not Decision.REJECTED:
            court.registry.point(dossier.use_case, CHAMPION, dossier.challenger)
    for each in Decision:
        # the others as 0, so that each has been told before it first counts
        told = f"promotion.{dossier.use_case}.{each.replace(' ', '_')}"
        court.stats.count(told, int(each is dossier.decision))


def _to_tags(dossier: Dossier) -> dict[str, str]:
    return {
        "decision": dossier.decision, "reason": dossier.reason, "challenger": str(dossier.challenger),
        "champion": "" if dossier.champion is None else str(dossier.champion),
        "by": dossier.by, "at": repr(dossier.at),
    }  # fmt: skip


def _from_tags(each: Mapping[str, str], use_case: str) -> Dossier:
    return Dossier(
        use_case=use_case, decision=Decision(each["decision"]), reason=each["reason"],
        challenger=int(each["challenger"]), champion=int(each["champion"]) if each["champion"] else None,
        by=each["by"], at=float(each["at"]),
    )  # fmt: skip
