"""The succession of champions: dossiers written and carried out, and the history that they make."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from servicio_ml.domain.ports import Clock, ModelVersion, Registry, RunRecord, Stats, Tracker
from servicio_ml.domain.promotion import CHAMPION, Decision, Dossier, Reign
from servicio_ml.errors import NoSuchModelError, PromotionError, TrainingError

STEP = "promotion"
DOSSIER, FINISHED, OPEN = "dossier.json", "FINISHED", "RUNNING"
JUDGED = "judged"
"""Tag of a written judgement: the version that it is about."""


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


def written(dossier: Dossier, court: Court, tags: Mapping[str, str] | None = None) -> Case:
    """The dossier in a run that stays open until the decision is carried out.

    Args:
        dossier: To be written.
        court: Who decides.
        tags: That the run bears once the dossier is in it.
    """
    name = f"{dossier.decision} {dossier.challenger}"
    begun = {"step": STEP, **_to_tags(dossier)}
    with (
        court.tracker.run(dossier.use_case, name, tags=begun, stays=True) as run,
        tempfile.TemporaryDirectory() as scratch,
    ):
        path = Path(scratch) / DOSSIER
        path.write_text(json.dumps(dossier.to_json(), indent=1))
        run.artifact(path)
        if tags:
            run.tags(tags)
        return Case(dossier=dossier, run_id=run.id)


def case(model: str, run_id: str, tracker: Tracker) -> Case:
    """A dossier that was written before.

    Raises:
        RegistryError: There is no such run.
        TrainingError: It is no decision about the model.
    """
    if tracker.find(run_id).tags.get("step") != STEP:
        raise TrainingError(model, f"run {run_id} is no dossier; give the one of the step `judge`")
    document = json.loads(tracker.read(run_id, DOSSIER))
    dossier = Dossier(**{**document, "decision": Decision(document["decision"])})
    if dossier.use_case != model:
        raise TrainingError(model, f"run {run_id} is a decision about {dossier.use_case}")
    return Case(dossier=dossier, run_id=run_id)


def carry_out(model: str, run_id: str, court: Court, expected: Decision | None = None) -> Dossier:
    """Move the alias as a dossier says, once, and end its run.

    Args:
        model: Whose alias.
        run_id: Of the dossier.
        court: Who decides.
        expected: The only decision that may be carried out; any when None.

    Raises:
        TrainingError: It is another decision, or there is another champion since.
    """
    dossier = case(model, run_id, court.tracker).dossier
    if expected is not None and dossier.decision is not expected:
        problem = f"dossier {run_id} says {dossier.decision}, not {expected}: {dossier.reason}"
        raise TrainingError(model, problem)
    if court.tracker.find(run_id).status == FINISHED:
        return dossier
    with court.tracker.run(model, "", resume=run_id) as run:
        if dossier.decision is not Decision.REJECTED:
            _refuse_stale(dossier, court)
            court.registry.point(model, CHAMPION, dossier.challenger)
        run.tags({"at": repr(court.clock())})
    _count(dossier, court)
    return dossier


def _count(dossier: Dossier, court: Court) -> None:
    for each in Decision:
        # the others as 0, so that each has been told before it first counts
        name = f"promotion.{dossier.use_case}.{each.replace(' ', '_')}"
        court.stats.count(name, int(each is dossier.decision))


def _refuse_stale(dossier: Dossier, court: Court) -> None:
    """Whoever is champion now must be who was judged against, or the version itself: a killed step's work."""
    name, now = dossier.use_case, court.registry.resolve(dossier.use_case, CHAMPION)
    if now is not None and now.version not in {dossier.champion, dossier.challenger}:
        raise PromotionError(
            name, f"version {now.version} became champion after the judgement; judge again: step judge {name}"
        )


def rollback(model: str, to: int | None, court: Court) -> Dossier:
    """Make an earlier version champion again.

    Args:
        model: Whose champion.
        to: The version; the champion before the present one when None.
        court: Who decides.

    Raises:
        NoSuchModelError: There is no such version, or no earlier champion.
        PromotionError: It is the champion already.
    """
    champion = court.registry.resolve(model, CHAMPION)
    if champion is None:
        raise NoSuchModelError(model, "champion", f"run `servicio-ml promote {model}` first")
    version = to if to is not None else _previous(model, champion.version, court.tracker)
    reason = f"from version {champion.version}"
    return _moved(model, champion, version, Decision.ROLLED_BACK, reason, court)


