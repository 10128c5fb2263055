"""From a model of another tool to an artifact of the platform: proven, measured, described."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from servicio_ml.domain.use_case import Task
from servicio_ml.errors import ModelFailureError, ModelImportError, ModelWorkerError
from servicio_ml.features.artifact import MODEL, load_artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.isolated.worker_document import MODEL_FOLDER, WORKER, WorkerDocument
from servicio_ml.features.output import OutputTransform, Predictions
from servicio_ml.features.runtimes.scorer import OnnxScorer, Runtime
from servicio_ml.pipeline.evaluate import ClassMetrics
from servicio_ml.pipeline.importing.card import CANDIDATE, describe_import
from servicio_ml.pipeline.importing.classes import find_class_order, sort_scores
from servicio_ml.pipeline.importing.model_columns import match_columns
from servicio_ml.pipeline.importing.model_files import MLFLOW_FILE, PICKLE, ModelFiles
from servicio_ml.pipeline.importing.parity import (
    Parity,
    build_boundary_rows,
    build_gap_rows,
    build_matrix_rows,
    compare_scores,
    select_rows,
)
from servicio_ml.pipeline.importing.probe import MEMORY_BYTES, ModelProbe
from servicio_ml.pipeline.importing.problem import ImportProblem
from servicio_ml.pipeline.importing.seen_rows import describe_seen_rows
from servicio_ml.pipeline.importing.table import ModelRows
from servicio_ml.pipeline.importing.typed_rows import ModelInputs, TypedRows
from servicio_ml.pipeline.training.build_candidate import (
    build_reference_profile,
    compute_holdout_classes,
    compute_holdout_metrics,
)
from servicio_ml.pipeline.training.calibrate import build_calibrated_output
from servicio_ml.pipeline.training.dataset import Holdout
from servicio_ml.pipeline.training.export import LATENCY_ROWS, measure_latency, write_artifact
from servicio_ml.pipeline.training.fairness.card import describe_fairness
from servicio_ml.pipeline.training.fitting import TrainingProblem
from servicio_ml.pipeline.training.model_card import render_model_card
from servicio_ml.pipeline.training.outliers.build import build_outlier_model
from servicio_ml.pipeline.training.outliers.card import OUTLIERS_HEADING, describe_outliers
from servicio_ml.pipeline.training.plots import draw_correlation, draw_importance, draw_plots
from servicio_ml.pipeline.training.uncertainty.build import build_uncertainty
from servicio_ml.pipeline.training.uncertainty.built import BuiltUncertainty
from servicio_ml.pipeline.training.uncertainty.card import UNCERTAINTY_HEADING, describe_uncertainty

MAX_PROFILE_ROWS = 20_000
"""Maximum number of training rows that are scored for the reference profile."""
UNSEEN_ROWS = "training rows of the import, which holds where the model has not seen them"
WANTED = "--isolated was given"
"""Reason of a process of its own that the user wants."""
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelImport:
    """What is imported, and how.

    Attributes:
        files: The model.
        uri: Address by which the user knows it.
        rows: Rows with the model's columns.
        is_isolated: Whether it runs in a process of its own, also where a conversion would hold.
        calibrated: Whether its probabilities are calibrated on the training rows, with a threshold.
        environment: Name of the environment of its process; empty for the interpreter of the server.
        requirements: Requirements of that environment.
        classes: Classes in the order of its scores; empty in a regression.
    """

    files: ModelFiles
    uri: str
    rows: ModelRows
    classes: Sequence[str]
    is_isolated: bool = False
    calibrated: bool = False
    environment: str = ""
    requirements: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Result of the conversion.

    Attributes:
        onnx: The converted model; None where it runs in a process of its own.
        parity: Comparison with its library; None without a conversion.
        reason: Why it runs in a process of its own; empty for ONNX.
        skipped: Rows of the file that the platform refuses, which were not compared.
    """

    onnx: bytes | None
    parity: Parity | None
    reason: str
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedModel:
    """An artifact of an imported model.

    Attributes:
        folder: The artifact.
        figures: Pictures of the holdout, PNGs.
        proof: Whether it was converted.
        metrics: Every metric on the holdout; none without ground truth.
        latency_seconds: Median time of one row.
        threshold: Threshold of a binary model.
        seen_rows: Why its uncertainty is not calibrated on the training rows; empty where it is.
    """

    folder: Path
    figures: Path
    proof: Proof
    metrics: Mapping[str, float]
    latency_seconds: float
    threshold: float
    seen_rows: str

    @property
    def runtime(self) -> Runtime:
        """What runs the model."""
        return Runtime.ISOLATED_PROCESS if self.proof.onnx is None else Runtime.ONNX


