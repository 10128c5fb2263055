"""Identifiers of ground truth: what a prediction's row had, in place of the prediction's id."""

from collections.abc import Sequence

from servicio_ml.domain.fields.identifier import ALLOWED_IDENTIFIER, IDENTIFIER, parse_identifier
from servicio_ml.errors import FieldError, InvalidError
from servicio_ml.serving.models.truncation import truncate_value
from servicio_ml.serving.prediction.feedback_documents import GroundTruthInput

ID_FIELD = "prediction_id"
ALLOWED = f"either {ID_FIELD} or {IDENTIFIER}"


def parse_truth_identifiers(model: str, truths: Sequence[GroundTruthInput]) -> list[str | None]:
    """Parse the identifiers of ground truth; None where it has a prediction id.

    Raises:
        InvalidError: Neither of both is given, or both are, or an identifier is none.
    """
    texts, faults = list[str | None](), list[FieldError]()
    for row, truth in enumerate(truths):
        text, fault = None, None
        try:
            text = parse_identifier(truth.identifier)
        except ValueError:
            fault = (IDENTIFIER, truncate_value(truth.identifier), ALLOWED_IDENTIFIER, "type")
        else:
            if truth.prediction_id is not None and text is not None:
                fault = (IDENTIFIER, text, f"{ALLOWED}, not both", "type")
            elif truth.prediction_id is None and text is None:
                fault = (ID_FIELD, None, ALLOWED, "missing")
        texts.append(text)
        if fault:
            field, value, allowed, reason = fault
            faults.append(FieldError(row=row, field=field, value=value, allowed=allowed, reason=reason))
    if faults:
        raise InvalidError(model, faults)
    return texts
