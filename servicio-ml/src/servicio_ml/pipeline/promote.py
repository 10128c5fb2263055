"""Promotion, rollback and the history of champions."""

import json
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
from servicio_ml.features.artifact import load_version
from servicio_ml.pipeline.compare import compare
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.rows import true_values, unseen

STEP = "promotion"
DOSSIER, FINISHED = "dossier.json", "FINISHED"
JUDGED = "judged"
"""Tag of a written judgement: the version that it is about."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A dossier, and the run that holds it: finished once its decision is carried out."""

    dossier: Dossier
    run_id: str


def promote(use_case: UseCase, manifest: Manifest, store: ObjectStore, court: Court) -> Dossier:
    """Judge the challenger and move the alias if it passes.

    Raises:
        NoSuchModelError: There is no challenger.
        TrainingError: The challenger is the champion already, or too few rows are new to both.
    """
    judged = judge(use_case, manifest, store, court, challenger_of(use_case, court))
    return carry_out(use_case, judged.run_id, court)


def challenger_of(use_case: UseCase, court: Court) -> ModelVersion:
    """The version that is named challenger.

    Raises:
        NoSuchModelError: There is none.
    """
    found = court.registry.resolve(use_case.name, CHALLENGER)
    if found is None:
        raise NoSuchModelError(use_case.name, "challenger", f"run `servicio-ml train {use_case.name}` first")
    return found


def judge_once(
    use_case: UseCase, manifest: Manifest, store: ObjectStore, court: Court, challenger: ModelVersion
) -> Case:
    """As `judge`; what was decided of that version before, if it still holds, where there is such a thing."""
    champion = court.registry.resolve(use_case.name, CHAMPION)
    against = str(champion.version) if champion else ""
    for run in court.tracker.runs(use_case.name, {"step": STEP, JUDGED: str(challenger.version)}):
        carried_out = run.status == FINISHED
        if carried_out or run.tags["champion"] == against:
            return case(use_case, run.id, court)
    return judge(use_case, manifest, store, court, challenger)


def judge(
    use_case: UseCase, manifest: Manifest, store: ObjectStore, court: Court, challenger: ModelVersion
) -> Case:
    """Compare a challenger with the champion and write the dossier; nothing is moved.

    Raises:
        TrainingError: The challenger is the champion already, or too few rows are new to both.
    """
    name = use_case.name
    champion = court.registry.resolve(name, CHAMPION)
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
    return _written(dossier, court)


def case(use_case: UseCase, run_id: str, court: Court) -> Case:
    """A dossier that was written before.

    Raises:
        RegistryError: There is no such run.
        TrainingError: It is no decision about the use case.
    """
    run = court.tracker.find(run_id)
    if run.tags.get("step") != STEP:
        raise TrainingError(use_case.name, f"run {run_id} is no dossier; give the one of the step `judge`")
    document = json.loads(court.tracker.artifact(run_id, DOSSIER).read_text())
    dossier = Dossier(**{**document, "decision": Decision(document["decision"])})
    if dossier.use_case != use_case.name:
        raise TrainingError(use_case.name, f"run {run_id} is a decision about {dossier.use_case}")
    return Case(dossier=dossier, run_id=run_id)


def decision_about(use_case: UseCase, version: int, tracker: Tracker) -> str:
    """What was decided about a version when it was challenger; empty where nothing was.

    Raises:
        TrainingError: A decision is written and not carried out.
    """
    found = tracker.runs(use_case.name, {"step": STEP, JUDGED: str(version)})
    done = [run for run in found if run.status == FINISHED]
    if found and not done:
        decision = found[0].tags["decision"]
        problem = f"dossier {found[0].id} is not carried out: {decision}; run step promote or step reject"
        raise TrainingError(use_case.name, problem)
    return done[0].tags["decision"] if done else ""


def carry_out(use_case: UseCase, run_id: str, court: Court, expected: Decision | None = None) -> Dossier:
    """Move the alias as a dossier says, once, and end its run.

    Args:
        use_case: Whose model.
        run_id: Of the dossier.
        court: Who decides.
        expected: The only decision that may be carried out; any when None.

    Raises:
        TrainingError: It is another decision, or there is another champion since.
    """
    dossier = case(use_case, run_id, court).dossier
    if expected is not None and dossier.decision is not expected:
        problem = f"dossier {run_id} says {dossier.decision}, not {expected}: {dossier.reason}"
        raise TrainingError(use_case.name, problem)
    if court.tracker.find(run_id).status == FINISHED:
        return dossier
    with court.tracker.run(use_case.name, "", resume=run_id) as run:
        if dossier.decision is not Decision.REJECTED:
            _refuse_stale(dossier, court)
            court.registry.point(dossier.use_case, CHAMPION, dossier.challenger)
        run.tags({"at": repr(court.clock())})
    for each in Decision:
        # the others as 0, so that each has been told before it first counts
        told = f"promotion.{dossier.use_case}.{each.replace(' ', '_')}"
        court.stats.count(told, int(each is dossier.decision))
    return dossier


def _refuse_stale(dossier: Dossier, court: Court) -> None:
    """Whoever is champion now must be who was judged against, or the version itself: a killed step's work."""
    name, now = dossier.use_case, court.registry.resolve(dossier.use_case, CHAMPION)
    if now is not None and now.version not in {dossier.champion, dossier.challenger}:
        raise TrainingError(
            name, f"version {now.version} became champion after the judgement; judge again: step judge {name}"
        )


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
    return carry_out(use_case, _written(dossier, court).run_id, court)


def decisions(use_case: UseCase, tracker: Tracker) -> list[Dossier]:
    """Every decision that was carried out, the newest first."""
    runs = tracker.runs(use_case.name, {"step": STEP})
    found = [_from_tags(run.tags, use_case.name) for run in runs if run.status == FINISHED]
    # runs are sorted by when they began: a decision may have been carried out after a later one
    return sorted(found, key=lambda each: -each.at)


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
    new = load_version(registry, challenger)
    old = load_version(registry, champion) if champion is not None else None
    return compare(use_case, frame, truth, new, old)


def _written(dossier: Dossier, court: Court) -> Case:
    """The dossier in a run that stays open until the decision is carried out."""
    tags = {"step": STEP, **_to_tags(dossier)}
    name = f"{dossier.decision} {dossier.challenger}"
    with (
        court.tracker.run(dossier.use_case, name, tags=tags, stays=True) as run,
        tempfile.TemporaryDirectory() as scratch,
    ):
        path = Path(scratch) / DOSSIER
        path.write_text(json.dumps(dossier.to_json(), indent=1))
        run.artifact(path)
        if dossier.decision is not Decision.ROLLED_BACK:
            run.tags({JUDGED: str(dossier.challenger)})
        return Case(dossier=dossier, run_id=run.id)


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