def build_imported_model(
    probe: ModelProbe, given: ModelImport, found: ImportProblem, scratch: Path
) -> ImportedModel:
    """Convert and prove a model, measure it where there is ground truth, and write its artifact.

    Args:
        probe: The model in its process.
        given: What is imported.
        found: The rows.
        scratch: Folder in which the artifact and the pictures are written.

    Raises:
        ModelImportError: The model predicts something else than the use case, or fails.
    """
    problem, test = found.training, found.test
    _check_task(probe, given, problem)
    schema = problem.setting.schema
    order = find_class_order(given.classes, problem.use_case.target.labels, given.uri)
    categories = probe.description.categories
    columns = match_columns(given.rows, problem.use_case, schema, categories)
    inputs = ModelInputs(given.uri, schema, columns, categories)
    proof = try_conversion(probe, given, inputs, found.rows, order, len(schema.names))
    if proof.onnx is not None:
        way = _run_as_onnx(proof.onnx, problem)
    else:
        way = _run_isolated(probe, given, inputs, problem, order)
    places = np.unique(np.linspace(0, len(problem.matrix) - 1, MAX_PROFILE_ROWS).astype(np.intp))
    raw = way.score(problem.matrix[places])
    output = _build_output(problem, places, raw, calibrated=given.calibrated)
    raw_test = None if test is None else way.score(test.matrix)
    metrics, classes = _measure(problem, test, output, raw_test)
    origin = describe_import(given.uri, given.files.kind, proof, way.latency_seconds)
    answers = None if raw_test is None else output.transform(raw_test)
    # the process of an isolated model shall not be waited for by what only some requests ask for
    uncertainty = build_uncertainty(problem, output, places, raw) if proof.onnx is not None else None
    seen = _describe_seen_rows(problem, uncertainty, test, answers)
    uncertainty = None if seen else uncertainty
    # also of an isolated model: its process has no part in this score
    outliers = build_outlier_model(schema, problem.matrix)
    reference = build_reference_profile(problem, output, places, raw)
    described = [seen] if seen else describe_uncertainty(uncertainty, test, answers, UNSEEN_ROWS)
    sections = {
        UNCERTAINTY_HEADING: described,
        OUTLIERS_HEADING: describe_outliers(outliers, None if test is None else test.matrix),
        **describe_fairness(problem.use_case, reference, test, answers),
    }
    card = render_model_card(problem, origin, metrics, classes, sections)
    folder, figures = scratch / "artifact", scratch / "figures"
    write_artifact(folder, problem, way.write_model, output, reference, card, uncertainty, outliers)
    draw_correlation(figures, problem.use_case, schema.names, problem.matrix)
    if test is not None:
        artifact = load_artifact(folder)
        draw_plots(figures, problem.use_case, test, CANDIDATE, artifact.predict(test.matrix))
        draw_importance(figures, problem.use_case, artifact, test, way.latency_seconds)
    return ImportedModel(
        folder=folder, figures=figures, proof=proof, metrics=metrics, latency_seconds=way.latency_seconds,
        threshold=output.threshold, seen_rows=seen,
    )  # fmt: skip


def _describe_seen_rows(
    problem: TrainingProblem,
    uncertainty: BuiltUncertainty | None,
    test: Holdout | None,
    answers: Predictions | None,
) -> str:
    if uncertainty is None or test is None or answers is None:
        return ""
    return describe_seen_rows(uncertainty, test, answers, problem.use_case.drift.design_effect)


