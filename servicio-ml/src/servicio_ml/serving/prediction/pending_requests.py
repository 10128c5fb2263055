"""Requests that wait for the next batch of the predictor, and the delivery of their results."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from servicio_ml.domain.fields.identifier import Identifiers
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.models.loaded_model import PredictionResult, ScoredBatch

OnDone = Callable[[PredictionResult | Exception], None]
"""Called with the result of a request, or with its error."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PendingRequest:
    """Rows `[n, features]` of a request that waits for its batch, and the callback for their result."""

    matrix: Matrix
    on_done: OnDone
    identifiers: Identifiers = ()


def stack_matrices(requests: Sequence[PendingRequest]) -> Matrix:
    """Stack the rows of several requests, `[n, features]`."""
    # most batches have one request, whose matrix needs no copy
    return requests[0].matrix if len(requests) == 1 else np.concatenate([each.matrix for each in requests])


def join_identifiers(requests: Sequence[PendingRequest]) -> Identifiers:
    """Join the identifiers of several requests, some of which may have none."""
    if not any(each.identifiers for each in requests):
        return ()
    return tuple(text for each in requests for text in each.identifiers or (None,) * len(each.matrix))


def deliver_results(scored_batch: ScoredBatch, requests: Sequence[PendingRequest]) -> None:
    """Give each request its share of a scored batch."""
    start = 0
    for each in requests:
        rows = len(each.matrix)
        each.on_done(PredictionResult(scored_batch=scored_batch, start=start, row_count=rows))
        start += rows


def deliver_error(requests: Sequence[PendingRequest], error: Exception) -> None:
    """Give each request the error of its batch."""
    for each in requests:
        each.on_done(error)


def settle_future(future: asyncio.Future[PredictionResult], outcome: PredictionResult | Exception) -> None:
    """Settle the future of one request."""
    # the client has disconnected; its rows are logged
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
