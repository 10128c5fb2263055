"""What a report shows of a window beside its reference: rows, answers, ground truth and judged drift."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.drift import Drift
from servicio_ml.features.output import Output, Predictions
from servicio_ml.features.profile import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Answers to rows whose truth is known.

    Attributes:
        truth: `[n]`: class codes, or numbers in the target's unit.
        answers: To the same rows.
    """

    truth: Numbers
    answers: Predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Samples of both sides, and what all the rows of the window were judged as.

    Attributes:
        schema: Of the rows.
        output: Task and labels.
        drift: Of every column, from all the rows.
        rows: `[n, fields]` of the window.
        reference_rows: `[m, fields]` of the training rows.
        answers: Of the window.
        reference_answers: To rows of the same seasons that the model had not seen.
        quality: Of the window, where ground truth is known; None without any.
        reference_quality: On the rows of `reference_answers`.
    """

    schema: FeatureSchema
    output: Output
    drift: Drift
    rows: Numbers
    reference_rows: Numbers
    answers: Predictions
    reference_answers: Predictions
    quality: Judged | None
    reference_quality: Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A comparison as it is shown.

    Attributes:
        html: One file that needs nothing else.
        document: What the page says, as JSON has it.
    """

    html: str
    document: dict[str, Any]


Explain = Callable[[Comparison, str], Page]
"""Makes the page of a comparison; its second argument is HTML that the page begins with."""
