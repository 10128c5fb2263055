"""Values of ground truth: the label's index, or the number within the bounds of the target."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from servicio_ml.domain.values import describe_bounds, get_number_limits
from servicio_ml.errors import FieldError, InvalidError
from servicio_ml.features.output import OutputTransform
from servicio_ml.serving.models.truncation import truncate_value

ACTUAL_FIELD = "actual"


def parse_actual_values(model: str, output: OutputTransform, actuals: Sequence[object]) -> list[float]:
    """Parse the actual values as they are logged, by the same limits as the target of the ETL.

    Args:
        model: Name of the model.
        output: Labels of its target, or bounds.
        actuals: Values as a client sent them.

    Raises:
        InvalidError: A value is no label of the model, or no number within the bounds.
    """
    codes = {label: float(code) for code, label in enumerate(output.labels)}
    limits = get_number_limits(output.minimum, output.maximum)
    values = [_parse_label(each, codes) if codes else _parse_number(each, *limits) for each in actuals]
    allowed = _describe_allowed_values(output)
    faults = [
        FieldError(
            row=row,
            field=ACTUAL_FIELD,
            value=truncate_value(actual),
            allowed=allowed,
            reason=_classify_fault(actual, output),
        )
        for row, (actual, value) in enumerate(zip(actuals, values, strict=True))
        if value is None
    ]
    if faults:
        raise InvalidError(model, faults)
    return [value for value in values if value is not None]


def _parse_label(actual: object, codes: Mapping[str, float]) -> float | None:
    return codes.get(actual) if isinstance(actual, str) else None


def _parse_number(actual: object, low: float, high: float) -> float | None:
    # compared before it is a float, which a huge integer cannot be; NaN is within no limits
    return float(actual) if _is_number(actual) and low <= actual <= high else None


def _is_number(actual: object) -> TypeGuard[float]:
    # bool is a subclass of int, and true is no number of anything
    return isinstance(actual, (int, float)) and not isinstance(actual, bool)


def _describe_allowed_values(output: OutputTransform) -> str:
    if output.labels:
        return f"one of {', '.join(output.labels)}"
    bounds = describe_bounds(output.minimum, output.maximum, output.unit)
    return f"a number{bounds}" if bounds else "a number within ±3.4028235e38"


def _classify_fault(actual: object, output: OutputTransform) -> str:
    if output.labels:
        return "level" if isinstance(actual, str) else "type"
    return "range" if _is_number(actual) else "type"
