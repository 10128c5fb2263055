"""An experiment as people read it."""

from typing import TYPE_CHECKING

from servicio_ml.cli.session import CommandSession
from servicio_ml.domain.experiments.design import Bandit
from servicio_ml.lifecycle.retraining_policy import format_time

if TYPE_CHECKING:
    from servicio_ml.domain.experiments.design import ExperimentDesign
    from servicio_ml.domain.experiments.effects import ArmFinding
    from servicio_ml.domain.experiments.experiment import Experiment


def show_experiment(here: CommandSession, model: str, experiment: "Experiment | None") -> None:
    """Print the newest experiment of a model, or that there is none."""
    if experiment is None:
        here.print_line(f"{model} has no experiment; begin one: servicio-ml experiment {model} start")
        here.print_document({"model": model, "experiment": None})
        return
    ends = "" if experiment.has_ended else f", until {format_time(experiment.deadline)} at the latest"
    here.print_line(
        f"{model}: experiment from {format_time(experiment.since)}: {experiment.state}{ends}; "
        f"{_describe_design(experiment.design)}"
    )
    _show_arms(here, experiment)
    here.print_table(
        "changes",
        ["at", "state", "by", "why"],
        [[format_time(each.at), each.state, each.by, each.reason] for each in experiment.events],
    )
    here.print_document({"model": model, "experiment": experiment.to_json()})


def _describe_design(design: "ExperimentDesign") -> str:
    effect = f"{design.minimum_effect:.3g}"
    if design.relative:
        effect = f"{design.minimum_effect:.3%} of the champion's mean"
    better = "more" if design.sign > 0 else "less"
    bandit = "" if design.bandit is Bandit.NONE else f", {design.bandit} sampling"
    return f"metric {design.metric}, {better} is better, minimum effect {effect}{bandit}"


def _show_arms(here: CommandSession, experiment: "Experiment") -> None:
    last = len(experiment.phases) - 1
    shares = {each: f"{experiment.get_share(each, last):.1%}" for each in experiment.versions}
    if not experiment.findings:
        shown = ", ".join(f"version {version} {share}" for version, share in shares.items())
        here.print_line(f"{shown}; not judged yet: a server that serves the model does so")
        return
    here.print_table(
        f"versions at {format_time(experiment.judged_at)}",
        ["version", "share", "rows", "mean", "improvement", "interval", "verdict"],
        [
            [each.version, shares[each.version], f"{each.rows:,}", *_format_finding(each)]
            for each in experiment.findings
        ],
    )


def _format_finding(finding: "ArmFinding") -> list[str]:
    mean = "–" if finding.mean is None else f"{finding.mean:.4g}"
    if finding.verdict is None:
        return [mean, "champion", "–", "–"]
    improvement = "–" if finding.improvement is None else f"{finding.improvement:+.4g}"
    interval = "–"
    if finding.low is not None and finding.high is not None:
        interval = f"{finding.low:+.4g} to {finding.high:+.4g}"
    return [mean, improvement, interval, finding.verdict]
