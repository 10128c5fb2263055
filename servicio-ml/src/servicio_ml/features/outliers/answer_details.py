"""What a request asks for beside the prediction: an interval or set, and an outlier score."""

from dataclasses import dataclass

from servicio_ml.errors import RequestError, format_value
from servicio_ml.features.outliers.outlier_model import OutlierModel

OUTLIER_PARAMETER = "outlier"
"""Name of the parameter of a request by which its answers have outlier scores."""
FLAGS: dict[object, bool] = {True: True, False: False, "true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDetails:
    """What the answers to a request have beside the prediction.

    Attributes:
        level: Level of their intervals or sets; None for answers without.
        outlier: Whether they have an outlier score.
    """

    level: float | None = None
    outlier: bool = False


NO_DETAILS = AnswerDetails()


def parse_outlier_flag(value: object) -> bool:
    """Parse the parameter `outlier` of a request, which is None where it is absent.

    Raises:
        RequestError: The value is neither true nor false.
    """
    if value is None:
        return False
    # 1 equals True, and is no flag
    if isinstance(value, str | bool) and value in FLAGS:
        return FLAGS[value]
    raise RequestError(f"{OUTLIER_PARAMETER} {format_value(value)}", "it takes true or false")


def resolve_outlier_flag(model: OutlierModel | None, version: str, given: object) -> bool:
    """Resolve the parameter `outlier` of a request to what a version answers.

    Args:
        model: Outlier model of the version; None where it has none.
        version: Name of the model, and its version.
        given: Value of the parameter; None where it is absent.

    Raises:
        RequestError: The value is neither true nor false, or the version has no outlier score.
    """
    is_wanted = parse_outlier_flag(given)
    if is_wanted and model is None:
        allowed = "ask without it: the version has few training rows, or is one of an earlier release"
        raise RequestError(f"{OUTLIER_PARAMETER} scores of {version}", allowed)
    return is_wanted
