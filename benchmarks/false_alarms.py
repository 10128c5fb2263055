"""The rate of false drift alarms; `python -m benchmarks.false_alarms` prints a Markdown table.

A window's rows are drawn without replacement from one population, and the rest of it is the reference: the
two differ by chance alone, also where a window holds two calendar months only and each row is compared with
its own month. Ours (`evaluate_drift`) with the floor of the use case and by the statistical threshold alone;
beside it Evidently's defaults on the same windows, with a sample of the reference: the verdict on each column
and on the dataset. It knows no months: what it reports for windows of two of them is the season.

Populations: made-up columns that are independent of each other, and the real rain rows with their seasons
where SERVICIO_ML_DATA_DIR has them.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from servicio_ml import bootstrap, settings
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.bins import Integers, Numbers
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.profile import (
    ALL,
    MONTHS,
    ReferenceProfile,
    SeasonProfile,
    UnseenRows,
    build_profile,
    compute_months,
    smooth,
)
from servicio_ml.features.window_drift import WindowCounts, evaluate_drift
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.etl.run import run_etl
from servicio_ml.use_cases.catalogue import find

RAIN = find("rain_australia")
ORIGINAL, PERIOD = "weatherAUS.csv", "2017-06"
SIZES = (100, 300, 1000, 10_000)
MADE_UP_ROWS, SEED = 100_000, 7
ZEROS, GAPS = 0.6, 0.2
"""Shares of the made-up columns that have many."""
RARE_SHARES = (0.002, 0.01, 0.05, 0.07)
"""Shares of the rare values of the made-up flags, and of the columns that are nearly always 0."""
NO_FLOOR = 1e-9
"""Population stability index below every window's, which leaves the statistical threshold alone."""
EVIDENTLY_REFERENCE_ROWS = 10_000
EVIDENTLY_DRIFT_SHARE = 0.5
MAX_ALARMS, PERCENT = 0.05, 100
Draw = Callable[[int, np.random.Generator], Integers]


