"""From answers to unseen rows to the uncertainty document of a model."""

from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.use_case import Task
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import POSITIVE, OutputTransform
from servicio_ml.features.uncertainty.label_scores import (
    compute_doubt,
    compute_label_scores,
    draw_row_numbers,
)
from servicio_ml.features.uncertainty.row_groups import RowGroups
from servicio_ml.features.uncertainty.uncertainty import Uncertainty
from servicio_ml.pipeline.training.fitting import TrainingProblem
from servicio_ml.pipeline.training.uncertainty.built import BuiltUncertainty
from servicio_ml.pipeline.training.uncertainty.error_model import UnseenAnswers, fit_error_model
from servicio_ml.pipeline.training.uncertainty.groups import (
    assign_even_numbers,
    build_table,
    group_by_difficulty,
    group_by_field,
    measure_coverage,
)
from servicio_ml.pipeline.training.uncertainty.venn_abers import build_probability_bounds

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
MIN_ROWS = 20
"""Minimum number of calibration rows; with fewer, a model gets no uncertainty document."""


def build_uncertainty(
    problem: TrainingProblem, output: OutputTransform, rows: Rows, raw: Floats, matrix: Matrix | None = None
) -> BuiltUncertainty | None:
    """Build the uncertainty of a model; None where there are too few rows with a truth.

    Args:
        problem: The training rows.
        output: Conversion of scores to answers.
        rows: Places of the calibration rows among the training rows, `[n]`.
        raw: Scores `[n, classes]` of models that have not seen them.
        matrix: These rows as those models saw them, `[n, features]`; as they are by default.
    """
    truth, weights = problem.truth[rows], problem.get_weights(rows)
    if len(rows) < MIN_ROWS or np.isnan(truth).any():
        return None
    predictions = output.transform(raw)
    answers = UnseenAnswers(
        matrix=problem.matrix[rows] if matrix is None else matrix, outcomes=predictions.outcomes, truth=truth,
        weights=np.ones(len(rows)) if weights is None else weights,
    )  # fmt: skip
    if predictions.probabilities is None:
        return _build_of_numbers(problem, output, answers)
    return _build_of_classes(problem, predictions.probabilities, answers)


def encode_unseen_rows(problem: TrainingProblem) -> Matrix:
    """Encode the validation rows of all windows as their models saw them, `[n, features]`."""
    return np.concatenate([problem.encode_unseen_rows(valid, train) for train, valid in problem.folds])


def _build_of_numbers(
    problem: TrainingProblem, output: OutputTransform, answers: UnseenAnswers
) -> BuiltUncertainty:
    schema, field = problem.setting.schema, problem.use_case.interval_group
    fitted = fit_error_model(answers, schema.inputs, problem.setting.threads, is_relative=output.log)
    difficulty = fitted.model.compute_difficulty(fitted.estimates)
    # without ranges of difficulty, which the error model and its damping stand for
    groups = group_by_field(schema, field, answers.matrix) if field else RowGroups()
    assigned, scores = groups.assign(answers.matrix, difficulty), answers.errors / difficulty
    table = build_table(groups, assigned, scores, answers.weights)
    # the exponential of a score is above 0, whatever the use case declares
    minimum = 0.0 if output.log and output.minimum is None else output.minimum
    uncertainty = Uncertainty(
        groups=groups, table=table, error_model=fitted.model, minimum=minimum, maximum=output.maximum,
        coverage=measure_coverage(table, assigned, scores, answers.weights),
        value_columns=len(schema.owners),
    )  # fmt: skip
    return BuiltUncertainty(uncertainty=uncertainty, rows=len(assigned), onnx=fitted.onnx)


def _build_of_classes(
    problem: TrainingProblem, probabilities: Floats, answers: UnseenAnswers
) -> BuiltUncertainty:
    schema, field = problem.setting.schema, problem.use_case.interval_group
    doubt, codes = compute_doubt(probabilities), answers.truth.astype(np.intp)
    groups = group_by_field(schema, field, answers.matrix) if field else group_by_difficulty(doubt)
    numbers = draw_row_numbers(answers.matrix[:, : len(schema.owners)])
    assigned = groups.assign(answers.matrix, doubt)
    numbers = assign_even_numbers(numbers, assigned, codes == answers.outcomes)
    scores = compute_label_scores(probabilities, answers.outcomes, numbers)[np.arange(len(codes)), codes]
    table = build_table(groups, assigned, scores, answers.weights)
    coverage = measure_coverage(table, assigned, scores, answers.weights)
    bounds = None
    if problem.use_case.task is Task.BINARY:
        positive = codes == POSITIVE
        bounds = build_probability_bounds(probabilities[:, POSITIVE], positive, answers.weights)
    return BuiltUncertainty(
        uncertainty=Uncertainty(
            groups=groups, table=table, bounds=bounds, coverage=coverage, value_columns=len(schema.owners)
        ),
        rows=len(codes),
    )
