"""The decision about an imported model: by comparison, or for the first version without ground truth."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.drafting.run import build_request
from servicio_ml.cli.promote import apply_and_show, build_context
from servicio_ml.cli.session import CommandSession
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import NotPublishedError
from servicio_ml.lifecycle.admin_actions import set_champion

if TYPE_CHECKING:
    from servicio_ml.domain.dataset import Manifest
    from servicio_ml.domain.ports.registry import ModelVersion
    from servicio_ml.lifecycle.decisions import DecisionContext
    from servicio_ml.pipeline.training.run_recorder import TrainingPorts

UNMEASURED = "first version, imported without ground truth: its quality was not measured"


def decide_import(
    here: CommandSession,
    use_case: UseCase,
    manifest: "Manifest | None",
    ports: "TrainingPorts",
    version: "ModelVersion",
) -> dict[str, Any]:
    """Compare the version on published rows; without any, make it champion where there is no other.

    Args:
        here: The command.
        use_case: The use case.
        manifest: Manifest of its own rows; None without ground truth, for the latest published ones.
        ports: Lake, runs and registry.
        version: The imported version.

    Returns:
        The `promotion` of the command's document, and with `undecided` why there is none.
    """
    from servicio_ml.pipeline.promotion.judge import judge_once

    context = build_context(here, ports.tracker, ports.registry)
    published = manifest or _find_published(use_case, ports)
    if published is None:
        return _decide_unmeasured(here, use_case, context, version)
    if manifest is None:
        here.print_line(f"compared on the published rows of {published.period}, which have ground truth")
    run = judge_once(use_case, published, ports.store, context, version)
    record = apply_and_show(here, use_case, run, context)
    _show_request(here, use_case)
    return {"promotion": record.to_json()}


def _find_published(use_case: UseCase, ports: "TrainingPorts") -> "Manifest | None":
    from servicio_ml.lifecycle.published import read_manifest

    with suppress(NotPublishedError):
        return read_manifest(ports.store, use_case.name)
    return None


def _decide_unmeasured(
    here: CommandSession, use_case: UseCase, context: "DecisionContext", version: "ModelVersion"
) -> dict[str, Any]:
    name, champion = use_case.name, context.registry.resolve(use_case.name, CHAMPION)
    if champion is None:
        record = set_champion(name, version.version, UNMEASURED, context)
        here.print_line(f"{record.decision}: version {version.version}, {UNMEASURED}")
        _show_request(here, use_case)
        return {"promotion": record.to_json()}
    problem = (
        f"version {version.version} stays challenger: without ground truth it cannot be compared with"
        f" version {champion.version}. Publish rows that have it (`servicio-ml etl {name} --source FILE`) and"
        f" run `servicio-ml promote {name}`, or promote it without a comparison: `servicio-ml promote"
        f' {name} --by-hand "REASON"`'
    )
    here.print_line(problem)
    return {"promotion": None, "undecided": problem}


def _show_request(here: CommandSession, use_case: UseCase) -> None:
    here.print_line(f"ask it, once `servicio-ml serve` runs:\n  {build_request(here, use_case)}")
