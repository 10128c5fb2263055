"""Generator of synthetic rows: raw columns of text from the `SyntheticSample` of a use case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from servicio_ml.domain.checks.sample import ROW
from servicio_ml.domain.sample import (
    Factor,
    Marginal,
    MissingValues,
    NextDay,
    SampleColumn,
    Scaled,
    Switch,
    SyntheticSample,
    Text,
)
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.synthetic.sample_defaults import complete_sample

DAYS_PER_YEAR = 365.2425
ROW_DIGITS = 6
MAX_DECIMALS = 9

Values = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """Columns of text as in a raw file, all of one length; `named` is True with a header line."""

    columns: Mapping[str, Sequence[str]]
    named: bool

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))


def draw_rows(use_case: UseCase, rows: int, random: np.random.Generator) -> RawTable:
    """Draw synthetic rows of a use case's raw file; the same generator state gives the same rows.

    Args:
        use_case: Use case of the rows.
        rows: Number of rows, at least 1.
        random: Source of all randomness.
    """
    sample = complete_sample(use_case)
    copies = round(rows * sample.duplicates)
    drawing = _Drawing(sample, rows - copies, random)
    columns = drawing.draw_texts()
    if copies:
        order = np.concatenate([np.arange(rows - copies), random.integers(rows - copies, size=copies)])
        random.shuffle(order)
        columns = {name: column[order] for name, column in columns.items()}
    return RawTable(columns={name: column.tolist() for name, column in columns.items()}, named=sample.header)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DrawnColumn:
    """Cells of a column `[entities, days]`; the values of missing cells have no meaning."""

    values: Values
    missing: NDArray[np.bool_]
    form: str = ""


class _Drawing:
    """Draw over a grid of entities by days; without a panel every row is an entity with one day.

    The grid of a panel has one day more than the file, for `NextDay`; its factors start earlier, for lags.
    """

    def __init__(self, sample: SyntheticSample, rows: int, random: np.random.Generator) -> None:
        self._sample, self._rows, self._random = sample, rows, random
        self._lag = max(getattr(column, "lag", 0) for column in sample.columns.values())
        panel = sample.panel
        if panel is None:
            self._entities: tuple[str, ...] = ()
            self._kept = self._days = 1
            self._shape = (rows, 1)
        else:
            self._entities = panel.entities
            self._kept = -(-rows // len(panel.entities))
            self._days = self._kept + 1
            self._shape = (len(panel.entities), self._days)
        self._factors = [self._draw_factor(factor) for factor in sample.factors]
        self._drawn: dict[str, _DrawnColumn] = {}

    def draw_texts(self) -> dict[str, Values]:
        """Draw the columns of the file as arrays of texts, in the order of the file."""
        for name, column in self._sample.columns.items():
            self._drawn[name] = self._draw_column(column)
        keep = self._build_mask()
        columns = self._draw_panel_columns(keep)
        for name, drawn in self._drawn.items():
            if name not in self._sample.hidden:
                texts = _format_cells(drawn.values[keep], drawn.form)
                columns[name] = np.where(drawn.missing[keep], self._sample.missing, texts)
        return columns

    def _build_mask(self) -> NDArray[np.bool_]:
        """Build the mask of the cells in the file: the last days of each entity."""
        # rows need not divide evenly: the first entities have one day more
        if self._sample.panel is None:
            return np.ones(self._shape, bool)
        shorter, more = divmod(self._rows, len(self._entities))
        lengths = shorter + (np.arange(len(self._entities)) < more)
        days = np.arange(self._days)
        return (days >= self._kept - lengths[:, None]) & (days < self._kept)

    def _draw_panel_columns(self, keep: NDArray[np.bool_]) -> dict[str, Values]:
        panel = self._sample.panel
        if panel is None:
            return {}
        dates = np.broadcast_to(self._build_dates(0).astype(str).astype(object), self._shape)
        entities = np.broadcast_to(np.array(panel.entities, object)[:, None], self._shape)
        return {panel.date: dates[keep], panel.entity: entities[keep]}

    def _build_dates(self, earlier: int) -> NDArray[np.datetime64]:
        """Build the days of the grid, preceded by `earlier` more."""
        last = np.datetime64(self._sample.panel.last if self._sample.panel else 0, "D")
        return last + np.arange(1 - self._kept - earlier, self._days - self._kept + 1)

    def _draw_factor(self, factor: Factor) -> NDArray[np.float64]:
        """Draw the scores of a factor, `[entities, days + lag]`."""
        dates = self._build_dates(self._lag)
        entities = len(self._entities) or self._rows
        level = np.array([factor.levels.get(entity, 0.0) for entity in self._entities] or [0.0])
        day = (dates - dates.astype("datetime64[Y]")).astype(float) + 1
        wave = np.sqrt(2) * np.cos(2 * np.pi * (day - factor.peak) / DAYS_PER_YEAR)
        rest = max(0.0, 1 - factor.season**2 - float(level.var()))
        shocks = self._random.standard_normal((len(dates), entities))
        shocks[1:] *= np.sqrt(1 - factor.persistence**2)
        if factor.persistence:
            for today in range(1, len(dates)):
                shocks[today] += factor.persistence * shocks[today - 1]
        scores: NDArray[np.float64] = factor.season * wave + level[:, None] + np.sqrt(rest) * shocks.T
        return scores

    def _draw_column(self, column: SampleColumn) -> _DrawnColumn:
        missing = self._draw_missing(column)
        match column:
            case Marginal():
                return _DrawnColumn(
                    values=self._draw_marginal(column), missing=missing, form=column.number_format
                )
            case Switch():
                source = self._drawn[column.source]
                high = ~source.missing & (source.values > column.above)
                values = np.where(high, self._draw_marginal(column.high), self._draw_marginal(column.low))
                return _DrawnColumn(values=values, missing=missing, form=column.high.number_format)
            case NextDay():
                source = self._drawn[column.source]
                gone = missing | np.roll(source.missing, -1, axis=1)
                return _DrawnColumn(values=np.roll(source.values, -1, axis=1), missing=gone, form=source.form)
            case Scaled():
                source = self._drawn[column.source]
                return _DrawnColumn(values=source.values * column.factor, missing=missing | source.missing)
            case Text():
                return _DrawnColumn(values=self._format_texts(column), missing=missing)
            case _:
                assert_never(column)

    def _draw_missing(self, gaps: MissingValues) -> NDArray[np.bool_]:
        missing = self._random.random(self._shape) < gaps.missing
        if gaps.missing_with:
            missing |= self._drawn[gaps.missing_with].missing
        if gaps.missing_at:
            missing |= np.isin(self._entities, gaps.missing_at)[:, None]
        return missing

    def _draw_marginal(self, marginal: Marginal) -> Values:
        """Draw values by the rank of the column's score among all cells."""
        # ranks, not scores, select the quantiles: the distribution is exact in every sample
        score = np.sqrt(1 - marginal.explained) * self._random.standard_normal(self._shape)
        start = self._lag - marginal.lag
        for loading, factor in zip(marginal.loadings, self._factors, strict=False):
            score += loading * factor[:, start : start + self._shape[1]]
        chance = np.empty(score.size)
        chance[np.argsort(score, axis=None, kind="stable")] = (np.arange(score.size) + 0.5) / score.size
        values = _compute_quantile(marginal, chance).reshape(self._shape)
        if marginal.at_least:
            values = np.maximum(values, self._drawn[marginal.at_least].values)
        if marginal.at_most:
            values = np.minimum(values, self._drawn[marginal.at_most].values)
        return values

    def _format_texts(self, text: Text) -> Values:
        chosen = self._draw_marginal(Marginal(shares=text.templates)).ravel()
        names = {name for template in text.templates for _, name, _, _ in Formatter().parse(template) if name}
        sources = {name.partition("[")[0]: () for name in names}
        cells = {name: self._list_source_cells(name) for name in sources}
        texts = [
            template.format(**dict(zip(cells, cell, strict=True)))
            for template, *cell in zip(chosen, *cells.values(), strict=True)
        ]
        return np.array(texts, object).reshape(self._shape)

    def _list_source_cells(self, name: str) -> list[Any]:
        if name == ROW:
            return [f"{row:0{ROW_DIGITS}}" for row in range(self._shape[0] * self._shape[1])]
        return list(self._drawn[name].values.ravel().tolist())


def _compute_quantile(marginal: Marginal, chance: NDArray[np.float64]) -> Values:
    """Compute the values of a marginal at cumulative probabilities."""
    if marginal.shares:
        cumulated = np.cumsum([*marginal.shares.values()])
        levels = np.array([*marginal.shares], object)
        return levels[np.searchsorted(cumulated[:-1] / cumulated[-1], chance, side="right")]
    if marginal.dates:
        first, last = (np.datetime64(day, "D") for day in marginal.dates)
        days = int((last - first).astype(int)) + 1
        return (first + np.floor(chance * days).astype(int)).astype(str).astype(object)
    at = sorted(marginal.quantiles)
    values = np.interp(chance, at, [marginal.quantiles[each] for each in at])
    stepped = np.round(np.round(values / marginal.step) * marginal.step, MAX_DECIMALS)
    return stepped + 0.0  # turns -0 into 0


def _format_cells(values: Values, form: str) -> Values:
    """Format cells as texts; each distinct number is formatted once."""
    if values.dtype == object:
        return values
    distinct, index = np.unique(values, return_inverse=True)
    return np.array([format(value, form) for value in distinct.tolist()], object)[index]
