"""Default texts of raw columns that are joined to one field: the parts of a day."""

from collections.abc import Collection, Mapping

from servicio_ml.domain.fields.date_format import MONTHS, list_parts
from servicio_ml.domain.sample import Marginal
from servicio_ml.domain.schema import Field
from servicio_ml.errors import UseCaseError, format_names

RANGES: Mapping[str, tuple[int, int]] = {"%Y": (2018, 2019), "%y": (18, 19), "%m": (1, 12), "%d": (1, 28)}
"""Range of each part of a day that is a number; any of them go together."""


def build_joined_columns(use_case: str, field: Field, known: Collection[str]) -> dict[str, Marginal]:
    """Build the columns of a joined field that are not known.

    Raises:
        UseCaseError: They are not the parts of a day; the message names them and the remedy.
    """
    unknown = [column for column in field.columns if column not in known]
    if not unknown:
        return {}
    parts, parse = list_parts(field.parse.date_format), field.parse
    is_plain = not (parse.pattern or parse.recode) and parse.date_format.split() == parts
    if not is_plain or len(parts) != len(field.columns):
        raise UseCaseError(
            use_case,
            f"no texts of {format_names(map(repr, unknown))} can be made up, of which {field.name} is joined;"
            " describe the columns in `sample.columns`",
        )
    return {
        column: _build_part(part)
        for column, part in zip(field.columns, parts, strict=True)
        if column in unknown
    }


def _build_part(part: str) -> Marginal:
    if part not in RANGES:
        return Marginal(shares={first.capitalize(): 1.0 for first, _ in MONTHS})
    low, high = RANGES[part]
    return Marginal(quantiles={0: float(low), 1: float(high)}, step=1.0)
