"""Labelled rows of a window by the bins of their fields, with their losses."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.prediction import LabelledPrediction
from servicio_ml.features.bins import ColumnBins, Numbers
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.logged_rows.labelled import read_labelled_matrix, stack_predictions
from servicio_ml.features.output import Predictions
from servicio_ml.features.performance.segment_counts import compute_expected_losses
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.pipeline.drift.window import LoggedWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRows:
    """Rows that are searched.

    Attributes:
        bins: Bins of each searched field.
        places: Bin of each row in each of them, `[n, fields]`.
        losses: Loss of each row, `[n]`: 1 where its class is wrong, or its absolute error.
        expected: Loss that the model expects of each row, `[n]`, scaled to the sum of the losses.
        is_share: Whether losses are 0 or 1.
    """

    bins: tuple[ColumnBins, ...]
    places: npt.NDArray[np.intp]
    losses: Numbers
    expected: Numbers
    is_share: bool


def read_slice_rows(window: LoggedWindow) -> SliceRows:
    """Read the rows of a window whose ground truth and features are in the log.

    Dates and fields with a single bin are not searched.

    Raises:
        LogError: The log cannot be read.
    """
    artifact = window.artifact
    matrix, labelled = read_labelled_matrix(window.log, artifact.encoder, list(_read_labelled(window)))
    predictions = stack_predictions(labelled, len(artifact.output.labels))
    errors = np.abs(np.array([each.actual for each in labelled]) - predictions.outcomes)
    losses = (errors > 0).astype(np.float64) if artifact.output.labels else errors
    expected = _expect_losses(window, matrix, predictions, losses)
    bins, places = _find_bins(artifact.reference, matrix)
    return SliceRows(
        bins=bins, places=places, losses=losses,
        expected=expected * losses.sum() / max(expected.sum(), np.finfo(float).tiny),
        is_share=bool(artifact.output.labels),
    )  # fmt: skip


def _find_bins(
    reference: ReferenceProfile, matrix: Matrix
) -> tuple[tuple[ColumnBins, ...], npt.NDArray[np.intp]]:
    """Find the bins of the fields that have several, `[n, fields]`."""
    chosen = [(i, bins) for i, bins in enumerate(reference.features) if bins.edges]
    places = np.zeros((len(matrix), len(chosen)), dtype=np.intp)
    for column, (i, bins) in enumerate(chosen):
        places[:, column] = bins.find_bins(matrix[:, i])
    return tuple(bins for _, bins in chosen), places


def _read_labelled(window: LoggedWindow) -> Iterator[LabelledPrediction]:
    classes = len(window.artifact.output.labels)
    for each in window.log.read_ground_truth(window.info.model, window.start, window.end):
        is_known = not classes or 0 <= each.actual < classes
        if each.prediction.version == window.info.version and is_known:
            yield each


def _expect_losses(
    window: LoggedWindow, matrix: Matrix, predictions: Predictions, losses: Numbers
) -> Numbers:
    if predictions.probabilities is not None:
        return compute_expected_losses(predictions)
    uncertainty = window.artifact.uncertainty
    if uncertainty is None or not len(losses):
        return np.ones(len(losses))
    return uncertainty.estimate_errors(matrix, predictions)
