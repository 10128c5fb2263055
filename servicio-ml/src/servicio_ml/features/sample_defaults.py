"""What a `Sample` does not say, made up from the schema: ranges, levels and a tie to the target."""

from dataclasses import replace
from datetime import date, timedelta
from math import floor, log10

from servicio_ml.domain.sample import Column, Factor, Marginal, Sample
from servicio_ml.domain.schema import Field, Kind, Parse
from servicio_ml.domain.use_case import Target, UseCase

LOADING = 0.6
"""Of every made-up column on the first factor: enough for a model to learn something."""
TARGET_LOADING = 0.95
MISSING = 0.05
"""Share of missing values of a made-up column that may be missing."""
DAYS = 730
"""Length of a made-up range of dates."""
STEPS = 1000
"""A made-up number takes at least so many values."""


def completed(use_case: UseCase) -> Sample:
    """The use case's sample with every raw column that it needs, optional ones left out."""
    sample = use_case.sample
    columns: dict[str, Column] = {**sample.columns}
    known = {*columns, sample.panel.date, sample.panel.entity} if sample.panel else {*columns}
    for each in use_case.schema.fields:
        if each.column not in known and not each.optional:
            known.add(each.column)
            columns[each.column] = _field(each)
    if use_case.target.column not in known:
        columns[use_case.target.column] = _target(use_case.target)
    return replace(sample, columns=columns, factors=sample.factors or (Factor(name="target"),))


def _field(each: Field) -> Marginal:
    missing = MISSING if each.nullable else 0.0
    if each.kind is Kind.CATEGORY:
        return _levels(each.levels, each.parse, missing, LOADING)
    if each.kind is Kind.DATE:
        last = date.fromisoformat(str(each.example))
        first = last - timedelta(days=DAYS)
        return Marginal(dates=(first.isoformat(), last.isoformat()), loadings=(LOADING,), missing=missing)
    example = float(each.example)
    low = example - max(abs(example), 1.0) if each.minimum is None else each.minimum
    high = example + max(abs(example), 1.0) if each.maximum is None else each.maximum
    return _number(low, high, LOADING, missing, whole=each.kind is Kind.INTEGER)


def _target(target: Target) -> Marginal:
    if not target.numeric:
        return _levels(target.labels, target.parse, 0.0, TARGET_LOADING)
    low = min((0.0, *target.edges)) if target.minimum is None else target.minimum
    high = max((low + 1, *(edge + 1 for edge in target.edges))) if target.maximum is None else target.maximum
    return _number(low, high, TARGET_LOADING, 0.0, whole=False)


def _levels(levels: tuple[str, ...], parse: Parse, missing: float, loading: float) -> Marginal:
    """Equal shares of the levels, in the raw file's own spelling."""
    raw = {level: text for text, level in reversed([*parse.recode.items()])}
    return Marginal(
        shares={raw.get(level, level): 1.0 for level in levels}, missing=missing, loadings=(loading,)
    )


def _number(low: float, high: float, loading: float, missing: float, *, whole: bool) -> Marginal:
    step = 1.0 if whole or high == low else 10.0 ** floor(log10((high - low) / STEPS))
    return Marginal(quantiles={0: low, 1: high}, step=step, missing=missing, loadings=(loading,))
