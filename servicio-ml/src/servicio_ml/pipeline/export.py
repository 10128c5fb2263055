"""Export: a fitted estimator becomes a model artifact, checked against its original."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from servicio_ml.domain.search import Candidate
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import (
    CARD,
    GOLDEN,
    INPUT_NAME,
    MODEL,
    OUTPUT,
    REFERENCE,
    SCHEMA,
    SCORES_NAME,
    answers,
    load_artifact,
    open_session,
)
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.output import Output
from servicio_ml.features.profile import Profile
from servicio_ml.features.request import request_model
from servicio_ml.pipeline.families import family
from servicio_ml.pipeline.fitting import Problem, scores

PARITY_TOLERANCE = 1e-4
"""Greatest difference of a score, relative where it is above 1, between ONNX and scikit-learn."""
LATENCY_ROWS, LATENCY_WARM_UP = 200, 20
GOLDEN_ROWS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
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


def export(candidate: Candidate, estimator: Any, holdout: Matrix) -> Exported:
    """Convert an estimator and check it on a holdout.

    Args:
        candidate: With its latency budget.
        estimator: Fitted.
        holdout: `[n, features]`, gaps and all.
    """
    nan = float("nan")
    try:
        model = _named(family(candidate.family).convert(estimator, holdout.shape[1]))
        session = open_session(model)
    except Exception as error:  # noqa: BLE001  converters fail in many ways, and each makes the candidate ineligible
        reason = f"cannot be exported: {type(error).__name__}: {error}"
        return Exported(onnx=None, parity=nan, latency_seconds=nan, reason=reason)
    difference = parity(session, estimator, holdout)
    latency = one_row_latency(session, holdout)
    return Exported(
        onnx=model,
        parity=difference,
        latency_seconds=latency,
        reason=_verdict(difference, latency, candidate.max_latency_seconds),
    )


def _verdict(difference: float, latency: float, budget: float) -> str:
    if not difference <= PARITY_TOLERANCE:
        return f"ONNX differs from scikit-learn by {difference:.2g} (tolerance {PARITY_TOLERANCE:g})"
    if not latency <= budget:
        return f"one row takes {latency * 1000:.2f} ms (budget {budget * 1000:g} ms)"
    return ""


def _named(model: Any) -> bytes:
    """The model with one output, `scores`."""
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
    return bytes(model.SerializeToString())


def parity(session: ort.InferenceSession, estimator: Any, holdout: Matrix) -> float:
    """Greatest difference between the two on `[n, features]`, relative where a score is above 1."""
    mine = session.run([SCORES_NAME], {INPUT_NAME: holdout})[0]
    theirs = scores(estimator, holdout)
    scale = np.maximum(1.0, np.abs(theirs))
    return float(np.max(np.abs(mine.reshape(theirs.shape) - theirs) / scale))


def one_row_latency(session: ort.InferenceSession, matrix: Matrix) -> float:
    """Median seconds of one row, over rows that change."""
    rows = [matrix[i % len(matrix)][None, :] for i in range(LATENCY_WARM_UP + LATENCY_ROWS)]
    taken = []
    for row in rows:
        begun = time.perf_counter()
        session.run([SCORES_NAME], {INPUT_NAME: row})
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken[LATENCY_WARM_UP:]))


def write_artifact(
    folder: Path, problem: Problem, onnx: bytes, output: Output, reference: Profile, card: str
) -> None:
    """Write the artifact folder; its golden answers are its own.

    Raises:
        ArtifactError: It does not answer its golden rows twice alike, or refuses one of them.
    """
    folder.mkdir(parents=True)
    (folder / MODEL).write_bytes(onnx)
    (folder / SCHEMA).write_text(problem.setting.schema.dumps())
    _write(folder / OUTPUT, output.to_json())
    _write(folder / REFERENCE, reference.to_json())
    (folder / CARD).write_text(card)
    name = problem.use_case.name
    records = golden_records(problem)
    _write(folder / GOLDEN, {"model": name, "records": records, "answers": []})
    artifact = load_artifact(folder)
    given = answers(artifact.predict(artifact.encoder.records(records)))
    _write(folder / GOLDEN, {"model": name, "records": records, "answers": given})
    load_artifact(folder).replay()


def golden_records(problem: Problem) -> list[dict[str, Any]]:
    """Rows to replay: spread over the training rows, then one with every nullable field missing.

    Raises:
        ArtifactError: A row is no valid request.
    """
    schema = problem.setting.schema
    encoder, check = Encoder(schema), request_model(schema)
    spread = np.linspace(0, len(problem.matrix) - 1, GOLDEN_ROWS).astype(int)
    records = [encoder.decode(problem.matrix[row]) for row in np.unique(spread)]
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


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, default=str))
