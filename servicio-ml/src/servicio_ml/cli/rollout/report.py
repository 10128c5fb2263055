"""A rollout as people read it."""

from typing import TYPE_CHECKING

from servicio_ml.cli.session import CommandSession
from servicio_ml.domain.rollout.rollout import TIMED
from servicio_ml.lifecycle.retraining_policy import format_time

if TYPE_CHECKING:
    from servicio_ml.domain.rollout.rollout import Rollout


def show_rollout(here: CommandSession, model: str, rollout: "Rollout | None", now: float) -> None:
    """Print the newest rollout of a model, or that there is none.

    Args:
        here: The command.
        model: Name of the model.
        rollout: Newest rollout; None without one.
        now: Time in seconds since 1970.
    """
    if rollout is None:
        here.print_line(f"{model} has no rollout; begin one: servicio-ml rollout {model} start")
        here.print_document({"model": model, "rollout": None})
        return
    share, steps = rollout.get_share(now), len(rollout.ramp.steps)
    state = rollout.state.replace("_", " ")
    ends = f", until {format_time(rollout.deadline)} at the latest" if rollout.state in TIMED else ""
    here.print_line(
        f"{model}: version {rollout.challenger} against {rollout.champion}: {state}, "
        f"step {rollout.step} of {steps}, {share:.0%} of the clients{ends}"
    )
    _show_evidence(here, rollout)
    here.print_table(
        "changes",
        ["at", "state", "share", "by", "why"],
        [
            [format_time(each.at), each.state.replace("_", " "), f"{each.share:.0%}", each.by, each.reason]
            for each in rollout.events
        ],
    )
    here.print_document({"model": model, "rollout": {**rollout.to_json(), "share": share}})


def _show_evidence(here: CommandSession, rollout: "Rollout") -> None:
    if not rollout.findings:
        here.print_line("not judged yet: a server that serves the model does so")
        return
    here.print_table(
        f"guardrails at {format_time(rollout.judged_at)}",
        ["evidence", "verdict"],
        [[str(each), each.verdict] for each in rollout.findings],
    )
