"""Applied decisions of a model, and the tenures of its champions that follow from them."""

from collections.abc import Sequence
from dataclasses import replace

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.ports.tracker import FinishedRun, Tracker
from servicio_ml.domain.promotion import MOVES, ChampionTenure, DecisionRecord
from servicio_ml.errors import TrainingError
from servicio_ml.lifecycle.decisions import FINISHED, JUDGED_TAG, STEP, build_record_from_tags

SET_OUTSIDE = "the alias was set in MLflow, without a decision of servicio-ml"
"""Reason of a tenure that no decision began."""


def get_decision_about(model: str, version: int, tracker: Tracker) -> str:
    """Return the decision on a version as challenger; empty without one.

    Raises:
        TrainingError: A decision is written but not applied.
    """
    found = tracker.find_runs(model, {"step": STEP, JUDGED_TAG: str(version)})
    done = [run for run in found if run.status == FINISHED]
    if found and not done:
        decision = found[0].tags["decision"]
        problem = (
            f"decision record {found[0].id} is not applied: {decision}; run step promote, rollout or reject"
        )
        raise TrainingError(model, problem)
    return done[0].tags["decision"] if done else ""


def list_decisions(model: str, tracker: Tracker) -> list[DecisionRecord]:
    """List the applied decisions, the newest first, without their evidence."""
    return [build_record_from_tags(model, run) for run in list_applied_runs(model, tracker)]


def list_applied_runs(model: str, tracker: Tracker) -> list[FinishedRun]:
    """List the runs of the applied decisions, the newest first."""
    done = [run for run in tracker.find_runs(model, {"step": STEP}) if run.status == FINISHED]
    # runs are sorted by their start: a decision may have been applied after a later one
    return sorted(done, key=lambda run: -float(run.tags["at"]))


def list_tenures(model: str, tracker: Tracker) -> list[ChampionTenure]:
    """List the champions of a model with the times of their tenures, the newest first."""
    return build_tenures(list_decisions(model, tracker))


def build_tenures(
    every: Sequence[DecisionRecord], champion: ModelVersion | None = None
) -> list[ChampionTenure]:
    """Build the tenures that follow from decisions; both are sorted with the newest first.

    Args:
        every: Applied decisions.
        champion: Version with the alias `champion`, where it is known. One that no decision named begins a
            tenure when it was registered, since MLflow does not keep the time of an alias.
    """
    moves = [each for each in every if each.decision in MOVES]
    # a tenure ends when the next begins, which stands before it in this order
    ends = [None, *(each.at for each in moves)]
    found = [
        ChampionTenure(
            version=each.challenger, since=each.at, until=end, by=each.by,
            reason=f"{each.decision}: {each.reason}",
        )
        for each, end in zip(moves, ends, strict=False)
    ]  # fmt: skip
    if champion is None or (found and found[0].version == champion.version):
        return found
    return _begin_outside_tenure(found, champion)


def _begin_outside_tenure(tenures: Sequence[ChampionTenure], champion: ModelVersion) -> list[ChampionTenure]:
    """Begin the tenure of a champion that no decision named, and end the one before it."""
    begin = max(champion.created, tenures[0].since if tenures else 0.0)
    outside = ChampionTenure(
        version=champion.version, since=begin, until=None, by="unknown", reason=SET_OUTSIDE
    )
    return [outside, *(replace(each, until=each.until or begin) for each in tenures)]
