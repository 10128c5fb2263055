"""Export: a fitted estimator becomes a model artifact, checked against its original."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.search import Candidate
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import (
    CARD,
    GOLDEN,
    MODEL,
    OUTPUT,
    REFERENCE,
    SCHEMA,
    load_artifact,
)
from servicio_ml.features.decoder import decode_records
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.explain import measure_importance
from servicio_ml.features.output import OutputTransform
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.features.requests.request_models import build_record_model
from servicio_ml.features.runtimes.scorer import SCORES_NAME, OnnxScorer, Scorer
from servicio_ml.features.uncertainty.error_model import append_outcomes
from servicio_ml.features.uncertainty.uncertainty import ERROR_MODEL
from servicio_ml.pipeline.training.blending.blend import Blend
from servicio_ml.pipeline.training.blending.graph import merge_models
from servicio_ml.pipeline.training.estimators import OPSET, get_family
from servicio_ml.pipeline.training.fitting import TrainingProblem, compute_scores
from servicio_ml.pipeline.training.outliers.build import BuiltOutlierModel
from servicio_ml.pipeline.training.uncertainty.built import BuiltUncertainty
from servicio_ml.pipeline.tree_table import write_tree_table

# float32 against float64: sums over many trees differ in their last digits
PARITY_TOLERANCE = 1e-4
"""Greatest difference of a score, relative where it is above 1, between ONNX and scikit-learn."""
# the first calls allocate memory, which later ones reuse
LATENCY_ROWS, LATENCY_WARM_UP = 200, 20
# few enough to replay at every load, enough to cover the training rows
GOLDEN_ROWS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """An exported model and whether it may be promoted.

    Attributes:
        onnx: The model's bytes, None where the conversion failed.
        parity: Greatest difference to the original on the holdout (see `PARITY_TOLERANCE`).
        latency_seconds: Median time of one row.
        reason: Why it is not eligible; empty when it is.
    """

    onnx: bytes | None
    parity: float
    latency_seconds: float
    reason: str


def export_model(candidate: Candidate, estimator: Any, holdout: Matrix) -> ExportedModel:
    """Convert an estimator and check it on a holdout.

    Args:
        candidate: With its latency budget.
        estimator: Fitted.
        holdout: `[n, features]`, gaps and all.
    """
    nan = float("nan")
    try:
        model = convert_estimator(candidate.family, estimator, holdout.shape[1])
        scorer = OnnxScorer(model)
    except Exception as error:  # noqa: BLE001  converters fail in many ways, and each makes the candidate ineligible
        reason = f"cannot be exported: {type(error).__name__}: {error}"
        return ExportedModel(onnx=None, parity=nan, latency_seconds=nan, reason=reason)
    # on rows with missing values too, where converters err most often
    difference = measure_parity(scorer, estimator, holdout)
    latency = measure_latency(scorer, holdout)
    return ExportedModel(
        onnx=model,
        parity=difference,
        latency_seconds=latency,
        reason=_find_ineligibility(difference, latency, candidate.max_latency_seconds),
    )


def _find_ineligibility(difference: float, latency: float, budget: float) -> str:
    if not difference <= PARITY_TOLERANCE:
        return f"ONNX differs from scikit-learn by {difference:.2g} (tolerance {PARITY_TOLERANCE:g})"
    if not latency <= budget:
        return f"one row takes {latency * 1000:.2f} ms (budget {budget * 1000:g} ms)"
    return ""


def convert_estimator(family: str, estimator: Any, width: int) -> bytes:
    """Convert an estimator of rows `[n, width]` to an ONNX model with one output, `scores`."""
    return bytes(_convert(family, estimator, width).SerializeToString())


def _convert(family: str, estimator: Any, width: int) -> Any:
    """Convert an estimator to a model with one output; a blend to one graph of all members."""
    if isinstance(estimator, Blend):
        models = [_convert(each.family, each.estimator, width) for each in estimator.members]
        return merge_models(models, [each.weight for each in estimator.members], OPSET, width)
    return _rename_output(get_family(family).convert(estimator, width))


def _rename_output(model: Any) -> Any:
    """The model with one output, `scores`."""
    # a classifier also has an output with labels, which is computed from the scores here
    wanted = next(
        (out.name for out in model.graph.output if "prob" in out.name.lower()), model.graph.output[0].name
    )
    for node in model.graph.node:
        node.output[:] = [SCORES_NAME if name == wanted else name for name in node.output]
        node.input[:] = [SCORES_NAME if name == wanted else name for name in node.input]
    kept = next(out for out in model.graph.output if out.name == wanted)
    kept.name = SCORES_NAME
    # converters write shapes that their own models do not keep
    kept.type.tensor_type.ClearField("shape")
    del model.graph.output[:]
    model.graph.output.append(kept)
    return model


def measure_parity(scorer: Scorer, estimator: Any, holdout: Matrix) -> float:
    """Greatest difference between the two on `[n, features]`, relative where a score is above 1."""
    mine = scorer.score(holdout)
    theirs = compute_scores(estimator, holdout)
    scale = np.maximum(1.0, np.abs(theirs))
    return float(np.max(np.abs(mine.reshape(theirs.shape) - theirs) / scale))


def measure_latency(scorer: Scorer, matrix: Matrix) -> float:
    """Median seconds of one row, over rows that change."""
    rows = [matrix[i % len(matrix)][None, :] for i in range(LATENCY_WARM_UP + LATENCY_ROWS)]
    taken = []
    for row in rows:
        started = time.perf_counter()
        scorer.score(row)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken[LATENCY_WARM_UP:]))


def write_artifact(
    folder: Path,
    problem: TrainingProblem,
    write_model: Callable[[Path], object],
    output: OutputTransform,
    reference: ReferenceProfile,
    card: str,
    uncertainty: BuiltUncertainty | None = None,
    outliers: BuiltOutlierModel | None = None,
) -> None:
    """Write the artifact folder; its golden answers are its own.

    Args:
        folder: Folder to create.
        problem: The training rows.
        write_model: Function that writes the files of the model into the folder.
        output: Conversion of its scores.
        reference: Profile of the training rows.
        card: Model card.
        uncertainty: Uncertainty of its answers; None where it is not calibrated.
        outliers: Outlier model of the rows; None where there are few.

    Raises:
        ArtifactError: The artifact predicts its golden rows differently the second time, or rejects one.
    """
    folder.mkdir(parents=True)
    write_model(folder)
    write_tree_table(folder / MODEL, problem.matrix)
    document = {**problem.setting.schema.to_json(), IDENTIFIER: problem.use_case.identifier}
    _write_document(folder / SCHEMA, document)
    _write_document(folder / OUTPUT, output.to_json())
    _write_document(folder / REFERENCE, reference.to_json())
    (folder / CARD).write_text(card)
    if uncertainty is not None:
        uncertainty.write(folder)
        write_tree_table(folder / ERROR_MODEL, append_outcomes(problem.matrix, problem.truth))
    if outliers is not None:
        outliers.write(folder, problem.matrix)
    name = problem.use_case.name
    records = select_golden_records(problem)
    _write_document(folder / GOLDEN, {"model": name, "records": records, "answers": []})
    # loaded from disk, so the recorded predictions are those of the written files
    artifact = load_artifact(folder)
    importance = measure_importance(artifact, problem.matrix)
    _write_document(folder / REFERENCE, replace(reference, importance=importance).to_json())
    given = artifact.build_golden(artifact.encoder.encode_records(records))
    _write_document(folder / GOLDEN, {"model": name, "records": records, "answers": given})
    load_artifact(folder).check_golden_rows()


def select_golden_records(problem: TrainingProblem) -> list[dict[str, Any]]:
    """Rows to replay: spread over the training rows, then one with every nullable field missing.

    Raises:
        ArtifactError: A row is no valid request.
    """
    schema = problem.setting.schema
    check = build_record_model(schema)
    # evenly over the rows, so that no part of the file goes untested
    spread = np.linspace(0, len(problem.matrix) - 1, GOLDEN_ROWS).astype(int)
    records = decode_records(schema, problem.matrix[np.unique(spread)])
    nullable = {each.name for each in schema.fields if each.nullable}
    records.append({name: None if name in nullable else value for name, value in records[0].items()})
    for record in records:
        try:
            check.model_validate(record)
        except ValueError as error:
            raise ArtifactError(
                problem.use_case.name, f"a training row is no valid request: {error}"
            ) from error
    return records


def _write_document(path: Path, document: Mapping[str, Any]) -> None:
    # indented, so that a diff of two model versions shows what changed
    path.write_text(json.dumps(document, indent=1, default=str))
