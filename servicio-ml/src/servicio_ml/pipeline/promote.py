"""Promotion: the challenger judged against the champion on the same rows."""

from dataclasses import asdict

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.ports import ModelVersion, ObjectStore, Registry
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION, Comparison, Dossier, gates, verdict
from servicio_ml.domain.succession import FINISHED, JUDGED, STEP, Case, Court, carry_out, case, written
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import NoSuchModelError, PromotionError, TrainingError, listed
from servicio_ml.features.artifact import load_version
from servicio_ml.pipeline.compare import compare
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.rows import true_values, unseen

LEAST_ROWS = 30
"""That neither has seen; fewer decide nothing."""


def promote(use_case: UseCase, manifest: Manifest, store: ObjectStore, court: Court) -> Dossier:
    """Judge the challenger and move the alias if it passes.

    Raises:
        NoSuchModelError: There is no challenger.
        TrainingError: The challenger is the champion already, or too few rows are new to both.
    """
    judged = judge(use_case, manifest, store, court, challenger_of(use_case, court))
    return carry_out(use_case.name, judged.run_id, court)


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
            return case(use_case.name, run.id, court.tracker)
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
        raise PromotionError(name, f"version {challenger.version} is the champion already; nothing to decide")
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
    return written(dossier, court, {JUDGED: str(challenger.version)})


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
