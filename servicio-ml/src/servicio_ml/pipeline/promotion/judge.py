"""Promotion: the challenger judged against the champion on the same rows."""

from dataclasses import asdict

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.registry import ModelVersion, Registry
from servicio_ml.domain.promotion import (
    CHALLENGER,
    CHAMPION,
    DecisionRecord,
    PromotionComparison,
    decide,
    evaluate_gates,
)
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import NoSuchModelError, PromotionError, TrainingError, format_names
from servicio_ml.features.artifact import load_version
from servicio_ml.lifecycle.decisions import (
    FINISHED,
    JUDGED_TAG,
    STEP,
    DecisionContext,
    DecisionRun,
    read_decision,
    write_decision,
)
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.promotion.compare import compare
from servicio_ml.pipeline.row_checks.required_rows import MIN_TEST_ROWS, describe_few_test_rows
from servicio_ml.pipeline.training.dataset import filter_unseen_rows, read_true_values


def get_challenger(use_case: UseCase, context: DecisionContext) -> ModelVersion:
    """The version that is named challenger.

    Raises:
        NoSuchModelError: There is none.
    """
    found = context.registry.resolve(use_case.name, CHALLENGER)
    if found is None:
        raise NoSuchModelError(use_case.name, "challenger", f"run `servicio-ml train {use_case.name}` first")
    return found


def judge_once(
    use_case: UseCase,
    manifest: Manifest,
    store: ObjectStore,
    context: DecisionContext,
    challenger: ModelVersion,
) -> DecisionRun:
    """As `judge`; what was decided of that version before, if it still holds, where there is such a thing."""
    champion = context.registry.resolve(use_case.name, CHAMPION)
    against = str(champion.version) if champion else ""
    for run in context.tracker.find_runs(use_case.name, {"step": STEP, JUDGED_TAG: str(challenger.version)}):
        # a decision against a former champion no longer holds unless it was carried out
        carried_out = run.status == FINISHED
        if carried_out or run.tags["champion"] == against:
            return read_decision(use_case.name, run.id, context.tracker)
    return judge(use_case, manifest, store, context, challenger)


def judge(
    use_case: UseCase,
    manifest: Manifest,
    store: ObjectStore,
    context: DecisionContext,
    challenger: ModelVersion,
) -> DecisionRun:
    """Compare a challenger with the champion and write the decision record; no alias moves.

    Raises:
        TrainingError: The challenger is the champion already, or too few rows are new to both.
    """
    name = use_case.name
    champion = context.registry.resolve(name, CHAMPION)
    if champion is not None and champion.version == challenger.version:
        raise PromotionError(name, f"version {challenger.version} is the champion already; nothing to decide")
    comparison = _compare_versions(use_case, manifest, store, context.registry, challenger, champion)
    found = evaluate_gates(use_case.promotion, METRICS[use_case.promotion.metric], comparison)
    # the first champion has nobody to be compared with while it answers
    gradual = use_case.promotion.rollout is not None and champion is not None
    decision, reason = decide(found, by_rollout=gradual)
    record = DecisionRecord(
        use_case=name, decision=decision, reason=reason, challenger=challenger.version,
        champion=champion.version if champion else None, by=context.by, at=context.clock(),
        evidence={
            "period": manifest.period, "data_digest": manifest.digest, "metric": use_case.promotion.metric,
            "sample_weight": use_case.sample_weight,
            "challenger_data_digest": challenger.tags.get("data_digest", ""),
            "champion_data_digest": champion.tags.get("data_digest", "") if champion else "",
            "policy": asdict(use_case.promotion), "comparison": asdict(comparison),
            "gates": [asdict(gate) for gate in found],
        },
    )  # fmt: skip
    return write_decision(record, context, {JUDGED_TAG: str(challenger.version)})


def _compare_versions(
    use_case: UseCase,
    manifest: Manifest,
    store: ObjectStore,
    registry: Registry,
    challenger: ModelVersion,
    champion: ModelVersion | None,
) -> PromotionComparison:
    published, both = read_split(store, manifest, "test"), [each for each in (challenger, champion) if each]
    # the later training end counts, else one model would be judged on rows that it has seen
    frame = filter_unseen_rows(use_case, published, [each.tags.get("trained_until", "") for each in both])
    if problem := describe_few_test_rows(use_case, len(published)):
        raise TrainingError(use_case.name, f"the period {manifest.period} has {problem}")
    if len(frame) < MIN_TEST_ROWS:
        raise TrainingError(
            use_case.name,
            f"of {len(published)} test rows of {manifest.period}, {len(frame)} are later than the training"
            f" rows of {format_names(f'version {each.version}' for each in both)}; {MIN_TEST_ROWS} are"
            " needed; judge on a later month: --period",
        )
    truth = read_true_values(use_case.target, frame)
    # with golden rows: a version that computes differently here must not be judged
    new = load_version(registry, challenger)
    old = load_version(registry, champion) if champion is not None else None
    return compare(use_case, frame, truth, new, old)
