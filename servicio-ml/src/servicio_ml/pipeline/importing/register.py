"""Registration of an imported model as a version like any other."""

import math
from pathlib import Path

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.use_case import UseCase
from servicio_ml.lifecycle.version_tags import CANDIDATE_TAG, FAMILY_TAG, PARAMS_TAG, RESULT_TAG
from servicio_ml.pipeline.importing.build import ImportedModel, ModelImport
from servicio_ml.pipeline.importing.card import CANDIDATE
from servicio_ml.pipeline.training.candidate_result import CandidateResult
from servicio_ml.pipeline.training.run_recorder import TrainingPorts


def register_import(
    use_case: UseCase,
    manifest: Manifest | None,
    ports: TrainingPorts,
    given: ModelImport,
    made: ImportedModel,
) -> ModelVersion:
    """Register an imported model, with its run, and name it challenger.

    Args:
        use_case: The use case.
        manifest: Manifest of its rows; None without ground truth.
        ports: Where it is registered.
        given: What is imported.
        made: Its artifact.
    """
    period, digest = (manifest.period, manifest.digest) if manifest else ("", "")
    row = build_result(use_case, given, made)
    with ports.tracker.open_run(
        use_case.name, f"import {Path(given.uri).name}", tags={"step": "import"}
    ) as run:
        run.log_params(
            {"model": given.uri, "kind": given.files.kind, **({"period": period} if period else {})}
        )
        run.log_metrics(row.numbers)
        tags = {
            "step": "import", CANDIDATE_TAG: CANDIDATE, "stage": "imported", "eligible": "true", "reason": "",
            FAMILY_TAG: given.files.kind, PARAMS_TAG: "{}", "period": period, "data_digest": digest,
            "trained_until": "", "source": given.uri, RESULT_TAG: row.to_tag(),
        }  # fmt: skip
        run.log_artifact(made.figures, "figures")
        version = ports.registry.register(use_case.name, made.folder, run_id=run.id, tags=tags)
    ports.registry.set_alias(use_case.name, CANDIDATE, version.version)
    ports.registry.set_alias(use_case.name, CHALLENGER, version.version)
    return ports.registry.get_version(use_case.name, version.version)


def build_result(use_case: UseCase, given: ModelImport, made: ImportedModel) -> CandidateResult:
    """Build the row of an imported model among the candidates: its holdout stands for a validation."""
    parity = made.proof.parity
    return CandidateResult(
        candidate=CANDIDATE, version=None, eligible=True, reason="",
        params={"model": given.uri, "kind": given.files.kind}, metrics=made.metrics,
        validation=made.metrics.get(use_case.metric, math.nan), validation_error=0.0,
        latency_seconds=made.latency_seconds,
        parity=parity.difference if parity and parity.holds else 0.0, threshold=made.threshold,
    )  # fmt: skip