def _measure(
    problem: TrainingProblem, test: Holdout | None, output: OutputTransform, raw: Floats | None
) -> tuple[dict[str, float], list[ClassMetrics]]:
    """Compute every metric on the holdout, and those of each class; none without ground truth."""
    if test is None or raw is None:
        return {}, []
    predictions = output.transform(raw)
    return (
        compute_holdout_metrics(problem, test, predictions, raw),
        compute_holdout_classes(problem, test, predictions),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A way in which a model runs.

    Attributes:
        score: Function from the matrix to scores in the order of the labels.
        write_model: Function that writes the files of the model into an artifact.
        latency_seconds: Median time of one row.
    """

    score: Callable[[Matrix], Floats]
    write_model: Callable[[Path], object]
    latency_seconds: float


def _run_as_onnx(onnx: bytes, problem: TrainingProblem) -> _Way:
    scorer = OnnxScorer(onnx)
    return _Way(
        score=scorer.score, write_model=lambda folder: (folder / MODEL).write_bytes(onnx),
        latency_seconds=measure_latency(scorer, problem.matrix[:LATENCY_ROWS]),
    )  # fmt: skip


def _run_isolated(
    probe: ModelProbe, given: ModelImport, inputs: ModelInputs, problem: TrainingProblem, order: Sequence[int]
) -> _Way:
    rows = inputs.build_from_matrix(build_matrix_rows(problem.matrix, inputs.columns))
    direct = probe.check_direct(rows)
    latency = probe.measure_latency(rows, direct=direct)
    document = WorkerDocument(
        kind=given.files.kind, file=given.files.file, python=given.environment, columns=inputs.worker_columns,
        row_seconds=latency, memory_bytes=MEMORY_BYTES,
        requirements="requirements.txt" if given.environment else "", order=list(order), direct=direct,
    )  # fmt: skip
    return _Way(
        score=lambda matrix: probe.score(inputs.build_from_matrix(matrix), direct=direct)[:, list(order)],
        write_model=partial(_write_worker, document=document, given=given),
        latency_seconds=latency,
    )


def _check_task(probe: ModelProbe, given: ModelImport, problem: TrainingProblem) -> None:
    if probe.description.task != problem.use_case.task:
        raise ModelImportError(
            given.uri,
            f"it is a model of the task {probe.description.task}, and the use case predicts"
            f" {problem.use_case.target.name} ({problem.use_case.task})",
        )


def try_conversion(
    probe: ModelProbe,
    given: ModelImport,
    inputs: ModelInputs,
    rows: TypedRows,
    order: Sequence[int],
    width: int,
) -> Proof:
    """Convert a model to ONNX and compare both on rows of the file, with gaps, and about its thresholds.

    Args:
        probe: The model in its process.
        given: What is imported.
        inputs: The columns that it reads.
        rows: The rows.
        order: Place of each label among the classes of the model.
        width: Number of columns of the matrix.
    """
    if given.is_isolated:
        return Proof(onnx=None, parity=None, reason=WANTED, skipped=rows.refused)
    try:
        onnx = probe.convert(inputs.columns, width)
    except (ModelFailureError, ModelWorkerError) as error:
        return Proof(onnx=None, parity=None, reason=error.problem, skipped=rows.refused)
    chosen = select_rows(rows.frame.to_pandas())
    gaps = build_gap_rows(chosen, inputs.list_nullable_fields())
    frame = pd.concat([chosen, gaps, build_boundary_rows(chosen, inputs.columns, onnx)], ignore_index=True)
    matrix = inputs.encode(frame)
    theirs = probe.score(inputs.build(frame, matrix))
    parity = compare_scores(frame, OnnxScorer(onnx).score(matrix), theirs)
    if not parity.holds:
        return Proof(onnx=None, parity=parity, reason=parity.example, skipped=rows.refused)
    return Proof(onnx=sort_scores(onnx, order), parity=parity, reason="", skipped=rows.refused)


def _build_output(
    problem: TrainingProblem, rows: npt.NDArray[np.intp], raw: Floats, *, calibrated: bool
) -> OutputTransform:
    use_case, target = problem.use_case, problem.use_case.target
    if calibrated and use_case.task is not Task.REGRESSION:
        return build_calibrated_output(use_case, problem.truth[rows], raw, problem.get_weights(rows))
    # its own answers: neither calibrated nor cut off at the limits of the target
    return OutputTransform(
        task=use_case.task, labels=target.labels, description=target.description, unit=target.unit
    )


def _write_worker(folder: Path, document: WorkerDocument, given: ModelImport) -> None:
    (folder / WORKER).write_text(document.model_dump_json(indent=1))
    if given.requirements is not None:
        shutil.copyfile(given.requirements, folder / document.requirements)
    files, model = given.files, folder / MODEL_FOLDER
    if (files.folder / MLFLOW_FILE).is_file():
        shutil.copytree(files.folder, model)
        return
    model.mkdir()
    shutil.copyfile(files.folder / files.file, model / files.file)
    # a pickle names the modules of its classes; those beside it go with it
    for module in files.folder.glob("*.py") if files.kind == PICKLE else ():
        shutil.copyfile(module, model / module.name)