def crown(model: str, version: int, reason: str, court: Court, instead_of: int | None = None) -> Dossier:
    """Make a version champion by an administrator's word: rolled back if it reigned before, else promoted.

    What a killed process had carried out and not closed is closed first; where it was the same word, that is
    all.

    Args:
        model: Whose champion.
        version: To be champion.
        reason: Why, in the administrator's words.
        court: Who decides.
        instead_of: The champion that the administrator knows of; any when None.

    Raises:
        NoSuchModelError: There is no such version.
        PromotionError: It is the champion already, or the champion is another than is known of.
    """
    champion = court.registry.resolve(model, CHAMPION)
    now = champion.version if champion else None
    closed = _closed(model, now, court)
    if closed is not None and now == version:
        return closed
    if instead_of is not None and now not in {instead_of, version}:
        present = "no version" if now is None else f"version {now}"
        problem = f"{present} is champion, not version {instead_of}: it was moved; look again, then decide"
        raise PromotionError(model, problem)
    reigned = any(each.version == version for each in history(model, court.tracker))
    decision = Decision.ROLLED_BACK if reigned else Decision.PROMOTED
    return _moved(model, champion, version, decision, reason, court)


def _moved(
    model: str, champion: ModelVersion | None, version: int, decision: Decision, reason: str, court: Court
) -> Dossier:
    """The alias moved without a judgement, with its dossier."""
    if champion is not None and version == champion.version:
        problem = f"version {version} is the champion already; see `servicio-ml history {model}`"
        raise PromotionError(model, problem)
    court.registry.version(model, version)
    dossier = Dossier(
        use_case=model, decision=decision, reason=reason, challenger=version,
        champion=champion.version if champion else None, by=court.by, at=court.clock(),
    )  # fmt: skip
    return carry_out(model, written(dossier, court).run_id, court)


def _closed(model: str, champion: int | None, court: Court) -> Dossier | None:
    """The dossier by which a version is champion, closed where its process was killed before it did so."""
    reigned = history(model, court.tracker)
    if champion is None or (reigned and reigned[0].version == champion):
        return None
    for run in court.tracker.runs(model, {"step": STEP, "challenger": str(champion)}):
        dossier = told(model, run)
        if run.status == OPEN and dossier.decision is not Decision.REJECTED:
            with court.tracker.run(model, "", resume=run.id):
                _count(dossier, court)
            return dossier
    return None


def decision_about(model: str, version: int, tracker: Tracker) -> str:
    """What was decided about a version when it was challenger; empty where nothing was.

    Raises:
        TrainingError: A decision is written and not carried out.
    """
    found = tracker.runs(model, {"step": STEP, JUDGED: str(version)})
    done = [run for run in found if run.status == FINISHED]
    if found and not done:
        decision = found[0].tags["decision"]
        problem = f"dossier {found[0].id} is not carried out: {decision}; run step promote or step reject"
        raise TrainingError(model, problem)
    return done[0].tags["decision"] if done else ""


def decisions(model: str, tracker: Tracker) -> list[Dossier]:
    """Every decision that was carried out, the newest first, without its evidence."""
    return [told(model, run) for run in carried_out(model, tracker)]


def carried_out(model: str, tracker: Tracker) -> list[RunRecord]:
    """The runs of the decisions that were carried out, the newest first."""
    done = [run for run in tracker.runs(model, {"step": STEP}) if run.status == FINISHED]
    # runs are sorted by when they began: a decision may have been carried out after a later one
    return sorted(done, key=lambda run: -float(run.tags["at"]))


def history(model: str, tracker: Tracker) -> list[Reign]:
    """Who was champion from when to when, the newest first."""
    return reigns(decisions(model, tracker))


def reigns(every: Sequence[Dossier]) -> list[Reign]:
    """Who was champion by these decisions, the newest first."""
    moves = [each for each in every if each.decision is not Decision.REJECTED]
    ends = [None, *(each.at for each in moves)]
    return [
        Reign(
            version=each.challenger, since=each.at, until=end, by=each.by,
            reason=f"{each.decision}: {each.reason}",
        )
        for each, end in zip(moves, ends, strict=False)
    ]  # fmt: skip


def _previous(model: str, present: int, tracker: Tracker) -> int:
    for reign in history(model, tracker):
        if reign.version != present:
            return reign.version
    raise NoSuchModelError(model, "earlier champion", "name a version: --to VERSION")


def _to_tags(dossier: Dossier) -> dict[str, str]:
    return {
        "decision": dossier.decision, "reason": dossier.reason, "challenger": str(dossier.challenger),
        "champion": "" if dossier.champion is None else str(dossier.champion),
        "by": dossier.by, "at": repr(dossier.at),
    }  # fmt: skip


def told(model: str, run: RunRecord) -> Dossier:
    """A dossier as its run's tags tell it, without its evidence."""
    each = run.tags
    return Dossier(
        use_case=model, decision=Decision(each["decision"]), reason=each["reason"],
        challenger=int(each["challenger"]), champion=int(each["champion"]) if each["champion"] else None,
        by=each["by"], at=float(each["at"]),
    )  # fmt: skip
