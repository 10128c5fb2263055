"""Content of a drift report: rows, predictions, ground truth and drift of a window and its reference."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.bins import Numbers
from servicio_ml.features.output import OutputTransform, Predictions
from servicio_ml.features.window_drift import WindowDrift


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSample:
    """Predictions for rows with ground truth.

    Attributes:
        truth: Ground truth `[n]`: class codes, or numbers in the target's unit.
        answers: Predictions for the same rows.
    """

    truth: Numbers
    answers: Predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowComparison:
    """Samples of a window and of its reference, with the drift of all rows.

    Attributes:
        schema: Schema of the rows.
        output: Task and labels.
        drift: Drift of every column, from all rows of the window.
        rows: Sample of the window, `[n, fields]`.
        reference_rows: Sample of the training rows, `[m, fields]`.
        answers: Predictions for the window.
        reference_answers: Predictions for rows of the same seasons that the model was not trained on.
        quality: Rows of the window with ground truth; None without any.
        reference_quality: Rows of `reference_answers` with their targets.
    """

    schema: FeatureSchema
    output: OutputTransform
    drift: WindowDrift
    rows: Numbers
    reference_rows: Numbers
    answers: Predictions
    reference_answers: Predictions
    quality: LabelledSample | None
    reference_quality: LabelledSample


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """Rendered comparison.

    Attributes:
        html: Self-contained HTML page.
        document: Content of the page as a JSON document.
    """

    html: str
    document: dict[str, Any]


RenderPage = Callable[[WindowComparison, str], ReportPage]
"""Function that renders a comparison; the second argument is HTML for the top of the page."""