class Population:
    """Rows without drift, with their bins and counts.

    Args:
        name: Name of the population in the report.
        schema: Schema of the matrix, one field per column.
        matrix: Encoded rows, `[n, fields]`.
        policy: Drift policy that judges the windows.
    """

    def __init__(self, name: str, schema: FeatureSchema, matrix: Numbers, policy: DriftPolicy) -> None:
        self.name, self.schema, self.matrix = name, schema, matrix
        self.shown = _format_value(schema, matrix)
        unseen = UnseenRows(
            rows=np.arange(len(matrix)), binned_values=self.shown, classes=(), performance=lambda _: {}
        )
        self.profile = build_profile(schema, matrix, policy, unseen)
        self.month = np.zeros(len(matrix), dtype=np.int64)
        if policy.season:
            self.month = compute_months(matrix[:, schema.field_names.index(policy.season)])
        self._totals = {
            season: self._count(np.flatnonzero(self._mask(season))) for season in self.profile.seasons
        }

    def draw_window(self, rows: Integers) -> tuple[ReferenceProfile, WindowCounts]:
        """Some rows as a window, and the others as the reference."""
        taken = np.zeros(len(self.matrix), dtype=bool)
        taken[rows] = True
        seasons = {}
        for season, totals in self._totals.items():
            found = self._count(np.flatnonzero(taken & self._mask(season)))
            left = [total - some for total, some in zip(totals, found, strict=True)]
            shares = tuple(tuple(smooth(each).tolist()) for each in left)
            seasons[season] = SeasonProfile(rows=int(left[0].sum()), shares=shares, performance={})
        reference = replace(self.profile, seasons=seasons)
        counts = WindowCounts(columns=self._count(rows), seasons=reference.count_seasons(self.matrix[rows]))
        return reference, counts

    def draw_anywhere(self, rows: int, rng: np.random.Generator) -> Integers:
        return rng.choice(len(self.matrix), rows, replace=False)

    def draw_two_months(self, rows: int, rng: np.random.Generator) -> Integers:
        """Half of the rows from each of two months."""
        chosen = rng.choice(np.arange(1, len(MONTHS) + 1), 2, replace=False)
        halves = [rng.choice(np.flatnonzero(self.month == each), rows // 2, replace=False) for each in chosen]
        return np.concatenate(halves)

    def _mask(self, season: str) -> npt.NDArray[np.bool_]:
        mask: npt.NDArray[np.bool_] = self.month == (0 if season == ALL else int(season))
        return mask | (season == ALL)

    def _count(self, rows: Integers) -> list[Integers]:
        return [*self.profile.count(self.matrix[rows]), self.profile.prediction.count(self.shown[rows])]


def _format_value(schema: FeatureSchema, matrix: Numbers) -> Numbers:
    """A prediction: any fixed function of a row will do."""
    numbers = [i for i, each in enumerate(schema.fields) if each.kind in {Kind.NUMBER, Kind.INTEGER}]
    chosen = matrix[:, numbers]
    total = np.nan_to_num((chosen - np.nanmean(chosen, axis=0)) / np.nanstd(chosen, axis=0)).sum(axis=1)
    answers: Numbers = 1 / (1 + np.exp(-total / np.sqrt(len(numbers))))
    return answers


def generate_population() -> Population:
    """Independent columns of many shapes: the hardest case for a rate over all of them."""
    rng, rows = np.random.default_rng(SEED), MADE_UP_ROWS
    columns: dict[str, tuple[Kind, Numbers, int]] = {}
    for i in range(4):
        columns[f"normal_{i}"] = Kind.NUMBER, rng.normal(size=rows), 0
        columns[f"skewed_{i}"] = Kind.NUMBER, rng.lognormal(sigma=1.5, size=rows), 0
        gaps = np.where(rng.random(rows) < GAPS * (i + 1), np.nan, rng.normal(size=rows))
        columns[f"gaps_{i}"] = Kind.NUMBER, gaps, 0
        zeros = np.where(rng.random(rows) < ZEROS, 0.0, rng.exponential(size=rows))
        columns[f"zeros_{i}"] = Kind.NUMBER, zeros, 0
        rare = RARE_SHARES[i]
        columns[f"flag_{i}"] = Kind.INTEGER, (rng.random(rows) < rare).astype(float), 0
        few = np.where(rng.random(rows) < 1 - rare, 0.0, rng.lognormal(size=rows))
        columns[f"few_{i}"] = Kind.NUMBER, few, 0
    for levels in (2, 2, 5, 10, 20, 50):
        weights = 1 / np.arange(1, levels + 1)
        codes = rng.choice(levels, rows, p=weights / weights.sum()).astype(float)
        columns[f"levels_{levels}_{len(columns)}"] = Kind.CATEGORY, codes, levels
    fields = tuple(
        Field(
            name=name, kind=kind, column=name, description=name, nullable=True,
            example="0" if levels else 0.0, levels=tuple(map(str, range(levels))),
        )
        for name, (kind, _, levels) in columns.items()
    )  # fmt: skip
    matrix = np.stack([values for _, values, _ in columns.values()], axis=1)
    return Population("made up", FeatureSchema(fields=fields), matrix, DriftPolicy())


def read_rain() -> Population | None:
    """The training rows of the rain; None where they are not at hand."""
    source = Path(os.environ.get("SERVICIO_ML_DATA_DIR", ""), ORIGINAL)
    if not source.is_file():
        return None
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as folder:
        place = Path(folder)
        chosen = settings.load_settings(state_dir=place)
        store = bootstrap.open_lake(chosen)
        manifest = run_etl(
            RAIN, source, source_name=source.name, period=PERIOD, store=store, stats=NoStats(),
            connect_tracker=lambda: bootstrap.connect_tracker(chosen), progress=SilentProgress(),
        )  # fmt: skip
        matrix = Encoder(manifest.schema).encode_frame(read_split(store, manifest, "train"))
    fields = FeatureSchema(fields=manifest.schema.fields)
    return Population("rain", fields, matrix[:, : len(fields.fields)], RAIN.drift)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Rates of false alarms, as shares of the windows unless stated otherwise (0–1).

    Attributes:
        any: Share of the windows with at least one drifted column.
        column: Share of the drifted columns among all columns of all windows.
        dataset: Share of the windows whose data set is judged as drifted; NaN without such a verdict.
    """

    any: float
    column: float
    dataset: float = float("nan")

    @classmethod
    def from_rows(cls, verdicts: Sequence[Sequence[bool]], share: float = float("inf")) -> "Rates":
        """From the columns' verdicts of each window, and the share of columns that makes a verdict."""
        table = np.array(verdicts)
        dataset = float("nan") if share > 1 else float((table.mean(axis=1) >= share).mean())
        return cls(any=float(table.any(axis=1).mean()), column=float(table.mean()), dataset=dataset)


def detect_with_ours(population: Population, windows: Sequence[Integers]) -> tuple[Rates, Rates]:
    """With the floor, and by the statistical threshold alone."""
    floored: list[list[bool]] = []
    bare: list[list[bool]] = []
    for rows in windows:
        reference, counts = population.draw_window(rows)
        for policy, verdicts in (
            (reference.policy, floored),
            (replace(reference.policy, practical_psi=NO_FLOOR, design_effect=1.0), bare),
        ):
            drift = evaluate_drift(replace(reference, policy=policy), counts)
            verdicts.append([each.drifted for each in (*drift.features, drift.prediction)])
    return Rates.from_rows(floored), Rates.from_rows(bare)


def detect_with_evidently(
    population: Population, windows: Sequence[Integers], rng: np.random.Generator
) -> Rates:
    """By the tests and thresholds that Evidently chooses itself.

    Raises:
        SystemExit: Its preset reports something else for the first window.
    """
    kinds = _list_columns(population)
    verdicts: list[list[bool]] = []
    for rows in windows:
        others = np.setdiff1d(np.arange(len(population.matrix)), rows)
        before = _build_frame(population, rng.choice(others, EVIDENTLY_REFERENCE_ROWS, replace=False))
        now = _build_frame(population, rows)
        found = [_list_drifted(before[name], now[name], kind) for name, kind in kinds.items()]
        if not verdicts and sum(found) != _run_preset(before, now, kinds):
            raise SystemExit("Evidently's preset does not count the same columns")
        verdicts.append(found)
    return Rates.from_rows(verdicts, EVIDENTLY_DRIFT_SHARE)


def _list_columns(population: Population) -> dict[str, str]:
    """Kind of each column as Evidently has it; dates it does not compare."""
    fields = [each for each in population.schema.fields if each.kind is not Kind.DATE]
    return {
        **{each.name: "cat" if each.kind is Kind.CATEGORY else "num" for each in fields},
        "prediction": "num",
    }


def _build_frame(population: Population, rows: Integers) -> pd.DataFrame:
    frame = pd.DataFrame(population.matrix[rows], columns=list(population.schema.field_names))
    return frame.assign(prediction=population.shown[rows])[list(_list_columns(population))]


def _list_drifted(before: "pd.Series[float]", now: "pd.Series[float]", kind: str) -> bool:
    from evidently.legacy.calculations.stattests import get_stattest  # noqa: PLC0415  it takes seconds

    known, current = before.dropna(), now.dropna()
    if current.empty:  # it refuses such a window
        return False
    return bool(get_stattest(known, current, kind, None)(known, current, kind, None).drifted)


def _run_preset(before: pd.DataFrame, now: pd.DataFrame, kinds: Mapping[str, str]) -> int:
    """How many columns its preset calls drifted."""
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415  the same
    from evidently.presets import DataDriftPreset  # noqa: PLC0415  the same

    definition = DataDefinition(
        numerical_columns=[name for name, kind in kinds.items() if kind == "num"],
        categorical_columns=[name for name, kind in kinds.items() if kind == "cat"],
    )
    both = [Dataset.from_pandas(frame, data_definition=definition) for frame in (now, before)]
    metrics = Report([DataDriftPreset()]).run(*both).dict()["metrics"]
    return int(
        next(each["value"]["count"] for each in metrics if "DriftedColumnsCount" in each["metric_name"])
    )


def print_table(windows: int, peers: int) -> Iterator[str]:
    """Markdown, a line at a time."""
    yield f"{windows:,} windows of each size, {peers:,} of them for Evidently\n"
    yield (
        "| population | window | rows | ours: any column | a column | without the floor: any | a column "
        "| Evidently: any column | a column | dataset | ours ≤ 5 % |"
    )
    yield "|---" * 11 + "|"
    populations = [each for each in (generate_population(), read_rain()) if each is not None]
    for population in populations:
        draws: dict[str, Draw] = {"any rows": population.draw_anywhere}
        if population.profile.policy.season:
            draws["two months"] = population.draw_two_months
        for window, draw in draws.items():
            for rows in SIZES:
                rng = np.random.default_rng([SEED, rows])
                drawn = [draw(rows, rng) for _ in range(windows)]
                floored, bare = detect_with_ours(population, drawn)
                theirs = detect_with_evidently(population, drawn[:peers], rng) if peers else None
                yield _format_line(population.name, window, rows, floored, bare, theirs)


def _format_line(name: str, window: str, rows: int, floored: Rates, bare: Rates, theirs: Rates | None) -> str:
    shown = [floored.any, floored.column, bare.any, bare.column]
    shown += [theirs.any, theirs.column, theirs.dataset] if theirs else [float("nan")] * 3
    cells = [f"{each * PERCENT:.{2 if i in {1, 3} else 1}f} %" for i, each in enumerate(shown)]
    reached = "yes" if floored.any <= MAX_ALARMS else "no"
    return f"| {name} | {window} | {rows:,} | {' | '.join(cells)} | {reached} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], prog="benchmarks.false_alarms"
    )
    parser.add_argument("--windows", type=int, default=200, help="of each size")
    parser.add_argument("--evidently", type=int, default=200, help="of them, that Evidently gets too")
    given = parser.parse_args()
    if "SERVICIO_ML_DATA_DIR" not in os.environ:
        print("no real rows: SERVICIO_ML_DATA_DIR is not set", file=sys.stderr)
    for line in print_table(given.windows, min(given.evidently, given.windows)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
