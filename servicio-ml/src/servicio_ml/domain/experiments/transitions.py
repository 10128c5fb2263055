"""Transitions of an experiment: what people ask for, and what evidence decides, without side effects."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from servicio_ml.domain.experiments.design import Bandit, ExperimentDesign
from servicio_ml.domain.experiments.effects import ArmFinding, ArmVerdict, judge_arms
from servicio_ml.domain.experiments.experiment import (
    Experiment,
    ExperimentEvent,
    ExperimentState,
    SharePhase,
)
from servicio_ml.domain.experiments.outcome_sums import OutcomeTable
from servicio_ml.domain.experiments.thompson import compute_bandit_shares, needs_change
from servicio_ml.domain.retraining import SECONDS_PER_HOUR
from servicio_ml.errors import RolloutError

PROGRAM = "experiment"
"""Name of the program in events."""


def start_experiment(
    model: str,
    identifier: str,
    champion: int,
    design: ExperimentDesign,
    classes: int,
    by: str,
    times: tuple[float, float],
) -> Experiment:
    """Start an experiment.

    Args:
        model: Name of the model.
        identifier: Identifier of the experiment.
        champion: Version that gets the rest of the clients.
        design: Declaration.
        classes: Number of classes of the model's target; 0 for a number.
        by: Name of the person or program that starts it.
        times: Present time, and the time from which clients are assigned, in seconds since 1970.

    Raises:
        RolloutError: The champion has a share, or the metric does not fit the model.
    """
    if champion in design.shares:
        problem = f"version {champion} is the champion, which gets the rest; give shares to others only"
        raise RolloutError(model, problem)
    if problem := design.find_task_problem(classes):
        raise RolloutError(model, problem)
    now, since = times
    experiment = Experiment(
        id=identifier, model=model, champion=champion, design=design, classes=classes,
        state=ExperimentState.RUNNING, phases=(SharePhase(since=since, shares=design.shares),),
    )  # fmt: skip
    shown = ", ".join(f"version {version} {share:.0%}" for version, share in design.shares.items())
    reason = f"{shown}, version {champion} {design.rest:.0%}"
    return _enter(experiment, ExperimentState.RUNNING, reason, by, now)


def stop_experiment(experiment: Experiment, by: str, now: float, reason: str = "") -> Experiment:
    """Stop an experiment; its champion answers everything again.

    Raises:
        RolloutError: The experiment is over.
    """
    if experiment.has_ended:
        problem = f"the experiment is {experiment.state}; only a running one can be stopped"
        raise RolloutError(experiment.model, problem)
    return _enter(experiment, ExperimentState.STOPPED, f"stopped: {reason}" if reason else "stopped", by, now)


def stop_superseded(experiment: Experiment, champion: int, now: float) -> Experiment:
    """Stop an experiment whose champion was changed by somebody else."""
    reason = f"version {champion} became champion by another decision"
    return _enter(experiment, ExperimentState.STOPPED, reason, PROGRAM, now)


def judge_experiment(
    experiment: Experiment, outcomes: OutcomeTable, now: float, lead_seconds: float
) -> Experiment:
    """Judge all versions; end the experiment, or adapt its shares, where that follows.

    Args:
        experiment: Experiment, also one that has ended: ground truth may come later.
        outcomes: Rows with ground truth.
        now: Time in seconds since 1970.
        lead_seconds: Time until new shares apply, in which all replicas hear of them.
    """
    findings = judge_arms(experiment.design, experiment.champion, outcomes, is_share=experiment.is_share)
    judged = replace(experiment, findings=findings, judged_at=now)
    if experiment.has_ended:
        return judged
    if reason := _find_end(judged, outcomes.rows, now):
        return _enter(judged, ExperimentState.FINISHED, reason, PROGRAM, now)
    return _adapt_shares(judged, outcomes, now, lead_seconds)


def needs_evaluation(experiment: Experiment, now: float) -> bool:
    """Whether ground truth that arrives now still counts."""
    ended = experiment.ended_at
    return ended is None or now < ended + experiment.design.label_hours * SECONDS_PER_HOUR


def _find_end(experiment: Experiment, rows: int, now: float) -> str:
    """Describe why an experiment ends; empty where it goes on."""
    design, others = experiment.design, experiment.findings[1:]
    if all(each.verdict is not ArmVerdict.OPEN for each in others):
        return "; ".join(map(describe_finding, others))
    if design.max_rows is not None and rows >= design.max_rows:
        return f"{rows:,} rows have ground truth, of {design.max_rows:,} at most"
    return f"{design.max_hours:g} h are over" if now >= experiment.deadline else ""


def describe_finding(finding: ArmFinding) -> str:
    """Describe the evidence on a version in a few words."""
    if finding.improvement is None or finding.low is None or finding.high is None:
        return f"version {finding.version}: too few rows"
    bounds = f"{finding.improvement:+.4g} [{finding.low:+.4g}, {finding.high:+.4g}]"
    return f"version {finding.version}: {finding.verdict}, improvement {bounds}"


def _adapt_shares(
    experiment: Experiment, outcomes: OutcomeTable, now: float, lead_seconds: float
) -> Experiment:
    design, present = experiment.design, experiment.phases[-1]
    if design.bandit is Bandit.NONE or now < present.since + design.adapt_hours * SECONDS_PER_HOUR:
        return experiment
    sums = {version: outcomes.sum_version(version) for version in experiment.versions}
    # what was drawn can be drawn again
    random = Random(f"{experiment.id} {now!r}")  # noqa: S311  no secret
    shares = compute_bandit_shares(design, experiment.champion, sums, random, is_share=experiment.is_share)
    return experiment if shares is None else _change_shares(experiment, shares, now + lead_seconds)


def _change_shares(experiment: Experiment, shares: Mapping[int, float], since: float) -> Experiment:
    if not needs_change(experiment.phases[-1].shares, shares):
        return experiment
    return replace(experiment, phases=(*experiment.phases, SharePhase(since=since, shares=shares)))


def _enter(experiment: Experiment, state: ExperimentState, reason: str, by: str, now: float) -> Experiment:
    event = ExperimentEvent(at=now, state=state, reason=reason, by=by)
    return replace(experiment, state=state, events=(*experiment.events, event))
