"""Scoring of the rows of a request, with those that are refused beside them."""

from dataclasses import replace

import numpy as np

from servicio_ml.domain.prediction import Interface, Purpose
from servicio_ml.errors import InvalidError
from servicio_ml.features.outliers.answer_details import NO_DETAILS, AnswerDetails
from servicio_ml.features.output import build_empty_predictions
from servicio_ml.serving.models.loaded_model import LoadedModel, PartialResult, PredictionResult, ScoredBatch
from servicio_ml.serving.models.row_faults import RequestRows
from servicio_ml.serving.prediction.predictor import Predictor

NO_KEY = bytes(16)
"""Key of a batch without rows, which is not logged."""


async def score_request(
    predictor: Predictor, loaded_model: LoadedModel, rows: RequestRows, protocol: Interface,
    purpose: Purpose, details: AnswerDetails = NO_DETAILS,
) -> PredictionResult:  # fmt: skip
    """Score, log and count the rows of a request; refused ones are counted as such.

    Args:
        predictor: The predictor.
        loaded_model: Version that scores.
        rows: Decoded rows.
        protocol: Interface of the request.
        purpose: Purpose that is logged.
        details: What the request asks for beside the predictions.

    Raises:
        JournalError: As in `Predictor.score`; no row is counted.
    """
    if not len(rows.matrix):
        return _complete(predictor, _build_empty_result(loaded_model), rows, details)
    scored = await predictor.score(loaded_model, rows.matrix, protocol, purpose, rows.identifiers)
    return _complete(predictor, scored, rows, details)


def score_request_sync(
    predictor: Predictor,
    loaded_model: LoadedModel,
    rows: RequestRows,
    protocol: Interface,
    purpose: Purpose,
    details: AnswerDetails = NO_DETAILS,
) -> PredictionResult:
    """Score as `score_request` does, without an event loop.

    Raises:
        JournalError: As in `score_request`.
    """
    if not len(rows.matrix):
        return _complete(predictor, _build_empty_result(loaded_model), rows, details)
    scored = predictor.score_sync(loaded_model, rows.matrix, protocol, purpose, rows.identifiers)
    return _complete(predictor, scored, rows, details)


def _build_empty_result(loaded_model: LoadedModel) -> PredictionResult:
    matrix = np.empty((0, len(loaded_model.artifact.encoder.schema.names)), dtype=np.float32)
    batch = ScoredBatch(loaded_model, NO_KEY, build_empty_predictions(loaded_model.labels), matrix)
    return PredictionResult(scored_batch=batch, start=0, row_count=0)


def _complete(
    predictor: Predictor, scored: PredictionResult, rows: RequestRows, details: AnswerDetails
) -> PredictionResult:
    """Add the refused rows to the scored ones, and count them."""
    refusals = rows.refusals
    if refusals is None:
        return scored if details == NO_DETAILS else replace(scored, details=details)
    # a refused row counts once, however many of its values are wrong
    first_faults = [faults[0] for faults in refusals.faults.values()]
    predictor.count_rejected(InvalidError(scored.loaded_model.model, first_faults))
    return PartialResult(
        scored_batch=scored.scored_batch, start=scored.start, row_count=scored.row_count, refusals=refusals,
        details=details,
    )  # fmt: skip
