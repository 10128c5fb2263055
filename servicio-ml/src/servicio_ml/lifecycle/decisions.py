"""Champion decisions: a record is written first, then applied to the alias.

Each decision is a run of the step `promotion` in MLflow. The run holds the record and stays open until the
alias has moved, so a process killed in between leaves a decision that can be applied or closed later.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.registry import Registry
from servicio_ml.domain.ports.stats import Stats
from servicio_ml.domain.ports.tracker import FinishedRun, Tracker
from servicio_ml.domain.promotion import CHAMPION, MOVES, DecisionRecord, PromotionDecision
from servicio_ml.errors import PromotionError, TrainingError

STEP = "promotion"
DECISION_RECORD, FINISHED, OPEN = "decision.json", "FINISHED", "RUNNING"
JUDGED_TAG = "judged"
"""Tag of an evaluated challenger's run: the version that was compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionContext:
    """Ports that a decision uses, and the name of the person or program that decides.

    Attributes:
        hold_champion: Holds the right to move the champion of a model, see `DecisionLog`.
        begin_rollout: Begins the rollout that a decision starts; None where it runs before the decision
            is recorded.
    """

    tracker: Tracker
    registry: Registry
    stats: Stats
    clock: Clock
    hold_champion: Callable[[str], AbstractContextManager[None]]
    by: str
    begin_rollout: Callable[[DecisionRecord], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRun:
    """Decision record and the run that holds it; the run is finished once the decision is applied."""

    record: DecisionRecord
    run_id: str


def write_decision(
    record: DecisionRecord, context: DecisionContext, tags: Mapping[str, str] | None = None
) -> DecisionRun:
    """Write a record into a new run that stays open until the decision is applied.

    Args:
        record: Record to write.
        context: Ports and the deciding person.
        tags: Tags to set on the run after the record is stored.
    """
    name = f"{record.decision} {record.challenger}"
    run_tags = {"step": STEP, **_convert_to_tags(record)}
    with (
        context.tracker.open_run(record.use_case, name, tags=run_tags, stays=True) as run,
        tempfile.TemporaryDirectory() as scratch,
    ):
        path = Path(scratch) / DECISION_RECORD
        path.write_text(json.dumps(record.to_json(), indent=1))
        run.log_artifact(path)
        # the tags come last: a run that has them has its record, whenever the process is killed
        if tags:
            run.set_tags(tags)
        return DecisionRun(record=record, run_id=run.id)


def read_decision(model: str, run_id: str, tracker: Tracker) -> DecisionRun:
    """Read a record that was written before.

    Raises:
        RegistryError: The run does not exist.
        TrainingError: The run is not a decision about the model.
    """
    if tracker.get_run(run_id).tags.get("step") != STEP:
        problem = f"run {run_id} holds no decision record; give the run of the step `judge`"
        raise TrainingError(model, problem)
    document = json.loads(tracker.read_artifact(run_id, DECISION_RECORD))
    record = DecisionRecord(**{**document, "decision": PromotionDecision(document["decision"])})
    if record.use_case != model:
        raise TrainingError(model, f"run {run_id} is a decision about {record.use_case}")
    return DecisionRun(record=record, run_id=run_id)


def apply_decision(
    model: str, run_id: str, context: DecisionContext, expected: PromotionDecision | None = None
) -> DecisionRecord:
    """Move the alias as a record says and end its run, while no other process moves it.

    A decision that was applied before changes nothing.

    Args:
        model: Name of the model.
        run_id: Run of the record.
        context: Ports and the deciding person.
        expected: Only decision that may be applied; None allows any.

    Raises:
        TrainingError: The decision is another one, or the champion has changed since.
    """
    with context.hold_champion(model):
        return apply_held_decision(model, run_id, context, expected)


def apply_held_decision(
    model: str, run_id: str, context: DecisionContext, expected: PromotionDecision | None = None
) -> DecisionRecord:
    """Apply a decision as `apply_decision` does, where the right to move the champion is held already."""
    record = read_decision(model, run_id, context.tracker).record
    if expected is not None and record.decision is not expected:
        problem = f"decision record {run_id} says {record.decision}, not {expected}: {record.reason}"
        raise TrainingError(model, problem)
    if context.tracker.get_run(run_id).status == FINISHED:
        return record
    with context.tracker.open_run(model, "", resume=run_id) as run:
        if record.decision is PromotionDecision.ROLLOUT_STARTED and context.begin_rollout is not None:
            _refuse_stale(record, context)
            context.begin_rollout(record)
        # what was set outside has moved already, and may have moved on
        elif record.decision in MOVES - {PromotionDecision.SET_OUTSIDE}:
            _refuse_stale(record, context)
            context.registry.set_alias(model, CHAMPION, record.challenger)
        # the history follows the moves of the alias, so the time of the move replaces that of the record
        run.set_tags({"at": repr(context.clock())})
    count_decision(record, context)
    return record


def count_decision(record: DecisionRecord, context: DecisionContext) -> None:
    """Count a decision in the metrics of the pipeline."""
    for each in PromotionDecision:
        # the others count 0, so that each series exists before its first increase
        name = f"promotion.{record.use_case}.{each.replace(' ', '_')}"
        context.stats.count(name, int(each is record.decision))


def _refuse_stale(record: DecisionRecord, context: DecisionContext) -> None:
    name, now = record.use_case, context.registry.resolve(record.use_case, CHAMPION)
    # the challenger itself is allowed: a process killed after the move left its run open
    if now is not None and now.version not in {record.champion, record.challenger}:
        raise PromotionError(
            name,
            f"version {now.version} became champion after the evaluation; judge again: step judge {name}",
        )


def _convert_to_tags(record: DecisionRecord) -> dict[str, str]:
    return {
        "decision": record.decision, "reason": record.reason, "challenger": str(record.challenger),
        "champion": "" if record.champion is None else str(record.champion),
        "by": record.by, "at": repr(record.at),
    }  # fmt: skip


def build_record_from_tags(model: str, run: FinishedRun) -> DecisionRecord:
    """Build a record from the tags of its run, without the evidence."""
    # one search returns the tags of all runs; the evidence would take a download for each
    each = run.tags
    return DecisionRecord(
        use_case=model, decision=PromotionDecision(each["decision"]), reason=each["reason"],
        challenger=int(each["challenger"]), champion=int(each["champion"]) if each["champion"] else None,
        by=each["by"], at=float(each["at"]),
    )  # fmt: skip
