"""Faults that a backtest puts into a stream from a month on, to see that they are caught."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from servicio_ml.domain.breakage import Breakage
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.use_case import Target
from servicio_ml.errors import SettingsError, listed
from servicio_ml.pipeline.backtest_stream import Stream
from servicio_ml.pipeline.period import last_day

CELSIUS = "°C"
THOUSAND = 1000
"""A common mistake of units: metres for kilometres, grams for kilogrammes."""
SCALED_LABELS = 2
NUMERIC = (Kind.NUMBER, Kind.INTEGER)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fault:
    """A fault in a stream.

    Attributes:
        kind: What breaks.
        month: From which on, `YYYY-MM`.
        field: Which breaks (of `UNIT`, all of its unit); empty for labels.
        what: In words.
        changes: What the columns of a row become by it, each under its own name.
    """

    kind: Breakage
    month: str
    field: str
    what: str
    changes: Sequence[pl.Expr]

    def into(self, stream: Stream) -> Stream:
        """The stream with the fault."""
        late = pl.col(stream.use_case.event_date) >= last_day(self.month).replace(day=1)
        changed = [
            pl.when(late).then(each).otherwise(pl.col(name)).alias(name)
            for each in self.changes
            for name in [each.meta.output_name()]
        ]
        return replace(stream, rows=stream.rows.with_columns(changed))


def broken(kind: Breakage, month: str, field: str, schema: FeatureSchema, target: Target) -> Fault:
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
    last_day(month, "--fault-from")
    if kind is Breakage.LABELS:
        if field:
            raise SettingsError("--fault-field", f"{field!r}: labels break as a whole; leave it out")
        what, changes = _labels(target)
        return Fault(kind=kind, month=month, field="", what=what, changes=changes)
    chosen = _chosen(kind, field, schema)
    if kind is Breakage.SENSOR:
        what, changes = _sensor(chosen)
    elif kind is Breakage.UNIT:
        what, changes = _unit(chosen, schema)
    else:
        what, changes = _coding(chosen)
    return Fault(kind=kind, month=month, field=chosen.name, what=what, changes=changes)


def _chosen(kind: Breakage, wanted: str, schema: FeatureSchema) -> Field:
    fitting = [each for each in schema.fields if _can(kind, each)]
    if kind is Breakage.UNIT:
        fitting.sort(key=lambda each: each.unit != CELSIUS)
    if kind is Breakage.CODING:
        fitting.sort(key=lambda each: len(each.levels))
    named = [each for each in fitting if wanted in {"", each.name}]
    if not named:
        known = listed(each.name for each in fitting)
        raise SettingsError("--fault-field", f"{wanted!r} cannot break so; a {kind} fault is of: {known}")
    return named[0]


def _can(kind: Breakage, each: Field) -> bool:
    if kind is Breakage.CODING:
        return len(each.levels) > 1
    return each.kind in NUMERIC and (kind is Breakage.SENSOR or bool(each.unit))


Change = tuple[str, Sequence[pl.Expr]]


def _sensor(each: Field) -> Change:
    if each.nullable:
        return f"{each.name} is missing", [pl.lit(None).alias(each.name)]
    return f"{each.name} is stuck at {each.example}", [pl.lit(each.example).alias(each.name)]


def _unit(chosen: Field, schema: FeatureSchema) -> Change:
    names = [each.name for each in schema.fields if each.kind in NUMERIC and each.unit == chosen.unit]
    if chosen.unit == CELSIUS:
        return f"{listed(names)} in °F", [pl.col(name) * 9 / 5 + 32 for name in names]
    what = f"{listed(names)} in thousandths of {chosen.unit}"
    return what, [pl.col(name) * THOUSAND for name in names]


def _coding(each: Field) -> Change:
    return f"each level of {each.name} is coded as the next", [_turned(each.name, each.levels)]


def _labels(target: Target) -> Change:
    if not target.labels:
        return f"{target.name} times {SCALED_LABELS}", [pl.col(target.name) * SCALED_LABELS]
    return f"each label of {target.name} is told as the next", [_turned(target.name, target.labels)]


def _turned(column: str, names: Sequence[str]) -> pl.Expr:
    return pl.col(column).replace(dict(zip(names, (*names[1:], names[0]), strict=True)))
