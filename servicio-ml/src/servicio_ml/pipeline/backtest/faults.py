"""Faults that a backtest puts into a stream from a month on, to see that they are caught."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.use_case import Target
from servicio_ml.errors import SettingsError, format_names
from servicio_ml.pipeline.backtest.fault_kinds import FaultKind
from servicio_ml.pipeline.backtest.stream import LabelledStream
from servicio_ml.pipeline.etl.period import get_last_day

# the classic fault of units: Fahrenheit under a column that is in degrees Celsius
CELSIUS = "°C"
THOUSAND = 1000
"""A common mistake of units: metres for kilometres, grams for kilogrammes."""
SCALED_LABELS = 2
NUMERIC = (Kind.NUMBER, Kind.INTEGER)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamFault:
    """A fault in a stream.

    Attributes:
        kind: What breaks.
        month: From which on, `YYYY-MM`.
        field: Which breaks (of `UNIT`, all of its unit); empty for labels.
        what: In words.
        changes: What the columns of a row become by it, each under its own name.
    """

    kind: FaultKind
    month: str
    field: str
    what: str
    changes: Sequence[pl.Expr]

    def apply(self, stream: LabelledStream) -> LabelledStream:
        """The stream with the fault."""
        # by date and not by row, so that the months before stay exactly as they were
        late = pl.col(stream.use_case.event_date) >= get_last_day(self.month).replace(day=1)
        changed = [
            pl.when(late).then(each).otherwise(pl.col(name)).alias(name)
            for each in self.changes
            for name in [each.meta.output_name()]
        ]
        return replace(stream, rows=stream.rows.with_columns(changed))


def build_fault(
    kind: FaultKind, month: str, field: str, schema: FeatureSchema, target: Target
) -> StreamFault:
    """A fault of a model's inputs or labels.

    Args:
        kind: What breaks.
        month: From which on.
        field: Which breaks; when empty: of `SENSOR` the first number, of `UNIT` all in °C or else those of
            the first unit, of `CODING` the category with the fewest levels.
        schema: The model's.
        target: What is predicted.

    Raises:
        SettingsError: No such field can break so, or it is no month.
    """
    get_last_day(month, "--fault-from")
    if kind is FaultKind.LABELS:
        if field:
            raise SettingsError("--fault-field", f"{field!r}: labels break as a whole; leave it out")
        what, changes = _break_labels(target)
        return StreamFault(kind=kind, month=month, field="", what=what, changes=changes)
    chosen = _choose_field(kind, field, schema)
    if kind is FaultKind.SENSOR:
        what, changes = _break_sensor(chosen)
    elif kind is FaultKind.UNIT:
        what, changes = _break_unit(chosen, schema)
    else:
        what, changes = _break_coding(chosen)
    return StreamFault(kind=kind, month=month, field=chosen.name, what=what, changes=changes)


def _choose_field(kind: FaultKind, wanted: str, schema: FeatureSchema) -> Field:
    fitting = [each for each in schema.fields if _can_break(kind, each)]
    if kind is FaultKind.UNIT:
        fitting.sort(key=lambda each: each.unit != CELSIUS)
    if kind is FaultKind.CODING:
        fitting.sort(key=lambda each: len(each.levels))
    named = [each for each in fitting if wanted in {"", each.name}]
    if not named:
        known = format_names(each.name for each in fitting)
        raise SettingsError("--fault-field", f"{wanted!r} cannot break so; a {kind} fault is of: {known}")
    return named[0]


def _can_break(kind: FaultKind, each: Field) -> bool:
    if kind is FaultKind.CODING:
        return len(each.levels) > 1
    return each.kind in NUMERIC and (kind is FaultKind.SENSOR or bool(each.unit))


Change = tuple[str, Sequence[pl.Expr]]


def _break_sensor(each: Field) -> Change:
    if each.nullable:
        return f"{each.name} is missing", [pl.lit(None).alias(each.name)]
    return f"{each.name} is stuck at {each.example}", [pl.lit(each.example).alias(each.name)]


def _break_unit(chosen: Field, schema: FeatureSchema) -> Change:
    names = [each.name for each in schema.fields if each.kind in NUMERIC and each.unit == chosen.unit]
    if chosen.unit == CELSIUS:
        return f"{format_names(names)} in °F", [pl.col(name) * 9 / 5 + 32 for name in names]
    what = f"{format_names(names)} in thousandths of {chosen.unit}"
    return what, [pl.col(name) * THOUSAND for name in names]


def _break_coding(each: Field) -> Change:
    return f"each level of {each.name} is coded as the next", [_rotate_levels(each.name, each.levels)]


def _break_labels(target: Target) -> Change:
    if not target.labels:
        return f"{target.name} times {SCALED_LABELS}", [pl.col(target.name) * SCALED_LABELS]
    return f"each label of {target.name} is reported as the next", [
        _rotate_levels(target.name, target.labels)
    ]


def _rotate_levels(column: str, names: Sequence[str]) -> pl.Expr:
    return pl.col(column).replace(dict(zip(names, (*names[1:], names[0]), strict=True)))
